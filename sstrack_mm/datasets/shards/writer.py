"""Writes the videos of a reader as shards."""

import json
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from sstrack_mm.datasets.shards.index import (
    FRAME_TYPE,
    IMAGE_TYPE,
    INDEX_FILE,
    LABEL_TYPE,
    TABLES_FILE,
    ShardTables,
    format_index,
    join_tables,
    md5_of,
    video_type,
)
from sstrack_mm.datasets.shards.store import Member, Shard
from sstrack_mm.datasets.video_folder import ShotFrames
from sstrack_mm.disk import open_atomically, printable, write_atomically
from sstrack_mm.errors import DataError

logger = logging.getLogger(__name__)

_PARTS = 'parts'
_CHUNK = 1 << 20


class Part(NamedTuple):
    """A shard that is written.

    Attributes:
        shard: Its name, size and checksum.
        num_samples: In it.
        tables: Where they are in it.
    """

    shard: Shard
    num_samples: int
    tables: ShardTables


def write_shards(
    reader: Any,
    folder: Path,
    source: Any,
    shard_bytes: int = 256 << 20,
    seed: int = 0,
    with_labels: bool = False,
) -> None:
    """Write shards; where that was begun, go on.

    The videos are shuffled, so that each shard is a sample of all of them. A shard is
    whole or not there, and its content depends on the arguments alone.

    Args:
        reader: Has a length and ``clip_source``; with labels, ``sequence`` too.
        folder: Where to.
        source: What tells the reader from others; JSON takes it.
        shard_bytes: A shard is full when it is that large.
        seed: Of the shuffling.
        with_labels: Write the boxes of all frames, not of the first alone.

    Raises:
        DataError: The folder holds shards of something else, a file cannot be read, or
            the reader has no labels.
        FullDiskError: The disk is full.
    """
    if with_labels and not hasattr(reader, 'sequence'):
        raise DataError(
            f'{type(reader).__name__}: raw video has no boxes; leave out --labels'
        )
    samples, content = _shuffle_samples(reader, seed)
    plan = dict(
        source=source,
        videos=len(reader),
        content=content,
        shard_bytes=shard_bytes,
        seed=seed,
        with_labels=with_labels,
    )
    plan = json.loads(json.dumps(plan))
    if _is_finished(folder, plan):
        return
    for leftover in folder.glob('.*.tmp'):
        leftover.unlink()
    parts = list(_read_parts(folder))
    done = sum(part.num_samples for part in parts)
    while done < len(samples):
        part = _write_shard(
            reader, folder, len(parts), samples, done, shard_bytes, with_labels
        )
        _save_part(folder, len(parts), part)
        parts.append(part)
        done += part.num_samples
        logger.info('%s: %d of %d samples', part.shard.name, done, len(samples))
    tables = join_tables([part.tables for part in parts]).to_bytes()
    write_atomically(folder / TABLES_FILE, tables)
    index = format_index(
        [(part.shard, part.num_samples) for part in parts],
        Shard(TABLES_FILE, len(tables), md5_of(BytesIO(tables))),
        plan,
    )
    write_atomically(folder / INDEX_FILE, index)
    for path in (folder / _PARTS).iterdir():
        path.unlink()
    (folder / _PARTS).rmdir()


def _is_finished(folder: Path, plan: dict) -> bool:
    """Whether the shards are there; if nothing is, note what is to be written.

    Raises:
        DataError: Something else is there.
    """
    index, note = folder / INDEX_FILE, folder / _PARTS / 'plan.json'
    if index.exists():
        found = json.loads(index.read_bytes()).get('plan')
    elif note.exists():
        found = json.loads(note.read_bytes())
    else:
        write_atomically(note, json.dumps(plan))
        return False
    if isinstance(found, dict):
        found = dict(content=plan['content']) | found  # older plans have none
    if found != plan:
        raise DataError(
            f'{folder}: holds shards of something else. There: {json.dumps(found)}; '
            f'asked for: {json.dumps(plan)}. Name another folder'
        )
    return index.exists()


def _shuffle_samples(reader: Any, seed: int) -> tuple[list[list[int]], int]:
    """The videos of each sample, shuffled; shots of one file are together.

    With them a checksum of the names and lengths of all videos.
    """
    samples: list[list[int]] = []
    last, content = None, 0
    for index in range(len(reader)):
        source = reader.clip_source(index)
        frames = source['frame_paths']
        content = zlib.crc32(os.fsencode(f'{source["video"]}\n{len(frames)}\n'), content)
        path = frames.path if isinstance(frames, ShotFrames) else None
        if path is not None and path == last:
            samples[-1].append(index)
        else:
            samples.append([index])
        last = path
    order = np.random.default_rng(seed).permutation(len(samples))
    return [samples[i] for i in order], content


def _read_parts(folder: Path) -> Iterator[Part]:
    """The shards that are written already, in order."""
    for number in range(len(list((folder / _PARTS).glob('*.npz')))):
        with np.load(folder / _PARTS / f'{number:06d}.npz') as file:
            name, num_bytes, md5, num_samples = file['part'].tolist()
            tables = ShardTables(*(file[field] for field in ShardTables._fields))
        path = folder / name
        if not path.exists() or path.stat().st_size != int(num_bytes):
            return
        yield Part(Shard(name, int(num_bytes), md5), int(num_samples), tables)


def _save_part(folder: Path, number: int, part: Part) -> None:
    buffer = BytesIO()
    np.savez(
        buffer,
        part=np.array([*map(str, part.shard), str(part.num_samples)]),
        **part.tables._asdict(),
    )
    write_atomically(folder / _PARTS / f'{number:06d}.npz', buffer.getvalue())


