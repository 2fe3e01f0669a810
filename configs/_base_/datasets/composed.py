# Clips composed of a bank of frames and sprites (tools/dataset_tools/make_bank.py): no
# label of a human. The crop is left to the files that inherit this one.
bank = '{{$SSTRACK_BANK:data/bank}}'

composed_pipeline = [
    dict(type='GrayscaleClip', prob=0.1),
    dict(type='FlipClip', prob=0.5),
    dict(type='VaryBoxes'),
    dict(type='CropClip'),
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
        pipeline=composed_pipeline))
