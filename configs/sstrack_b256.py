_base_ = [
    './_base_/models/sstrack_vit_base.py', './_base_/datasets/four_datasets.py',
    './_base_/schedules/schedule_150e.py'
]
