# A small network that learns from random weights on a CPU: convolutional stem, six
# blocks, 128-pixel search images.
_base_ = './sstrack_vit_base.py'

model = dict(
    backbone=dict(
        embed_dims=128,
        depth=6,
        num_heads=4,
        template_size=64,
        search_size=128,
        elimination_layers=(3,),
        keep_ratio=1.0,  # 64 tokens: there is little to save
        drop_path_rate=0.0,
        stem='conv',
        init_cfg=None),
    head=dict(
        feat_channels=64, box_cell='true', score_prior=0.05),
    # A target and its mirror image need not match.
    data_preprocessor=dict(flip_prob=0.0),
    train_cfg=dict(known_memory=True, keep_template=True),
    test_cfg=dict(size_lr=0.1))
