# Trains the zoo's small tracker on a CPU, from composed clips, without a human label:
# bash tools/train_zoo.sh sstrack-tiny
_base_ = [
    '../sstrack_mm/zoo/sstrack_tiny.py', './_base_/datasets/composed.py',
    './_base_/default_runtime.py'
]

# Wide views first, then views such as tracking has.
wide_views = dict(
    type='CropClip',
    template_factor=_base_.model.test_cfg.template_factor,
    template_size=_base_.model.backbone.template_size,
    view_factor=_base_.model.test_cfg.search_factor,
    search_size=_base_.model.backbone.search_size,
    center_jitter=3.0, scale_jitter=0.2)
narrow_views = dict(wide_views, center_jitter=2.0, scale_jitter=0.15)
train_dataloader = dict(dataset=dict(pipeline=[
    *_base_.composed_pipeline[:2],
    dict(type='SwitchAtEpoch', epoch=10, before=[wide_views], after=[narrow_views]),
    *_base_.composed_pipeline[3:],
]))

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=17)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-5, convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2))
