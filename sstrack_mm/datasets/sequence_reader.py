"""The base of all readers: where one video lies, and what its files say."""

import itertools
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from sstrack_mm.datasets import files
from sstrack_mm.datasets.index import VideoEntry
from sstrack_mm.errors import DataError
from sstrack_mm.frames import list_frames
from sstrack_mm.structures.sequence import VideoSequence

UNKNOWN_BOX: files.Box = (np.nan, np.nan, np.nan, np.nan)


class VideoFiles(NamedTuple):
    """Where one video lies, before anything of it was read.

    Attributes:
        name: The name of the video.
        images: Its folder of frames, relative to the data root.
        labels: Its box file, relative to the data root; None where it has no box.
        first: Number in the file name of the first frame; None: the folder's first.
        last: Number in the file name of the last frame; None: the folder's last.
    """

    name: str
    images: str
    labels: str | None
    first: int | None = None
    last: int | None = None


class SequenceReader:
    """Finds the videos of a dataset and reads them, one at a time.

    A reader says what is particular to its dataset: the class attributes, and
    :meth:`_find_videos`, :meth:`_visible_flags`, :meth:`_box_lines` and
    :meth:`_attributes`. Boxes are as the files have them: none is shifted where a
    dataset counts pixels from 1.

    Args:
        data_root: Folder of the dataset.
        split: Part of the dataset, for readers that have parts.
        split_file: Text file that names the videos to use, one a line: a path, or a
            file in the data root.
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
        self, data_root: str, split: str | None = None, split_file: str | None = None
    ) -> None:
        self.data_root = data_root
        self.split = split
        self.split_file = split_file

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
        if video.labels is None:
            return []
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

    # What readers share.

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

    def _scan_video(self, video: VideoFiles) -> VideoEntry:
        """Count the frames and boxes of a video and read its first box.

        The other boxes are never read as numbers: training must not know them.
        """
        folder = self._path(video.images)
        frames = list_frames(folder)
        start, stop = files.frame_range(folder, frames, video.first, video.last)
        num_frames, init_xywh = stop - start, UNKNOWN_BOX
        if video.labels is not None:
            lines = self._box_lines(video, num_frames)
            if 0 < num_frames - len(lines) <= self.spare_frames:
                num_frames = len(lines)
            labels = self._path(video.labels)
            _check_num_boxes(labels, lines, num_frames)
            init_xywh = self._parse_first_box(labels, *lines[0])
        return VideoEntry(
            video.name, video.images, video.labels, start, num_frames, init_xywh
        )

    def _parse_first_box(self, labels: str, number: int, line: str) -> files.Box:
        """The first box, ``x, y, w, h``; it needs an area."""
        (box,) = files.parse_lines(labels, [(number, line)], self.parse_box)
        if not (np.isfinite(box).all() and (box[2:] > 0).all()):
            raise DataError(
                f'{labels}, line {number}: the first box needs a '
                f'width and a height above 0, got {line!r}'
            )
        return tuple(box)

    def read_sequence(self, entry: VideoEntry) -> VideoSequence:
        """Read all labels of a video.

        Raises:
            DataError: A label file does not parse or has the wrong length.
        """
        gt_xywh = self._read_boxes(entry)
        # The dataset's own word: what to make of an invalid box is for the metrics.
        visible = self._visible_flags(entry)
        visible[len(gt_xywh) :] = False
        return VideoSequence(
            entry.name,
            self._frame_paths(entry),
            gt_xywh,
            visible,
            self._attributes(entry),
        )

    def _read_boxes(self, entry: VideoEntry) -> np.ndarray:
        """All boxes of a video, (N, 4), (1, 4) or (0, 4) ``x, y, w, h``."""
        return self._parse_labels(entry, self.parse_box)

    def _parse_labels(
        self, entry: VideoEntry, parse: Callable[[str], files.Box | list[float]]
    ) -> np.ndarray:
        """What ``parse`` makes of the lines of a video's box file, a row a box."""
        if entry.labels is None:
            return np.empty((0, 4))
        labels = self._path(entry.labels)
        lines = self._box_lines(entry, entry.num_frames)
        _check_num_boxes(labels, lines, entry.num_frames)
        return files.parse_lines(labels, lines, parse)

    def _frame_paths(self, entry: VideoEntry) -> list[str]:
        folder = self._path(entry.images)
        frames = list_frames(folder)[entry.start : entry.start + entry.num_frames]
        if len(frames) != entry.num_frames:
            raise DataError(
                f'{folder}: {entry.num_frames} frames were here when the '
                f'dataset was opened, now {len(frames)}; open it again'
            )
        return [os.path.join(folder, frame) for frame in frames]


def _check_num_boxes(labels: str, lines: list[tuple[int, str]], num_frames: int) -> None:
    if len(lines) not in (1, num_frames):
        raise DataError(
            f'{labels}: {len(lines)} boxes for {num_frames} frames; expected one box a '
            f'frame, or one in all{files.describe_extra_lines(lines)}'
        )
