# Self-supervised clips for SSTrack-B256, and GOT-10k's validation videos for testing.
# `train_dataloader.dataset.datasets` is left to the files that inherit this one.
_base_ = './self_supervised.py'

# How mmtrack's own functions prepare a frame; ours read frames themselves.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmtrack.LoadTrackAnnotations', with_instance_id=False),
    dict(type='mmtrack.PackTrackInputs', pack_single_img=True),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,  # the tracker reads its frames
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='GOT10kSequences',
        data_root=f'{_base_.data_root}/got10k',
        split='val',
        pipeline=test_pipeline))
test_evaluator = dict(type='SequenceMetric', groups=['OPE'])
test_cfg = dict(type='SequenceTestLoop')
