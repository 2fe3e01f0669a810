"""The base of all readers of raw video folders."""

import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from mmengine.dataset import force_full_init
from mmtrack.datasets import BaseSOTDataset

from sstrack_mm.datasets import files
from sstrack_mm.datasets.index import VideoEntry, VideoIndex, file_state, load_or_build
from sstrack_mm.errors import DataError
from sstrack_mm.structures.sequence import Sequence

logger = logging.getLogger(__name__)

_MAX_LISTED_ERRORS = 10


class VideoFiles(NamedTuple):
    """Where one video lies, before anything of it was read.

    Attributes:
        name: The name of the video.
        images: Its folder of frames, relative to the data root.
        labels: Its box file, relative to the data root.
        first: Number in the file name of the first frame; None: the folder's first.
        last: Number in the file name of the last frame; None: the folder's last.
    """

    name: str
    images: str
    labels: str
    first: int | None = None
    last: int | None = None


def _check_num_boxes(labels: str, num_boxes: int, num_frames: int) -> None:
    if num_boxes not in (1, num_frames):
        raise DataError(
            f'{labels}: {num_boxes} boxes for {num_frames} frames; '
            'expected one box a frame, or one in all'
        )


class SequenceDataset(BaseSOTDataset):
    """Annotated videos in folders, one target each.

    A reader finds its videos in :meth:`_find_videos`; this class scans them once,
    keeps the result (:mod:`sstrack_mm.datasets.index`), and serves it in three ways:
    :meth:`clip_source` for training, which knows the first box and no other;
    :meth:`sequence` for evaluation; and mmtrack's own test interface
    (``test_mode=True`` with ``VideoSampler``). Boxes are as the files have them: none
    is shifted where a benchmark counts pixels from 1.

    Args:
        data_root: Folder of the dataset.
        split: Part of the dataset, for readers that have parts.
        split_file: Text file that names the videos to use, one a line: a path, or a
            file in the data root.
        skip_bad_videos: Log videos that cannot be used and go on without them,
            instead of raising an error.
        **kwargs: As :class:`mmtrack.datasets.BaseSOTDataset`: ``pipeline``,
            ``test_mode``, ``indices``, ``ann_file``, ...

    Raises:
        DataError: The data is missing or unusable; the message names the file.
    """

    layout = 'one folder a video'
    # How a line of a box file becomes x, y, w, h.
    parse_box = staticmethod(files.parse_box)
    # How many frames at the end of a video may lack a box; they are left out.
    spare_frames = 0
    # What the flags in the attribute file of a video stand for, and where it may be.
    attribute_names: tuple[str, ...] = ()
    attribute_files: tuple[str, ...] = ('att/{name}.txt', 'annos/att/{name}.txt')

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        split_file: str | None = None,
        skip_bad_videos: bool = False,
        **kwargs: Any,
    ) -> None:
        self.split = split
        self.split_file = split_file
        self.skip_bad_videos = skip_bad_videos
        self.index: VideoIndex
        self._fully_initialized: bool
        super().__init__(data_root=data_root, **kwargs)

    # What a reader says about its dataset.

    def _find_videos(self) -> Iterable[VideoFiles]:
        """List the videos, reading no more than the names of files."""
        raise NotImplementedError

    def _visible_flags(self, entry: VideoEntry) -> np.ndarray:
        """The dataset's own word on which frames show the target, (N,) bool."""
        return np.ones(entry.num_frames, dtype=bool)

    def _box_lines(
        self, video: VideoFiles | VideoEntry, num_frames: int
    ) -> list[tuple[int, str]]:
        """The numbered lines of the box file that belong to the frames."""
        lines = files.read_lines(self._path(video.labels))
        return list(enumerate(lines, start=1))

    def _attributes(self, entry: VideoEntry) -> tuple[str, ...]:
        """The challenges that the dataset names for the video."""
        for pattern in self.attribute_files if self.attribute_names else ():
            path = self._path(pattern.format(name=entry.name))
            if os.path.exists(path):
                flags = files.read_flags(path, len(self.attribute_names))
                return tuple(itertools.compress(self.attribute_names, flags))
        return ()

    # Scanning.

    def full_init(self) -> None:
        """Load the index of the videos, or scan the folders to build it."""
        if self._fully_initialized:
            return
        if not os.path.isdir(self.data_root):
            raise self._missing(self.data_root)
        owner = (
            type(self).__name__,
            os.path.realpath(self.data_root),
            self.split,
            self.split_file,
            self.ann_file,
            self.skip_bad_videos,
        )
        self.index = load_or_build(owner, self._data_state(), self._scan)
        if self._indices is not None:
            self.index = self.index.subset(self._indices)
        self._fully_initialized = True

    def _path(self, *parts: str) -> str:
        return os.path.join(self.data_root, *parts)

    def _split_names(self) -> list[str] | None:
        """The names in the split file; None where there is no such file to obey."""
        if self.split_file is None:
            return None
        beside = self._path(self.split_file)
        return files.read_names(beside if os.path.exists(beside) else self.split_file)

    def _missing(self, path: str) -> DataError:
        return DataError(
            f'{path}: no such folder. {type(self).__name__} expects {self.layout}. '
            'Put the data there, or say where it is: by the key `data_root`, or by the '
            'environment variable SSTRACK_DATA_ROOT (the folder that holds all '
            'datasets) for the configurations of this project.'
        )

    def _data_state(self) -> Iterator[object]:
        """Everything that changes when the videos or their labels change."""
        for video in self._find_videos():
            yield (
                video,
                file_state(self._path(video.images)),
                file_state(self._path(video.labels)),
            )

    def scan_videos(self) -> Iterator[tuple[VideoFiles, VideoEntry | DataError]]:
        """Look at every video afresh; what is wrong with one does not stop the others.

        Yields:
            tuple: Where the video should be, and what was found there: its entry for
            :meth:`read_sequence`, or why it cannot be used.
        """
        for video in self._find_videos():
            try:
                yield video, self._scan_video(video)
            except DataError as error:
                yield video, error

    def _scan(self) -> Iterator[VideoEntry]:
        logger.info('Scanning the videos in %s', self.data_root)
        start_time = time.perf_counter()
        count, errors = 0, []
        for _, found in self.scan_videos():
            if isinstance(found, DataError):
                errors.append(str(found))
            else:
                yield found
                count += 1
        if errors:
            self._report_bad_videos(errors, count)
        elif not count:
            raise DataError(
                f'{self.data_root}: no video found. {type(self).__name__} '
                f'expects {self.layout}.'
            )
        logger.info(
            'Found %d videos in %s (%.1f s)',
            count,
            self.data_root,
            time.perf_counter() - start_time,
        )

    def _scan_video(self, video: VideoFiles) -> VideoEntry:
        """Count the frames and boxes of a video and read its first box.

        The other boxes are never read as numbers: training must not know them.
        """
        folder, labels = self._path(video.images), self._path(video.labels)
        frames = files.list_frames(folder)
        start, stop = files.frame_range(folder, frames, video.first, video.last)
        num_frames = stop - start
        lines = self._box_lines(video, num_frames)
        if 0 < num_frames - len(lines) <= self.spare_frames:
            num_frames = len(lines)
        _check_num_boxes(labels, len(lines), num_frames)
        init_xywh = files.parse_lines(labels, lines[:1], self.parse_box)[0]
        if not (np.isfinite(init_xywh).all() and (init_xywh[2:] > 0).all()):
            raise DataError(
                f'{labels}, line {lines[0][0]}: the first box needs a '
                f'width and a height above 0, got {lines[0][1]!r}'
            )
        return VideoEntry(
            video.name, video.images, video.labels, start, num_frames, tuple(init_xywh)
        )

    def _report_bad_videos(self, errors: list[str], num_good: int) -> None:
        """Raise one error for all bad videos, or log it."""
        listed = '\n  '.join(errors[:_MAX_LISTED_ERRORS])
        if len(errors) > _MAX_LISTED_ERRORS:
            listed += f'\n  ... and {len(errors) - _MAX_LISTED_ERRORS} more'
        message = (
            f'{self.data_root}: {len(errors)} of {len(errors) + num_good} '
            f'videos cannot be used:\n  {listed}\n'
        )
        if not self.skip_bad_videos or not num_good:
            raise DataError(
                f'{message}Repair them, or leave them out with '
                f'skip_bad_videos=True. {type(self).__name__} expects '
                f'{self.layout}.'
            )
        logger.warning('%sGoing on without them.', message)

    # What the videos are asked for.

    @property
    @force_full_init
    def num_videos(self) -> int:
        """int: The number of videos."""
        return len(self.index)

    @property
    @force_full_init
    def names(self) -> list[str]:
        """list[str]: The names of the videos."""
        return self.index.names

    @force_full_init
    def clip_source(self, idx: int) -> dict:
        """What training may know of a video.

        Returns:
            dict: ``video`` (its name), ``frame_paths`` (list[str]) and ``init_xywh``,
            the first box, (4,) float64 ``x, y, w, h`` in image pixels.
        """
        entry = self.index[idx]
        return dict(
            video=entry.name,
            frame_paths=self._frame_paths(entry),
            init_xywh=np.array(entry.init_xywh),
        )

    @force_full_init
    def sequence(self, idx: int) -> Sequence:
        """A video with all its labels, for evaluation."""
        return self.read_sequence(self.index[idx])

    def read_sequence(self, entry: VideoEntry) -> Sequence:
        """Read all labels of a video.

        Raises:
            DataError: A label file does not parse or has the wrong length.
        """
        gt_xywh = self._read_gt(entry)
        _check_num_boxes(self._path(entry.labels), len(gt_xywh), entry.num_frames)
        # The dataset's own word: what to make of an invalid box is for the metrics.
        visible = self._visible_flags(entry)
        visible[len(gt_xywh) :] = False
        return Sequence(
            entry.name,
            self._frame_paths(entry),
            gt_xywh,
            visible,
            self._attributes(entry),
        )

    def sequences(self) -> list[Sequence]:
        """All videos with all their labels."""
        return [self.sequence(idx) for idx in range(self.num_videos)]

    def _read_gt(self, entry: VideoEntry) -> np.ndarray:
        """All boxes of a video, (N, 4) or (1, 4) ``x, y, w, h``."""
        return files.parse_lines(
            self._path(entry.labels),
            self._box_lines(entry, entry.num_frames),
            self.parse_box,
        )

    def _frame_paths(self, entry: VideoEntry) -> list[str]:
        folder = self._path(entry.images)
        frames = files.list_frames(folder)[entry.start : entry.start + entry.num_frames]
        if len(frames) != entry.num_frames:
            raise DataError(
                f'{folder}: {entry.num_frames} frames were here when the '
                f'dataset was opened, now {len(frames)}; open it again'
            )
        return [os.path.join(folder, frame) for frame in frames]

    # The interface of mmtrack's datasets.

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """The index entry of a video as a dict."""
        return dict(self.index[idx]._asdict(), sample_idx=idx)

    def get_len_per_video(self, video_idx: int) -> int:
        """The number of frames of a video."""
        return self.get_data_info(video_idx)['num_frames']

    def get_bboxes_from_video(self, video_idx: int) -> np.ndarray:
        """True boxes, (N, 4) ``x, y, w, h``; NaN where a frame is not labelled."""
        sequence = self.sequence(video_idx)
        bboxes_xywh = np.full((len(sequence), 4), np.nan)
        bboxes_xywh[: len(sequence.gt_xywh)] = sequence.gt_xywh
        return bboxes_xywh

    def get_visibility_from_video(self, video_idx: int) -> dict:
        """``visible``: (N,) bool, whether the target can be seen and is labelled."""
        return dict(visible=self.sequence(video_idx).visible)

    def get_img_infos_from_video(self, video_idx: int) -> dict:
        """``video_id``, ``frame_ids``, ``img_paths`` and ``video_length``."""
        img_paths = self.clip_source(video_idx)['frame_paths']
        return dict(
            video_id=video_idx,
            frame_ids=np.arange(len(img_paths)),
            img_paths=img_paths,
            video_length=len(img_paths),
        )

    def prepare_train_data(self, video_idx: int) -> dict:
        """Run the pipeline on the :meth:`clip_source` of a video.

        mmtrack would draw two videos here and read all their boxes.
        """
        return self.pipeline(self.clip_source(video_idx))
