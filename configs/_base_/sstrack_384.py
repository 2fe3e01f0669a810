# SSTrack-B384 and its clips, which take their sizes from the model.
_base_ = ['./models/sstrack_vit_base_384.py', './datasets/clips.py']

train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='CropClip',
         template_factor=_base_.model.test_cfg.template_factor,
         template_size=_base_.model.backbone.template_size,
         view_factor=_base_.model.test_cfg.search_factor,
         search_size=_base_.model.backbone.search_size,
         center_jitter=4.5, scale_jitter=1.0),
    dict(type='PackClip'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
auto_scale_lr = dict(base_batch_size=16)
