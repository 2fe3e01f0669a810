"""What a folder of shards holds.

    ROOT/index.json     the shards with their checksums, as ``wids`` lists them
    ROOT/tables.npy     where everything is in them: see :class:`ShardTables`
    ROOT/000000.tar     samples in WebDataset's layout, a video file or image folder each
    ...

A sample is ``KEY.mp4`` (or another suffix), or ``KEY.000000.jpg``, ``KEY.000001.jpg``,
..., and ``KEY.json``: the names, spans and first boxes of its videos.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from sstrack_mm.datasets.index import index_folder, map_arrays
from sstrack_mm.datasets.shards.store import Member, Shard, ShardStore
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError

INDEX_FILE, TABLES_FILE = 'index.json', 'tables.npy'
IMAGE_TYPE = np.dtype([('start', '<i8'), ('num_bytes', '<i8'), ('crc32', '<u4')])
FRAME_TYPE = np.dtype([('pts', '<i8'), ('key', '?')])
LABEL_TYPE = np.dtype([('xywh', '<f8', 4), ('visible', '?')])


def video_type(longest_name: int) -> np.dtype:
    """The record of a video whose name has at most so many bytes."""
    return np.dtype(
        [
            ('name', f'S{max(longest_name, 1)}'),
            ('suffix', 'S16'),
            *((field, '<i8') for field in ('sample', 'shard', 'first', 'num_frames')),
            *((field, '<i8') for field in ('row', 'num_rows', 'label_row')),
            *((field, '<i8') for field in ('start', 'num_bytes', 'crc32')),
            *((field, '<i8') for field in ('width', 'height')),
            ('scale', '<f8'),
            ('init_xywh', '<f8', 4),
        ]
    )


class ShardTables(NamedTuple):
    """Where everything is, as flat arrays, whatever the number of frames.

    Attributes:
        videos: (V,) by shard: ``name``; ``suffix`` of its files; ``sample`` and
            ``shard``, from 0; ``first`` frame in its file, and ``num_frames``; ``row``,
            the first in ``images`` or ``frames``, and ``num_rows`` there; ``label_row``,
            the first in ``labels``, or -1; of a video file ``start`` in the shard,
            ``num_bytes`` (0 for images), ``crc32``, and ``width``, ``height`` and
            ``scale`` to deliver;
            ``init_xywh``, the first box in pixels, or NaN.
        images: (I,) ``start`` in the shard, ``num_bytes`` and ``crc32`` of each.
        frames: (F,) ``pts`` and ``key`` of all frames of the video files, see
            :class:`~sstrack_mm.datasets.video_files.FrameTable`.
        labels: (L,) ``xywh`` in pixels and ``visible``, a row a frame.
    """

    videos: np.ndarray
    images: np.ndarray
    frames: np.ndarray
    labels: np.ndarray

    def to_bytes(self) -> bytes:
        """The tables as a file, one array after the other."""
        buffer = BytesIO()
        for array in self:
            np.save(buffer, array)
        return buffer.getvalue()


def join_tables(parts: Sequence[ShardTables]) -> ShardTables:
    """Put the tables of the shards one behind the other."""
    longest = max((part.videos['name'].dtype.itemsize for part in parts), default=1)
    videos, offsets = [], np.zeros(3, np.int64)
    for number, part in enumerate(parts):
        rows = part.videos.astype(video_type(longest))
        rows['shard'] = number
        rows['row'] += np.where(rows['num_bytes'] == 0, *offsets[:2])
        rows['label_row'] += np.where(rows['label_row'] < 0, 0, offsets[2])
        videos.append(rows)
        offsets += [len(array) for array in part[1:]]
    rest = zip(*(part[1:] for part in parts), strict=True)
    return ShardTables(np.concatenate(videos), *map(np.concatenate, rest))


def read_index(store: ShardStore) -> tuple[list[Shard], ShardTables]:
    """The shards of a folder and their tables, mapped from a file.

    Tables behind a network are copied to the user's cache folder, once.

    Raises:
        DataError: There is no index, or it is damaged.
    """
    shards, tables = parse_index(store.url(INDEX_FILE), store.read_file(INDEX_FILE))
    if store.is_local:
        path = Path(re.sub('^(file|local)://', '', store.url(TABLES_FILE)))
    else:
        path = index_folder() / f'shards-{tables.md5}.npy'
        if not path.exists():
            write_atomically(path, store.read(tables, 0, tables.num_bytes))
    try:
        return shards, ShardTables(*map_arrays(path, len(ShardTables._fields)))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f'{path}: the tables of the shards in {store.root} cannot be read ({error}). '
            'Remove this file, or write the shards again with make_shards.py'
        ) from None


def format_index(shards: Sequence[tuple[Shard, int]], tables: Shard, plan: dict) -> str:
    """The content of ``index.json``.

    Args:
        shards: Each with the number of its samples.
        tables: The file of tables.
        plan: What the shards were written from.
    """
    entries = [
        dict(url=name, nsamples=num, filesize=num_bytes, md5sum=md5)
        for (name, num_bytes, md5), num in shards
    ]
    return json.dumps(
        dict(
            __kind__='wids-shard-index-v1',
            wids_version=1,
            shardlist=entries,
            tables=dict(url=tables.name, filesize=tables.num_bytes, md5sum=tables.md5),
            plan=plan,
        ),
        indent=1,
    )


def parse_index(name: str, content: bytes) -> tuple[list[Shard], Shard]:
    """The shards and the tables that ``index.json`` names.

    Raises:
        DataError: It is none of :func:`format_index`.
    """
    try:
        index = json.loads(content)
        shards = [
            Shard(entry['url'], int(entry['filesize']), entry['md5sum'])
            for entry in [*index['shardlist'], index['tables']]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{name}: no index that make_shards.py wrote ({error!r})'
        ) from None
    return shards[:-1], shards[-1]


def find_broken(store: ShardStore) -> Iterator[str]:
    """Read all files that the index names; say which are not what was written.

    Raises:
        DataError: There is no index.
    """
    shards, tables = parse_index(store.url(INDEX_FILE), store.read_file(INDEX_FILE))
    for shard in [*shards, tables]:
        whole = Member(store, shard, shard.name, 0, shard.num_bytes, 0)
        try:
            with whole.open() as file:
                md5 = md5_of(file)
        except DataError as error:
            yield f'{error}'
            continue
        if md5 != shard.md5:
            yield f'{store.url(shard.name)}: its checksum is not that of the index'


def md5_of(file: BinaryIO) -> str:
    """The MD5 checksum of the rest of a file, as hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
