# ViT-B/16 with the centre head: SSTrack-B256. Start weights: DropMAE, K700, 800 epochs;
# MAE: model.backbone.init_cfg.checkpoint=timm://vit_base_patch16_224.mae
model = dict(
    type='SSTrack',
    data_preprocessor=dict(
        type='SSTrackDataPreprocessor',
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        brightness=0.2,
        flip_prob=0.5),
    backbone=dict(
        type='SSTrackViT',
        embed_dims=768,
        depth=12,
        num_heads=12,
        template_size=128,
        search_size=256,
        elimination_layers=(3, 6, 9),
        keep_ratio=0.7,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained', checkpoint='pretrained/dropmae_k700_800e.pth')),
    head=dict(
        type='CenterMapHead',
        feat_channels=256,
        norm_cfg=dict(type='BN'),  # SyncBN: model.head.norm_cfg.type=SyncBN
        loss_score=dict(type='mmdet.GaussianFocalLoss', alpha=2.0, gamma=4.0),
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0)),
    loss_contrastive=dict(
        type='InstanceContrastiveLoss', temperature=0.5, loss_weight=1.0),
    train_cfg=dict(resize='opencv', forward_loss_weight=0.0),
    test_cfg=dict(
        template_factor=2.0, search_factor=4.0, memory_size=3, test_mode='OPE'))
