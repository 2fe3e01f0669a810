"""The reader of videos in shards."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, overload

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.datasets.shards.index import read_index
from sstrack_mm.datasets.shards.store import Member, Shard, ShardStore
from sstrack_mm.datasets.video_folder import ShotFrames
from sstrack_mm.errors import DataError
from sstrack_mm.structures.sequence import VideoSequence


class ShardImages(Sequence[Member]):
    """The images of one video in a shard, made when they are asked for.

    Args:
        store: The folder of the shard.
        shard: The shard.
        key: Of the sample.
        suffix: Of the files.
        images: (N,) ``start``, ``num_bytes`` and ``crc32`` of each.
    """

    def __init__(
        self, store: ShardStore, shard: Shard, key: str, suffix: str, images: np.ndarray
    ) -> None:
        self.store, self.shard, self.images = store, shard, images
        self.key, self.suffix = key, suffix

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, place: int) -> Member: ...

    @overload
    def __getitem__(self, place: slice) -> list[Member]: ...

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        name = f'{self.key}.{place:06d}{self.suffix}'
        return Member(self.store, self.shard, name, *self.images[place].tolist())


@DATASETS.register_module()
class ShardedVideos:
    """Videos in shards that ``make_shards.py`` wrote, read by random access.

    A frame is a range of bytes of a shard; no shard is fetched as a whole. ``fsspec``
    reads them from a folder, over HTTP, from S3 and what else it knows; blocks of what
    comes over a network are kept on the local disk.

    Consecutive clips of a lane come from one shard, so that its blocks serve more than
    one of them. A lane is every ``lanes``-th clip of an epoch; on a number of ranks that
    divides them, each has lanes of its own. Each video is as likely as without.

    Args:
        data_root: Folder or address of the shards.
        lanes: How many shards are in use at a time, by all ranks together.
        clips_per_visit: How many clips a lane takes from a shard before another one is
            drawn; 1 for no locality.
        **store: As :class:`~sstrack_mm.datasets.shards.store.ShardStore`:
            ``storage_options``, ``cache_folder``, ``cache_bytes``, ``block_bytes``,
            ``patience_s`` and ``cache_local``.

    Raises:
        DataError: There are no shards, or their index is damaged.
    """

    passes_on_to = ShardStore

    def __init__(
        self, data_root: str, lanes: int = 64, clips_per_visit: int = 64, **store: Any
    ) -> None:
        if min(lanes, clips_per_visit) < 1:
            raise ValueError(
                'lanes and clips_per_visit must be positive, but got '
                f'{lanes} and {clips_per_visit}'
            )
        self._arguments = dict(
            data_root=data_root, lanes=lanes, clips_per_visit=clips_per_visit, **store
        )
        self.data_root = data_root
        self.lanes, self.clips_per_visit = lanes, clips_per_visit
        self.store = ShardStore(data_root, **store)
        self.shards, self.tables = read_index(self.store)
        shards = self.tables.videos['shard']
        self._ends = np.searchsorted(shards, np.arange(len(self.shards)), 'right')

    def __reduce__(self) -> tuple:
        """The tables are mapped again rather than copied to other processes."""
        return partial(ShardedVideos, **self._arguments), ()

    def __len__(self) -> int:
        return len(self.tables.videos)

    def window(self, ticket: tuple[int, int, int]) -> range:
        """The videos from which the clip of a ticket is drawn: those of one shard.

        Args:
            ticket: Seed, epoch and number of the clip.
        """
        seed, epoch, number = ticket
        visit = number // self.lanes // self.clips_per_visit
        rng = np.random.default_rng([seed, epoch, number % self.lanes, visit])
        # By a video, so that a shard of more videos comes as much more often.
        shard = int(self.tables.videos['shard'][rng.integers(len(self))])
        start = 0 if shard == 0 else self._ends[shard - 1]
        return range(int(start), int(self._ends[shard]))

    def clip_source(self, idx: int) -> dict:
        """What training may know of a video.

        Returns:
            dict: ``video`` (its name), ``frame_paths`` (a sequence of
            :class:`~sstrack_mm.datasets.shards.store.Member`, or of
            :class:`~sstrack_mm.datasets.video_files.VideoFrame` in one) and
            ``init_xywh``, the first box, (4,) ``x, y, w, h`` in pixels, or NaN.
        """
        video = self.tables.videos[idx]
        return dict(
            video=os.fsdecode(video['name']),
            frame_paths=self._frames(video),
            init_xywh=np.array(video['init_xywh']),
        )

    def sequence(self, idx: int) -> VideoSequence:
        """A video with all its labels; its frame paths are names alone.

        Raises:
            DataError: The shards were written without labels.
        """
        video = self.tables.videos[idx]
        row = int(video['label_row'])
        if row < 0:
            raise DataError(
                f'{self.data_root}: these shards hold no boxes but the first ones; '
                'write them with make_shards.py --labels'
            )
        labels = self.tables.labels[row : row + video['num_frames']]
        return VideoSequence(
            os.fsdecode(video['name']),
            [str(place) for place in self._frames(video)],
            np.array(labels['xywh']),
            np.array(labels['visible']),
        )

    def _frames(self, video: np.void) -> ShardImages | ShotFrames:
        key, suffix = f'{video["sample"]:08d}', os.fsdecode(video['suffix'])
        shard = self.shards[video['shard']]
        rows = slice(video['row'], video['row'] + video['num_rows'])
        if not video['num_bytes']:
            images = self.tables.images[rows]
            return ShardImages(self.store, shard, key, suffix, images)
        place = (int(video[field]) for field in ('start', 'num_bytes', 'crc32'))
        table = self.tables.frames[rows]
        return ShotFrames(
            Member(self.store, shard, key + suffix, *place),
            int(video['first']),
            int(video['first'] + video['num_frames']),
            table['pts'],
            table['key'],
            (int(video['width']), int(video['height'])),
            float(video['scale']),
        )
