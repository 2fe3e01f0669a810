"""The videos of a reader as a dataset: scanned once, then served."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from sstrack_mm.datasets.index import VideoEntry, VideoIndex, file_state, load_or_build
from sstrack_mm.datasets.scan import Found, scan_each, usable_entries
from sstrack_mm.datasets.sequence_reader import SequenceReader
from sstrack_mm.structures.sequence import VideoSequence


class SequenceDataset(SequenceReader):
    """Videos with one target each, labelled or not.

    The videos are scanned once and the result is kept (:mod:`sstrack_mm.datasets.index`).
    :meth:`clip_source` is for training, which knows the first box and no other;
    :meth:`sequence` for evaluation;
    :class:`~sstrack_mm.datasets.mmtrack_dataset.FrameDataset` for mmtrack's loops.

    Args:
        data_root: Folder of the dataset.
        split: Part of the dataset, for readers that have parts.
        split_file: Text file that names the videos to use, one a line: a path, or a
            file in the data root.
        skip_bad_videos: Log videos that cannot be used and go on without them,
            instead of raising an error.
        indices: Use the first so many videos (negative: the last), or those at these
            places; None uses all.
        lazy_init: Open the dataset at its first use instead of at once.
        pipeline: How mmtrack's own functions prepare a frame: ``FrameDataset``, and
            ``inference_sot``, which looks for it in the configuration.

    Raises:
        DataError: The data is missing or unusable; the message names the file.
    """

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        split_file: str | None = None,
        skip_bad_videos: bool = False,
        indices: int | Iterable[int] | None = None,
        lazy_init: bool = False,
        pipeline: Sequence[dict] = (),
    ) -> None:
        super().__init__(data_root, split, split_file)
        self.skip_bad_videos = skip_bad_videos
        self.indices = indices
        self.pipeline = list(pipeline)
        if not lazy_init:
            self.index  # noqa: B018  (its first use)

    @cached_property
    def index(self) -> VideoIndex:
        """VideoIndex: What is known of the videos; the folders are scanned if need be."""
        if not os.path.isdir(self.data_root):
            raise self._missing(self.data_root)
        complaints: list[str] = []
        index = load_or_build(
            self._owner(),
            self._data_state(),
            lambda: self._scan(complaints),
            complaints=complaints,
        )
        return index if self.indices is None else index.subset(self.indices)

    def _owner(self) -> tuple[Any, ...]:
        """What tells the index from those of other datasets."""
        return (
            type(self).__name__,
            os.path.realpath(self.data_root),
            self.split,
            self.split_file,
            self.skip_bad_videos,
        )

    def _data_state(self) -> Iterator[object]:
        """Everything that changes when the videos or their labels change."""
        for video in self._find_videos():
            labels = video.labels
            yield (
                video,
                file_state(self._path(video.images)),
                None if labels is None else file_state(self._path(labels)),
            )

    def scan_videos(self) -> Iterator[Found]:
        """Look at every video afresh, as :func:`~sstrack_mm.datasets.scan.scan_each`."""
        return scan_each(self._find_videos(), self._scan_video)

    def _scan(self, complaints: list[str]) -> Iterator[VideoEntry]:
        expected = f'{type(self).__name__} expects {self.layout}.'
        return usable_entries(
            self.scan_videos(),
            self.data_root,
            expected,
            self.skip_bad_videos,
            complaints,
        )

    def __len__(self) -> int:
        return len(self.index)

    @property
    def names(self) -> list[str]:
        """list[str]: The names of the videos."""
        return self.index.names

    def clip_source(self, idx: int) -> dict:
        """What training may know of a video.

        Returns:
            dict: ``video`` (its name), ``frame_paths`` (list[str]) and ``init_xywh``,
            the first box, (4,) float64 ``x, y, w, h`` in image pixels, NaN where the
            video has no box.
        """
        entry = self.index[idx]
        return dict(
            video=entry.name,
            frame_paths=self._frame_paths(entry),
            init_xywh=np.array(entry.init_xywh),
        )

    def sequence(self, idx: int) -> VideoSequence:
        """A video with all its labels, for evaluation."""
        return self.read_sequence(self.index[idx])

    def sequences(self) -> list[VideoSequence]:
        """All videos with all their labels."""
        return [self.sequence(idx) for idx in range(len(self))]
