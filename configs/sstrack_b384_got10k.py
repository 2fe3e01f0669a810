_base_ = './sstrack_b384.py'

model = dict(test_cfg=dict(memory_size=4))
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(type='GOT10kSequences',
                 data_root=f'{_base_.data_root}/got10k', split='train')
        ],
        weights=None))

train_cfg = dict(max_epochs=60)
param_scheduler = dict(milestones=[40])
default_hooks = dict(keep_ratio=dict(end_epoch=60))
