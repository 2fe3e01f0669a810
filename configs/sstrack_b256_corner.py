# With the corner head of STARK in place of the centre head.
_base_ = './sstrack_b256.py'

model = dict(
    head=dict(
        _delete_=True,
        type='CornerMapHead',
        feat_channels=256,
        norm_cfg=_base_.model.head.norm_cfg,
        loss_iou=_base_.model.head.loss_iou,
        loss_bbox=_base_.model.head.loss_bbox))
