# 60 epochs, learning rate x0.1 after 40, elimination from epoch 20 to 60.
_base_ = './schedule_150e.py'

train_cfg = dict(max_epochs=60)
param_scheduler = dict(milestones=[40])
default_hooks = dict(keep_ratio=dict(end_epoch=60))
