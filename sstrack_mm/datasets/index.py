"""The index of a dataset: what one scan of its folders found, kept on disk.

Scanning a large dataset lists millions of files, so it is done once. The result is a
structured numpy array in the user's cache folder, memory-mapped by everybody who reads
it: data-loading workers share its pages, and a million videos are no Python objects.
The fingerprint of the data is part of the file's name: data that changed has another
name, so an index is either right or not found.
"""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from sstrack_mm.datasets.files import Box, FilePath
from sstrack_mm.disk import FullDiskError, cache_folder, printable, write_atomically

logger = logging.getLogger(__name__)

_FORMAT = 'v2'  # part of every index's name: a new format finds no old file


class VideoEntry(NamedTuple):
    """What the index knows of one video.

    Attributes:
        name: The name of the video.
        images: Its folder of frames (COCO: its image), relative to the data root.
        labels: Its box file, relative to the data root; None where it has none.
        start: Place of its first frame among the images of the folder.
        num_frames: Number of its frames.
        init_xywh: The first box, ``x, y, w, h`` in image pixels; NaN where it has none.
    """

    name: str
    images: str
    labels: str | None
    start: int
    num_frames: int
    init_xywh: Box


class VideoIndex:
    """An array of :class:`VideoEntry`, read-only.

    Args:
        records: Structured array with the fields of :class:`VideoEntry`.
        path: The file that ``records`` is mapped from, if any. Pickling then passes
            the path instead of the records.
    """

    def __init__(self, records: np.ndarray, path: Path | None = None) -> None:
        self.records = records
        self.path = path

    @classmethod
    def from_entries(cls, entries: Iterable[VideoEntry]) -> 'VideoIndex':
        """Pack entries into one array; strings are stored as file-system bytes."""
        rows: list[tuple] = [
            (*(os.fsencode(text or '') for text in entry[:3]), *entry[3:])
            for entry in entries
        ]
        text = [
            (field, f'S{max((len(row[place]) for row in rows), default=0) or 1}')
            for place, field in enumerate(VideoEntry._fields[:3])
        ]
        return cls(
            np.array(
                rows,
                dtype=[
                    *text,
                    ('start', '<i8'),
                    ('num_frames', '<i8'),
                    ('init_xywh', '<f8', 4),
                ],
            )
        )

    @classmethod
    def load(cls, path: Path) -> 'VideoIndex | None':
        """Map an index file; None where there is none that can be read."""
        try:
            records = np.load(path, mmap_mode='r')
        except (OSError, ValueError, EOFError):
            return None
        return cls(records, path) if records.dtype.names == VideoEntry._fields else None

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all, whoever else writes the same one."""
        buffer = io.BytesIO()
        np.save(buffer, self.records)
        write_atomically(path, buffer.getvalue())

    def subset(self, indices: int | Iterable[int]) -> 'VideoIndex':
        """The first (negative: last) videos, or those at the given places."""
        if isinstance(indices, int):
            return VideoIndex(
                self.records[:indices] if indices >= 0 else self.records[indices:]
            )
        return VideoIndex(self.records[list(indices)])

    @property
    def names(self) -> list[str]:
        """list[str]: The names of all videos."""
        return [os.fsdecode(name) for name in self.records['name']]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, idx: int) -> VideoEntry:
        name, images, labels, start, num_frames, init_xywh = self.records[idx]
        return VideoEntry(
            os.fsdecode(name),
            os.fsdecode(images),
            os.fsdecode(labels) or None,
            int(start),
            int(num_frames),
            tuple(init_xywh.tolist()),
        )

    def __reduce__(self) -> tuple:
        if self.path is not None and self.path.exists():
            return VideoIndex.load, (self.path,)
        return VideoIndex, (np.array(self.records),)


def index_folder() -> Path:
    """Where index files are kept."""
    return cache_folder() / 'index'


def fingerprint(items: Iterable[object]) -> str:
    """A short hash over the ``repr`` of the items, in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(repr(item).encode('utf-8', 'surrogateescape') + b'\n')
    return digest.hexdigest()[:20]


def file_state(path: FilePath) -> tuple[int, int] | None:
    """Modification time in ns and size of a file or folder; None if it is missing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def load_or_build(
    owner: Iterable[object],
    state: Iterable[object],
    build: Callable[[], Iterable[Any]],
    index_type: type[Any] = VideoIndex,
    complaints: Sequence[str] = (),
) -> Any:
    """The index of a dataset, from the cache if the data is as it was.

    Args:
        owner: What tells this index from those of other datasets.
        state: What changes when the data changes.
        build: Scans the data, called where there is no trustworthy index; returns the
            entries of the index.
        index_type: What to make of the entries: a class with ``from_entries``, ``load``
            and ``save`` as :class:`VideoIndex`.
        complaints: ``build`` adds to it what it goes on without. This is logged, and
            kept beside the index: whoever opens the dataset later is told as well.

    Returns:
        ``index_type``: Mapped from the cache; in memory where the cache cannot be
        written, which is logged as a warning.
    """
    prefix = f'{fingerprint([_FORMAT, *owner])}-'
    path = index_folder() / f'{prefix}{fingerprint(state)}.npy'
    kept_complaints = path.with_suffix('.txt')
    index = index_type.load(path)
    if index is not None:
        if kept_complaints.exists():
            text = kept_complaints.read_text('utf-8')
            logger.warning('%s(Found earlier; `touch` what is to be read again.)', text)
        return index
    index = index_type.from_entries(build())
    text = printable(''.join(complaints))
    if text:
        logger.warning('%s', text)
    try:
        if text:
            write_atomically(kept_complaints, text.encode())
        index.save(path)
        for stale in path.parent.glob(f'{prefix}*'):
            if stale.stem != path.stem:
                stale.unlink(missing_ok=True)
    except (OSError, FullDiskError) as error:
        logger.warning(
            'The index of the dataset cannot be kept (%s); the folders '
            'are scanned again next time. Set XDG_CACHE_HOME to a '
            'folder that can be written.',
            error,
        )
        return index
    return index_type.load(path) or index


def map_arrays(path: Path, count: int) -> list[np.ndarray]:
    """Map the arrays that ``np.save`` wrote one after the other.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is none of these.
        EOFError: It breaks off.
    """
    with open(path, 'rb') as file:
        return [_map_array(file) for _ in range(count)]


def _map_array(file: BinaryIO) -> np.ndarray:
    """Map the array that starts at the file's position, and go behind it."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError('not an array of an index')
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    start = file.tell()
    size = int(np.prod(shape)) * dtype.itemsize
    if os.fstat(file.fileno()).st_size < start + size:
        raise EOFError('the index breaks off')
    array = np.memmap(file, dtype, 'r', start, shape) if size else np.empty(shape, dtype)
    file.seek(start + size)
    return array
