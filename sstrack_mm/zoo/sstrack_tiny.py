# The zoo's small tracker: convolutional stem, six blocks, a centre head at twice the
# tokens' resolution. configs/sstrack_tiny.py trains it.
model = dict(
    type='SSTrack',
    data_preprocessor=dict(
        type='SSTrackDataPreprocessor',
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        brightness=0.2,
        flip_prob=0.0,
    ),  # a target and its mirror image need not match
    backbone=dict(
        type='SSTrackViT',
        embed_dims=128,
        depth=6,
        num_heads=4,
        template_size=96,
        search_size=192,
        elimination_layers=(),
        keep_ratio=1.0,
        drop_path_rate=0.0,
        stem='conv',
        tied_attention=True,
        init_cfg=None,
    ),
    head=dict(
        type='CenterMapHead',
        feat_channels=48,
        fine_channels=64,
        norm_cfg=dict(type='BN'),
        box_cell='true',
        score_prior=0.05,
        loss_score=dict(type='mmdet.GaussianFocalLoss', alpha=2.0, gamma=4.0),
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
    ),
    loss_contrastive=dict(
        type='InstanceContrastiveLoss', temperature=0.5, loss_weight=0.3
    ),
    test_cfg=dict(
        template_factor=2.0,
        search_factor=4.0,
        memory_size=1,
        size_lr=0.2,
        calibration=0.8,
        shade_context=True,
        test_mode='OPE',
    ),
)

# How mmtrack's own functions prepare a frame; which videos is for --dataset to say.
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmtrack.LoadTrackAnnotations', with_instance_id=False),
            dict(type='mmtrack.PackTrackInputs', pack_single_img=True),
        ]
    )
)
test_evaluator = dict(type='SequenceMetric', groups=['OPE'])
test_cfg = dict(type='SequenceTestLoop')
