"""The videos of a reader, frame by frame, as mmtrack's loops and metrics take them."""

from typing import Any

import numpy as np
from mmtrack.datasets import BaseSOTDataset
from mmtrack.registry import DATASETS

from sstrack_mm.datasets.sequence_dataset import SequenceDataset


@DATASETS.register_module()
class FrameDataset(BaseSOTDataset):
    """Serves a reader to mmtrack: its trackers, ``VideoSampler`` and ``SOTMetric``.

    Args:
        sequences: The reader, or its config.
        **kwargs: As :class:`mmtrack.datasets.BaseSOTDataset`: ``test_mode``,
            ``pipeline`` (default: that of the reader), ...
    """

    def __init__(self, sequences: SequenceDataset | dict, **kwargs: Any) -> None:
        self.sequences = (
            DATASETS.build(sequences) if isinstance(sequences, dict) else sequences
        )
        self._fully_initialized: bool
        super().__init__(**{'pipeline': self.sequences.pipeline, **kwargs})

    def full_init(self) -> None:
        """Nothing is left to do: the reader has its own index."""
        self._fully_initialized = True

    @property
    def num_videos(self) -> int:
        """int: The number of videos."""
        return len(self.sequences)

    def get_len_per_video(self, video_idx: int) -> int:
        """The number of frames of a video."""
        return self.sequences.index[video_idx].num_frames

    def get_bboxes_from_video(self, video_idx: int) -> np.ndarray:
        """True boxes, (N, 4) ``x, y, w, h``; NaN where a frame is not labelled."""
        sequence = self.sequences.sequence(video_idx)
        bboxes_xywh = np.full((len(sequence), 4), np.nan)
        bboxes_xywh[: len(sequence.gt_xywh)] = sequence.gt_xywh
        return bboxes_xywh

    def get_visibility_from_video(self, video_idx: int) -> dict:
        """``visible``: (N,) bool, whether the target can be seen and is labelled."""
        return dict(visible=self.sequences.sequence(video_idx).visible)

    def get_img_infos_from_video(self, video_idx: int) -> dict:
        """``video_id``, ``frame_ids``, ``img_paths`` and ``video_length``."""
        img_paths = self.sequences.clip_source(video_idx)['frame_paths']
        return dict(
            video_id=video_idx,
            frame_ids=np.arange(len(img_paths)),
            img_paths=img_paths,
            video_length=len(img_paths),
        )
