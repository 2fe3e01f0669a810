# Clips composed of a bank of real and procedural frames and sprites: no label of a human.
bank = '{{$SSTRACK_BANK:data/bank}}'

crop = dict(
    type='CropClip',
    template_factor=2.0, template_size=64,
    view_factor=4.0, search_size=128)
train_pipeline = [
    dict(type='GrayscaleClip', prob=0.1),
    dict(type='FlipClip', prob=0.5),
    dict(**crop, center_jitter=3.0, scale_jitter=0.2),
    dict(type='DegradeCrops'),
    dict(type='PackClip'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    prefetch_factor=8,
    drop_last=True,
    sampler=dict(type='ClipSampler', samples_per_epoch=6400),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ComposedClips',
        bank=bank,
        sources=dict(pasted=0.45, still=0.15, tracked=0.4),
        pipeline=train_pipeline))
