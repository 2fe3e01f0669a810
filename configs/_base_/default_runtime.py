# What every configuration shares: scope, hooks, environment, logging.
default_scope = 'mmtrack'
custom_imports = dict(
    imports=['sstrack_mm.models', 'sstrack_mm.datasets', 'sstrack_mm.engine'],
    allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='ClipPositionHook'),
    iteration_seed=dict(type='IterationSeedHook'),
    loss_guard=dict(type='LossGuardHook', max_loss=1e4),
    strict_load=dict(type='StrictLoadHook'))

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=1),
    dist_cfg=dict(backend='nccl'))
randomness = dict(seed=0)

# TensorBoard or Weights & Biases: add dict(type='TensorboardVisBackend') or
# dict(type='WandbVisBackend'), here or by --cfg-options visualizer.vis_backends=...
visualizer = dict(
    type='mmengine.Visualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=True, window_size=50)
log_level = 'INFO'
load_from = None
resume = False
