_base_ = './sstrack_b256.py'

model = dict(
    backbone=dict(template_size=192, search_size=384),
    head=dict(feat_size=24),
    test_cfg=dict(search_factor=5.0))

train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='CropClip',
         template_factor=2.0, template_size=192,
         view_factor=5.0, search_size=384,
         center_jitter=4.5, scale_jitter=1.0),
    dict(type='PackClip'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
auto_scale_lr = dict(base_batch_size=16)
