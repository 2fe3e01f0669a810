_base_ = ['./_base_/sstrack_384.py', './_base_/schedules/schedule_60e.py']

model = dict(test_cfg=dict(memory_size=4))
train_dataloader = dict(dataset=dict(datasets=[_base_.videos.got10k]))
