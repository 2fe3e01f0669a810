# The supervised twin: the upper bound to compare self-supervision with.
_base_ = [
    './_base_/models/sstrack_vit_base.py', './_base_/datasets/labelled_clips.py',
    './_base_/schedules/schedule_150e.py'
]

model = dict(
    backbone=dict(
        template_size=192,
        search_size=384,
        temporal_embed=False,
        init_cfg=dict(checkpoint='timm://vit_base_patch16_224.mae')),
    head=dict(feat_size=24),
    loss_contrastive=None,
    test_cfg=dict(search_factor=5.0))

optim_wrapper = dict(optimizer=dict(lr=1e-4))
train_cfg = dict(max_epochs=300)
param_scheduler = dict(milestones=[240])
