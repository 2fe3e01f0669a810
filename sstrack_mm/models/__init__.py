"""The model; importing this package registers it with mmtrack."""

import mmdet.models  # noqa: F401  (registers the losses we take from there)

from sstrack_mm.models.backbones import SSTrackViT
from sstrack_mm.models.data_preprocessor import SSTrackDataPreprocessor
from sstrack_mm.models.heads import CenterMapHead, CornerMapHead
from sstrack_mm.models.losses import InstanceContrastiveLoss
from sstrack_mm.models.trackers import SSTrack

__all__ = [
    'CenterMapHead',
    'CornerMapHead',
    'InstanceContrastiveLoss',
    'SSTrack',
    'SSTrackDataPreprocessor',
    'SSTrackViT',
]
