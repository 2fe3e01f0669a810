# The same for larger crops, seen wider: SSTrack-B384 and ODTrack-B384.
_base_ = './sstrack_vit_base.py'

model = dict(
    backbone=dict(template_size=192, search_size=384),
    test_cfg=dict(search_factor=5.0))
