"""The training pipeline, in the order of its use."""

from sstrack_mm.datasets.transforms.augmentation import FlipClip, GrayscaleClip
from sstrack_mm.datasets.transforms.composing import ComposeTarget
from sstrack_mm.datasets.transforms.curriculum import SwitchAtEpoch
from sstrack_mm.datasets.transforms.degradation import DegradeCrops
from sstrack_mm.datasets.transforms.formatting import PackClip
from sstrack_mm.datasets.transforms.geometric import CropClip, VaryBoxes
from sstrack_mm.datasets.transforms.loading import LoadClip
from sstrack_mm.datasets.transforms.proposing import ProposeTarget
from sstrack_mm.datasets.transforms.sampling import (
    SampleSelfSupervisedClip,
    SampleSupervisedClip,
)
from sstrack_mm.datasets.transforms.synthesis import PasteTarget

__all__ = [
    'ComposeTarget',
    'CropClip',
    'DegradeCrops',
    'FlipClip',
    'GrayscaleClip',
    'LoadClip',
    'PackClip',
    'PasteTarget',
    'ProposeTarget',
    'SampleSelfSupervisedClip',
    'SampleSupervisedClip',
    'SwitchAtEpoch',
    'VaryBoxes',
]
