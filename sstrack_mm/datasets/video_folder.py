"""The reader of video that nobody labelled: a folder tree of files and image folders."""

import logging
import multiprocessing
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, overload

import cv2
import numpy as np
import torch
from mmengine.dataset import force_full_init
from mmtrack.registry import DATASETS
from torch.utils.data import DataLoader, Dataset

from sstrack_mm.datasets.footage import FootageIndex, Video
from sstrack_mm.datasets.index import file_state, load_or_build
from sstrack_mm.datasets.scan import describe_errors
from sstrack_mm.datasets.shards.store import Member
from sstrack_mm.datasets.shots import FAULTS, find_shots, judge_images
from sstrack_mm.datasets.video_files import VideoFrame, read_table
from sstrack_mm.datasets.video_tree import VIDEO_SUFFIXES, Found, find_videos
from sstrack_mm.disk import printable
from sstrack_mm.errors import DataError
from sstrack_mm.frames import list_frames, read_image

logger = logging.getLogger(__name__)

_FILES_PER_PROCESS = 16


class ShotFrames(Sequence[VideoFrame]):
    """The frames of one shot of a video file, made when they are asked for.

    Args:
        path: The file, on a disk or in a shard.
        start: Place of the first frame in the file.
        pts: (N,) int64 times of the frames of the whole file.
        key: (N,) bool, whether decoding may start at a frame.
        stop: Place of the frame after the last one.
        image_wh: Width and height to deliver.
        scale: These over the file's own.
    """

    def __init__(
        self,
        path: str | Member,
        start: int,
        stop: int,
        pts: np.ndarray,
        key: np.ndarray,
        image_wh: tuple[int, int],
        scale: float,
    ) -> None:
        self.path, self.start, self.stop = path, start, stop
        self.pts, self.key = pts, key
        self.image_wh, self.scale = image_wh, scale

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, place: int) -> VideoFrame: ...

    @overload
    def __getitem__(self, place: slice) -> list[VideoFrame]: ...

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        index = range(self.start, self.stop)[place]
        back = np.flatnonzero(self.key[index::-1])
        key_index = index - int(back[0]) if len(back) else 0
        return VideoFrame(
            self.path,
            index,
            int(self.pts[index]),
            int(self.pts[key_index]),
            self.image_wh,
            self.scale,
        )


