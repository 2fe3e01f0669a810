# 150 epochs, learning rate x0.1 after 120, elimination from epoch 20 to 100.
_base_ = '../default_runtime.py'

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=150)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2.5e-4, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=0.1),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
param_scheduler = dict(type='MultiStepLR', milestones=[120], gamma=0.1)
default_hooks = dict(
    keep_ratio=dict(
        type='KeepRatioHook', start_epoch=20, end_epoch=100, keep_ratio=0.7))
