"""The index of a folder of videos that nobody labelled.

Three flat arrays, whatever the number of frames: the files, the frames of all files, the
shots. They lie in one file of the user's cache folder, memory-mapped by everybody who
reads it (:mod:`sstrack_mm.datasets.index` says when it is trusted).
"""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sstrack_mm.datasets.index import map_arrays
from sstrack_mm.datasets.shots import FAULTS, Shots
from sstrack_mm.disk import write_atomically

_FRAME = np.dtype([('pts', '<i8'), ('key', '?')])
_SHOT = np.dtype([('file', '<i8'), ('start', '<i8'), ('stop', '<i8')])


class Video(NamedTuple):
    """What was found in one video file or image folder.

    Attributes:
        path: Relative to the data root.
        image_wh: Width and height of its frames, upright, in pixels.
        num_frames: Its length.
        pts: (N,) int64 times of the frames; empty for an image folder.
        key: (N,) bool, whether decoding may start at the frame; as ``pts``.
        shots: What can be used of it.
    """

    path: str
    image_wh: tuple[int, int]
    num_frames: int
    pts: np.ndarray
    key: np.ndarray
    shots: Shots


class FootageIndex:
    """The videos of a folder as arrays, read-only.

    Args:
        files: (F,) with ``path``, ``width``, ``height``, ``num_frames``, ``offset`` (of
            its first frame in ``frames``; -1 for an image folder) and ``left_out``.
        frames: (N,) with ``pts`` and ``key``.
        shots: (S,) with ``file``, ``start`` and ``stop``.
        path: The file that they are mapped from, if any. Pickling then passes the path.
    """

    def __init__(
        self,
        files: np.ndarray,
        frames: np.ndarray,
        shots: np.ndarray,
        path: Path | None = None,
    ) -> None:
        self.files, self.frames, self.shots, self.path = files, frames, shots, path

    @classmethod
    def from_entries(cls, entries: Iterable[Video]) -> 'FootageIndex':
        """Pack what was found into arrays."""
        rows, frames, shots, offset = [], [], [], 0
        for number, video in enumerate(entries):
            table = np.empty(len(video.pts), _FRAME)
            table['pts'], table['key'] = video.pts, video.key
            frames.append(table)
            rows.append(
                (
                    os.fsencode(video.path),
                    *video.image_wh,
                    video.num_frames,
                    offset if len(table) else -1,
                    video.shots.left_out,
                )
            )
            offset += len(table)
            spans = np.empty(len(video.shots.spans), _SHOT)
            spans['file'] = number
            spans['start'], spans['stop'] = video.shots.spans.T
            shots.append(spans)
        longest = max((len(row[0]) for row in rows), default=0) or 1
        numbers = [(name, '<i8') for name in ('width', 'height', 'num_frames', 'offset')]
        file_type = [('path', f'S{longest}'), *numbers, ('left_out', '<i8', len(FAULTS))]
        return cls(
            np.array(rows, dtype=file_type),
            np.concatenate([np.empty(0, _FRAME), *frames]),
            np.concatenate([np.empty(0, _SHOT), *shots]),
        )

    @classmethod
    def load(cls, path: Path) -> 'FootageIndex | None':
        """Map an index file; None where there is none that can be read."""
        try:
            videos, frames, shots = map_arrays(path, 3)
            return cls(videos, frames, shots, path)
        except (OSError, ValueError, EOFError):
            return None

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all, whoever else writes the same one."""
        buffer = io.BytesIO()
        for array in (self.files, self.frames, self.shots):
            np.save(buffer, array)
        write_atomically(path, buffer.getvalue())

    def __reduce__(self) -> tuple:
        if self.path is not None and self.path.exists():
            return FootageIndex.load, (self.path,)
        return FootageIndex, tuple(
            np.array(array) for array in (self.files, self.frames, self.shots)
        )
