# ViT-Small: for machines without a large GPU.
_base_ = './sstrack_b256.py'

model = dict(
    backbone=dict(
        embed_dims=384,
        num_heads=6,
        init_cfg=dict(checkpoint='timm://vit_small_patch16_224.augreg_in21k')))