def _write_shard(
    reader: Any,
    folder: Path,
    number: int,
    samples: Sequence[Sequence[int]],
    first: int,
    shard_bytes: int,
    with_labels: bool,
) -> Part:
    """Write the samples from ``first`` on that fill a shard."""
    name = f'{number:06d}.tar'
    with open_atomically(folder / name) as file:
        with tarfile.open(fileobj=file, mode='w') as tar:
            builder = _ShardBuilder(tar, reader, with_labels)
            stop = first
            while stop < len(samples) and (stop == first or tar.offset < shard_bytes):
                builder.add_sample(stop, samples[stop])
                stop += 1
        num_bytes = file.tell()
        file.seek(0)
        md5 = md5_of(file)
    return Part(Shard(name, num_bytes, md5), stop - first, builder.tables())


class _ShardBuilder:
    """Puts samples into a tar file and notes where they are."""

    def __init__(self, tar: tarfile.TarFile, reader: Any, with_labels: bool) -> None:
        self.tar, self.reader, self.with_labels = tar, reader, with_labels
        self.videos: list[dict] = []
        self.images: list[tuple[int, int, int]] = []
        self.frames: list[np.ndarray] = [np.empty(0, FRAME_TYPE)]
        self.labels: list[np.ndarray] = [np.empty(0, LABEL_TYPE)]

    def add_sample(self, sample: int, indices: Sequence[int]) -> None:
        """Add the video of a reader, or those of one file."""
        sources = [self.reader.clip_source(index) for index in indices]
        frames, key = sources[0]['frame_paths'], f'{sample:08d}'
        if isinstance(frames, ShotFrames):
            place = self._add_film(key, frames)
        else:
            place = self._add_images(key, frames)
        description = []
        for index, source in zip(indices, sources, strict=True):
            frames = source['frame_paths']
            video = dict(
                place,
                name=os.fsencode(source['video']),
                sample=sample,
                first=frames.start if isinstance(frames, ShotFrames) else 0,
                num_frames=len(frames),
                label_row=self._add_labels(index),
                init_xywh=source['init_xywh'],
            )
            self.videos.append(video)
            box = source['init_xywh'].tolist()
            description.append(
                dict(
                    name=printable(source['video']),
                    first=video['first'],
                    num_frames=len(frames),
                    init_xywh=None if np.isnan(box).any() else box,
                )
            )
        self._add_file(f'{key}.json', BytesIO(json.dumps(description).encode()))

    def _add_film(self, key: str, frames: ShotFrames) -> dict:
        """Add a video file and the times of its frames."""
        suffix = _suffix(frames.path)
        with _open(frames.path) as file:
            start, num_bytes, crc32 = self._add_file(key + suffix, file)
        row = sum(map(len, self.frames))
        table = np.empty(len(frames.pts), FRAME_TYPE)
        table['pts'], table['key'] = frames.pts, frames.key
        self.frames.append(table)
        width, height = frames.image_wh
        return dict(
            suffix=suffix.encode(),
            row=row,
            num_rows=len(table),
            start=start,
            num_bytes=num_bytes,
            crc32=crc32,
            width=width,
            height=height,
            scale=frames.scale,
        )

    def _add_images(self, key: str, paths: Sequence[str | Member]) -> dict:
        """Add the images of a video."""
        row = len(self.images)
        for i, path in enumerate(paths):
            with _open(path) as file:
                member = self._add_file(f'{key}.{i:06d}{_suffix(path)}', file)
            self.images.append(member)
        return dict(suffix=_suffix(paths[0]).encode(), row=row, num_rows=len(paths))

    def _add_labels(self, index: int) -> int:
        """Add the boxes of a video, and return the row of the first; -1 without any."""
        if not self.with_labels:
            return -1
        row = sum(map(len, self.labels))
        sequence = self.reader.sequence(index)
        table = np.zeros(len(sequence), LABEL_TYPE)
        table['xywh'] = np.nan
        table['xywh'][: len(sequence.gt_xywh)] = sequence.gt_xywh
        table['visible'] = sequence.visible
        self.labels.append(table)
        return row

    def _add_file(self, name: str, file: BinaryIO) -> tuple[int, int, int]:
        """Add a file; return its start in the shard, its size and its checksum."""
        crc32 = 0
        while chunk := file.read(_CHUNK):
            crc32 = zlib.crc32(chunk, crc32)
        member = tarfile.TarInfo(name)  # no owner and no time: the same bytes each time
        member.size = file.tell()
        file.seek(0)
        self.tar.addfile(member, file)
        blocks = -(-member.size // tarfile.BLOCKSIZE)
        return self.tar.offset - blocks * tarfile.BLOCKSIZE, member.size, crc32

    def tables(self) -> ShardTables:
        """Where all samples are."""
        longest = max(len(video['name']) for video in self.videos)
        videos = np.zeros(len(self.videos), video_type(longest))
        for row, video in zip(videos, self.videos, strict=True):
            for field, value in video.items():
                row[field] = value
        return ShardTables(
            videos,
            np.array(self.images, IMAGE_TYPE),
            np.concatenate(self.frames),
            np.concatenate(self.labels),
        )


def _open(path: str | Member) -> BinaryIO:
    if isinstance(path, Member):
        return path.open()
    try:
        return open(path, 'rb')
    except OSError as error:
        raise DataError(f'{printable(path)}: {error.strerror}') from None


def _suffix(path: str | Member) -> str:
    name = path.name if isinstance(path, Member) else path
    return os.path.splitext(name)[1].lower()
