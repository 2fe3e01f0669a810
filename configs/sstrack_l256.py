# ViT-Large, sharded over the GPUs.
_base_ = ['./sstrack_b256.py', './_base_/fully_sharded.py']

model = dict(
    backbone=dict(
        embed_dims=1024,
        depth=24,
        num_heads=16,
        elimination_layers=(6, 12, 18),
        init_cfg=dict(checkpoint='timm://vit_large_patch16_224.mae')))
