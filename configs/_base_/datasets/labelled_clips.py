# Supervised clips for ODTrack-B384, of the four datasets with all their boxes.
_base_ = './four_datasets.py'

train_pipeline = [
    dict(type='SampleSupervisedClip', num_templates=3, num_views=2, max_gap=400),
    dict(type='LoadClip'),
    dict(type='GrayscaleClip', prob=0.05),
    dict(type='FlipClip', prob=0.5),
    dict(type='CropClip',
         template_factor=2.0, template_size=192,
         view_factor=5.0, search_size=384,
         center_jitter=4.5, scale_jitter=0.5),
    dict(type='PackClip'),
]
train_dataloader = dict(
    batch_size=8,
    sampler=dict(samples_per_epoch=30000),
    dataset=dict(labels='all', pipeline=train_pipeline))
auto_scale_lr = dict(base_batch_size=16)