@DATASETS.register_module()
class VideoFolder:
    """Raw video: every video file and image folder under a root; no boxes.

    A "video" of this reader is a shot: between two cuts, and without the parts that are
    black, damaged or stand still, which are counted (``left_out``). Files are looked at
    once; the result is kept (:mod:`sstrack_mm.datasets.footage`) and trusted as long as
    no file is added, removed or changed.

    Args:
        data_root: The folder.
        split: ``'train'`` or ``'val'``: without or with only about every
            ``val_every``-th file, chosen by its name, at least one of two; None for all.
        val_every: See ``split``.
        min_frames: Least length of a shot.
        max_frames: Longer shots are cut into equal parts, so that an hour of one camera
            counts for more than a second.
        max_side: Larger frames of video files are delivered scaled down to this, in
            pixels; images of folders are not.
        skip_bad_videos: Log files that cannot be used and go on without them, instead
            of raising an error.
        lazy_init: Look at the files at the first use, not at once.

    Raises:
        DataError: There is no such folder, or no video in it that can be used.
    """

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        val_every: int = 10,
        min_frames: int = 16,
        max_frames: int = 800,
        max_side: int = 1280,
        skip_bad_videos: bool = True,
        lazy_init: bool = False,
    ) -> None:
        if split not in ('train', 'val', None):
            raise ValueError(f"split must be 'train', 'val' or None, got {split!r}")
        if not 2 <= min_frames <= max_frames or val_every < 2 or max_side < 16:
            raise ValueError(
                'expected 2 <= min_frames <= max_frames, val_every >= 2 and max_side >= '
                f'16, but got {min_frames}, {max_frames}, {val_every} and {max_side}'
            )
        self.data_root = data_root
        self.split, self.val_every = split, val_every
        self.min_frames, self.max_frames = min_frames, max_frames
        self.max_side = max_side
        self.skip_bad_videos = skip_bad_videos
        self.index: FootageIndex
        self.shots: np.ndarray
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Load the index of the files, or look at them to build it."""
        if self._fully_initialized:
            return
        if not os.path.isdir(self.data_root):
            raise DataError(
                f'{self.data_root}: no such folder. Put video files there, or say where '
                'they are: by the key `data_root`, or by the environment variable '
                'SSTRACK_VIDEO_ROOT for the configurations of this project.'
            )
        unusable: list[str] = []
        found = list(find_videos(self.data_root, unusable))
        for complaint in self._describe_bad(unusable, len(found) + len(unusable)):
            logger.warning('%s', complaint)
        owner = (
            type(self).__name__,
            os.path.realpath(self.data_root),
            self.min_frames,
            self.skip_bad_videos,
        )
        state = ((one, file_state(self._path(one.path))) for one in found)
        complaints: list[str] = []
        self.index = load_or_build(
            owner, state, lambda: self._scan(found, complaints), FootageIndex, complaints
        )
        self.shots = _split_long(self.index.shots, self.max_frames)
        if self.split is not None:
            is_val = np.isin(self.shots['file'], _held_out(self.index, self.val_every))
            self.shots = self.shots[is_val == (self.split == 'val')]
        if not len(self.shots):
            raise DataError(self._describe_empty())
        self._fully_initialized = True

    @property
    @force_full_init
    def left_out(self) -> dict[str, int]:
        """dict[str, int]: How many frames are not used, by what is wrong with them."""
        return _count_faults(self.index)

    @force_full_init
    def __len__(self) -> int:
        return len(self.shots)

    @force_full_init
    def clip_source(self, idx: int) -> dict:
        """What training may know of a shot.

        Returns:
            dict: ``video`` (the file and the span of the shot), ``frame_paths`` (a
            sequence of :class:`~sstrack_mm.datasets.video_files.VideoFrame`, or of
            paths of images) and ``init_xywh``, (4,) NaN: no box is known.
        """
        number, start, stop = self.shots[idx].tolist()
        video = self.index.files[number]
        path = self._path(os.fsdecode(video['path']))
        if video['offset'] < 0:
            frames: Sequence = _folder_frames(path, int(video['num_frames']))[start:stop]
        else:
            span = slice(video['offset'], video['offset'] + video['num_frames'])
            table = self.index.frames[span]
            image_wh, scale = self._delivered_size(video)
            frames = ShotFrames(
                path, start, stop, table['pts'], table['key'], image_wh, scale
            )
        return dict(
            video=f'{printable(video["path"])}[{start}:{stop}]',
            frame_paths=frames,
            init_xywh=np.full(4, np.nan),
        )

    def _delivered_size(self, video: np.void) -> tuple[tuple[int, int], float]:
        """Width and height of the frames to decode, and their scale."""
        width, height = int(video['width']), int(video['height'])
        scale = min(1.0, self.max_side / max(width, height))
        return (max(round(width * scale), 1), max(round(height * scale), 1)), scale

    def _path(self, path: str) -> str:
        return os.path.join(self.data_root, path)

    def _scan(self, found: Sequence[Found], complaints: list[str]) -> Iterator[Video]:
        """Look at all files; what is wrong with some is raised, or a complaint."""
        logger.info('Looking at %d videos in %s', len(found), self.data_root)
        start_time = time.perf_counter()
        counts = np.zeros(len(FAULTS), np.int64)
        num_frames, num_shots, errors = 0, 0, []
        for video in self._scan_each(found):
            if isinstance(video, DataError):
                errors.append(str(video))
                continue
            num_frames += video.num_frames
            num_shots += len(video.shots.spans)
            counts += video.shots.left_out
            yield video
        complaints += self._describe_bad(errors, len(found))
        logger.info(
            '%s: %d shots in %d frames of %d videos; left out: %s (%.1f s)',
            self.data_root,
            num_shots,
            num_frames,
            len(found) - len(errors),
            _list_faults(dict(zip(FAULTS, counts.tolist(), strict=True))),
            time.perf_counter() - start_time,
        )

    def _scan_each(self, found: Sequence[Found]) -> Iterable[Video | DataError]:
        """Look at each file, in processes where there are many files."""
        num_workers = min(os.cpu_count() or 1, len(found) // _FILES_PER_PROCESS)
        if num_workers < 2 or multiprocessing.current_process().daemon:
            return map(self._scan_one, found)
        options: dict[str, Any] = dict(
            batch_size=None,
            num_workers=num_workers,
            collate_fn=self._scan_one,
            worker_init_fn=_start_process,
            prefetch_factor=8,
            # Its own: an index that is built must not change what a run draws later.
            generator=torch.Generator(),
        )
        return DataLoader(cast(Dataset, found), **options)

    def _scan_one(self, found: Found) -> Video | DataError:
        path = self._path(found.path)
        try:
            if found.is_folder:
                return _scan_folder(path, found.path, self.min_frames)
            table = read_table(path)
            shots = find_shots(path, table, self.min_frames)
        except DataError as error:
            return error
        return Video(
            found.path, table.image_wh, len(table.pts), table.pts, table.key, shots
        )

    def _describe_bad(self, errors: list[str], num_videos: int) -> list[str]:
        """What to log of videos that cannot be used; raised where they must be."""
        if not errors:
            return []
        message = describe_errors(self.data_root, errors, num_videos)
        if not self.skip_bad_videos:
            raise DataError(
                f'{message}Repair or remove them, or leave them out with '
                'skip_bad_videos=True.'
            )
        return [f'{message}Going on without them.\n']

    def _describe_empty(self) -> str:
        """Why there is nothing to learn from."""
        num_videos = len(self.index.files)
        if not num_videos:
            return (
                f'{self.data_root}: no video that can be read in this folder. Expected '
                f'files ({", ".join(VIDEO_SUFFIXES)}) or folders of images, at any depth.'
            )
        if len(self.index.shots):
            return (
                f'{self.data_root}: only one of {num_videos} videos has usable shots, '
                f'which leaves none for the part {self.split!r}; two are needed'
            )
        faults = _list_faults(_count_faults(self.index))
        return (
            f'{self.data_root}: nothing to learn from in {num_videos} videos; frames '
            f'left out: {faults}. A shot needs {self.min_frames} '
            'frames (min_frames) that move.'
        )


def _start_process(worker_id: int) -> None:
    """Parallel are the processes, not the threads of each."""
    cv2.setNumThreads(0)


def _scan_folder(folder: str, path: str, min_frames: int) -> Video:
    """Look at some images of a folder, and at those between where they differ."""
    frames = _folder_frames(folder)
    height, width = read_image(frames[0]).shape[:2]
    shots = judge_images(frames, min_frames)
    empty = np.empty(0, np.int64)
    return Video(path, (width, height), len(frames), empty, empty > 0, shots)


def _folder_frames(folder: str, expected: int | None = None) -> list[str]:
    """Paths of the images in a folder; a DataError if they are not as many as before."""
    names = list_frames(folder)
    if expected is not None and len(names) != expected:
        raise DataError(
            f'{printable(folder)}: {expected} frames were here when the dataset was '
            f'opened, now {len(names)}; open it again'
        )
    return [os.path.join(folder, name) for name in names]


def _held_out(index: FootageIndex, val_every: int) -> list[int]:
    """Numbers of the files that are not trained on: their names say, not their order.

    A file that is added or removed moves no other one, as long as both parts have any.
    """
    numbers = np.unique(index.shots['file']).tolist()
    hashes = {i: zlib.crc32(index.files['path'][i]) for i in numbers}
    by_hash = sorted(numbers, key=lambda i: hashes[i])
    if len(by_hash) < 2:
        return []
    chosen = [i for i in by_hash if hashes[i] % val_every == 0] or by_hash[:1]
    return chosen if len(chosen) < len(by_hash) else chosen[:-1]


def _split_long(shots: np.ndarray, max_frames: int) -> np.ndarray:
    """Cut shots of more than ``max_frames`` frames into equal parts."""
    length = shots['stop'] - shots['start']
    parts = -(-length // max_frames)
    origin = np.repeat(np.arange(len(shots)), parts)
    # The number of each part within its shot.
    part = np.arange(len(origin)) - (np.cumsum(parts) - parts)[origin]
    pieces = shots[origin]
    for name, number in (('start', part), ('stop', part + 1)):
        pieces[name] = shots['start'][origin] + number * length[origin] // parts[origin]
    return pieces


def _count_faults(index: FootageIndex) -> dict[str, int]:
    """How many frames of all files are not used, by what is wrong with them."""
    return dict(zip(FAULTS, index.files['left_out'].sum(0).tolist(), strict=True))


def _list_faults(counts: dict[str, int]) -> str:
    return ', '.join(f'{count} {fault}' for fault, count in counts.items())
