# ViT-Tiny: for machines without a GPU.
_base_ = './sstrack_b256.py'

model = dict(
    backbone=dict(
        embed_dims=192,
        num_heads=3,
        init_cfg=dict(checkpoint='timm://vit_tiny_patch16_224.augreg_in21k')),
    head=dict(feat_channels=128))
