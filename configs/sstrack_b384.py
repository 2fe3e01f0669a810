_base_ = ['./_base_/sstrack_384.py', './_base_/schedules/schedule_150e.py']

train_dataloader = dict(dataset=dict(datasets=_base_.four_datasets))
