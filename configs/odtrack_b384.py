# The supervised twin: the upper bound to compare self-supervision with.
_base_ = [
    './_base_/models/sstrack_vit_base_384.py', './_base_/datasets/labelled_clips.py',
    './_base_/schedules/schedule_150e.py'
]

model = dict(
    backbone=dict(
        temporal_embed=False,
        init_cfg=dict(checkpoint='timm://vit_base_patch16_224.mae')),
    loss_contrastive=None)

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='CropClip',
         template_factor=_base_.model.test_cfg.template_factor,
         template_size=_base_.model.backbone.template_size,
         view_factor=_base_.model.test_cfg.search_factor,
         search_size=_base_.model.backbone.search_size,
         center_jitter=4.5, scale_jitter=0.5),
    dict(type='PackClip'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(lr=1e-4))
train_cfg = dict(max_epochs=300)
param_scheduler = dict(milestones=[240])
