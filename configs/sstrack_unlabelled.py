_base_ = [
    './_base_/models/sstrack_vit_base.py', './_base_/datasets/unlabelled.py',
    './_base_/schedules/schedule_150e.py'
]

model = dict(train_cfg=dict(cycle_weight=0.5))
