# Supervised clips, of the four datasets with all their boxes. The file that inherits
# this one says how they are cut: `CropClip`, before the last transform.
_base_ = './clips.py'

train_pipeline = [
    dict(type='SampleSupervisedClip', num_templates=3, num_views=2, max_gap=400),
    dict(type='LoadClip'),
    dict(type='GrayscaleClip', prob=0.05),
    dict(type='FlipClip', prob=0.5),
    dict(type='PackClip'),
]
train_dataloader = dict(
    batch_size=8,
    sampler=dict(samples_per_epoch=30000),
    dataset=dict(
        labels='all', datasets=_base_.four_datasets, pipeline=train_pipeline))
auto_scale_lr = dict(base_batch_size=16)
