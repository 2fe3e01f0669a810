# Trains the zoo's small tracker on a CPU, from composed clips, without a human label:
# bash tools/train_zoo.sh sstrack-tiny. It begins from what the same network learned from
# smaller images, configs/sstrack_tiny_128.py.
_base_ = [
    '../sstrack_mm/zoo/sstrack_tiny.py', './_base_/datasets/composed.py',
    './_base_/default_runtime.py'
]

views = dict(
    type='CropClip',
    template_factor=_base_.model.test_cfg.template_factor,
    shade_context=_base_.model.test_cfg.shade_context,
    template_size=_base_.model.backbone.template_size,
    view_factor=_base_.model.test_cfg.search_factor,
    search_size=_base_.model.backbone.search_size,
    center_jitter=2.0, scale_jitter=0.25)
train_dataloader = dict(
    sampler=dict(samples_per_epoch=3200),
    dataset=dict(pipeline=[
        *_base_.composed_pipeline[:3], views, *_base_.composed_pipeline[4:]
    ]))

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=46)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', eta_min=5e-6, convert_to_iter_based=True),
]
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=2),
    strict_load=dict(resize_positions=True))
randomness = dict(seed=1)
