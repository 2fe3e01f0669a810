"""Readers, clips and transforms; importing this package registers them with mmtrack."""

from sstrack_mm.datasets.catalogue import CATALOGUE, dataset_config, open_dataset
from sstrack_mm.datasets.clip_dataset import ClipDataset, ClipSampler
from sstrack_mm.datasets.coco import COCOSequences
from sstrack_mm.datasets.composed.clips import ComposedClips
from sstrack_mm.datasets.evaluation_readers import (
    ITBSequences,
    NFSSequences,
    OTBSequences,
    TC128Sequences,
    TNL2KSequences,
    UAV123Sequences,
    VOTSequences,
)
from sstrack_mm.datasets.feature_proposals import FeaturesProposer
from sstrack_mm.datasets.mmtrack_dataset import FrameDataset
from sstrack_mm.datasets.proposals import (
    FileProposer,
    MotionProposer,
    PasteProposer,
    PatchProposer,
)
from sstrack_mm.datasets.readers import (
    FolderSequences,
    GOT10kSequences,
    LaSOTSequences,
    TrackingNetSequences,
)
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.transforms import *  # noqa: F401,F403  (registers them)
from sstrack_mm.datasets.video_folder import VideoFolder

__all__ = [
    'CATALOGUE',
    'COCOSequences',
    'ClipDataset',
    'ClipSampler',
    'ComposedClips',
    'FeaturesProposer',
    'FileProposer',
    'FolderSequences',
    'FrameDataset',
    'GOT10kSequences',
    'ITBSequences',
    'LaSOTSequences',
    'MotionProposer',
    'NFSSequences',
    'OTBSequences',
    'PasteProposer',
    'PatchProposer',
    'SequenceDataset',
    'TC128Sequences',
    'TNL2KSequences',
    'TrackingNetSequences',
    'UAV123Sequences',
    'VOTSequences',
    'VideoFolder',
    'dataset_config',
    'open_dataset',
]
