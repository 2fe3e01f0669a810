# The zoo's small tracker, first stage: 128-pixel search images, which cost less than half
# of those that configs/sstrack_tiny.py goes on with.
_base_ = './sstrack_tiny.py'

model = dict(backbone=dict(template_size=64, search_size=128))

# Wide views first, then views such as tracking has.
wide_views = dict(
    type='CropClip',
    template_factor=_base_.model.test_cfg.template_factor,
    shade_context=_base_.model.test_cfg.shade_context,
    template_size=model['backbone']['template_size'],
    view_factor=_base_.model.test_cfg.search_factor,
    search_size=model['backbone']['search_size'],
    center_jitter=3.0, scale_jitter=0.2)
narrow_views = dict(wide_views, center_jitter=2.0, scale_jitter=0.15)
train_dataloader = dict(
    sampler=dict(samples_per_epoch=6400),
    dataset=dict(pipeline=[
        *_base_.composed_pipeline[:3],
        dict(type='SwitchAtEpoch', epoch=10, before=[wide_views], after=[narrow_views]),
        *_base_.composed_pipeline[4:],
    ]))

train_cfg = dict(max_epochs=17)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-5, convert_to_iter_based=True),
]
randomness = dict(seed=0)
