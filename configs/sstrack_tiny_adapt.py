# The zoo's small tracker learns on from raw video, with its own views and one template:
# python tools/adapt.py configs/sstrack_tiny_adapt.py sstrack-tiny VIDEOS --out adapted
_base_ = [
    '../sstrack_mm/zoo/sstrack_tiny.py', './_base_/datasets/self_supervised.py',
    './_base_/datasets/raw_video.py', './_base_/default_runtime.py'
]

model = dict(train_cfg=dict(known_memory=True, cycle_weight=0.5))
train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=1, num_views=2, max_gap=60, synthesis_prob=0.5, neighbour_gap=4),
    dict(type='LoadClip'),
    _base_.propose_target,
    _base_.compose_target,
    *_base_.train_pipeline[3:-2],
    dict(type='CropClip',
         template_factor=_base_.model.test_cfg.template_factor,
         shade_context=_base_.model.test_cfg.shade_context,
         template_size=_base_.model.backbone.template_size,
         view_factor=_base_.model.test_cfg.search_factor,
         search_size=_base_.model.backbone.search_size,
         center_jitter=2.0, scale_jitter=0.15),
    dict(type='PackClip'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(samples_per_epoch=800),
    dataset=dict(datasets=[_base_.raw_videos], pipeline=train_pipeline))

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-6, convert_to_iter_based=True),
]
default_hooks = dict(logger=dict(interval=10))
