_base_ = [
    './_base_/models/sstrack_vit_base.py', './_base_/datasets/got10k.py',
    './_base_/schedules/schedule_60e.py'
]

model = dict(test_cfg=dict(memory_size=4))
train_dataloader = dict(batch_size=16)
auto_scale_lr = dict(base_batch_size=32)
