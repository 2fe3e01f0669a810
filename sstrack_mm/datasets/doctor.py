"""Looks for what is wrong with a dataset on disk, and says all of it at once.

Every video is looked at by the reader that training and evaluation use, so what is found
here is what they would stop at. Beyond that, images are decoded (a sample of them, or
all), boxes are held against their images, and videos of the training part are searched
for among those of the other parts.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmtrack.registry import DATASETS
from tqdm import tqdm

from sstrack_mm.datasets import coco  # noqa: F401  (registers its reader)
from sstrack_mm.datasets.catalogue import CATALOGUE, dataset_config
from sstrack_mm.datasets.index import VideoEntry
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles
from sstrack_mm.datasets.video_check import VideoCheck, check_video
from sstrack_mm.errors import DataError

SAMPLE = 5000
"""How many images of each part are decoded where not all are."""


class Parts(NamedTuple):
    """A dataset of several parts, which may be there or not.

    Attributes:
        reader: The registered name of its dataset class.
        marker: What is there if a part is, by the name of the part.
        published: By part, how many videos it has; None where they are not counted.
    """

    reader: str
    marker: str
    published: dict[str, int | None]


DATASETS_WITH_PARTS = {
    'coco': Parts(
        'COCOSequences',
        'annotations/instances_{}.json',
        dict(train2017=None, val2017=None),
    ),
    'got10k': Parts('GOT10kSequences', '{}', dict(train=9335, val=180, test=180)),
    'lasot': Parts('LaSOTSequences', '', dict(train=1120, test=280)),
    'trackingnet': Parts(
        'TrackingNetSequences',
        '{}',
        {**{f'TRAIN_{chunk}': None for chunk in range(12)}, 'TEST': 511},
    ),
}


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        kind: ``video`` (it cannot be used), ``image``, ``box`` or ``duplicate``.
        part: The part of the dataset.
        video: The name of the video.
        message: The file and what is wrong with it.
    """

    kind: str
    part: str
    video: str
    message: str


@dataclass
class PartReport:
    """What was found in one part of a dataset.

    Attributes:
        part: Its name.
        published: How many videos it has as published; None where that is not known.
        videos: Videos that it names (objects, in COCO).
        usable: Videos that the reader takes.
        frames: Frames of the usable videos.
        unlabelled: Those with a box of zeros or NaN, or beyond the only box.
        decoded: Images that were decoded.
    """

    part: str
    published: int | None
    videos: int
    usable: int
    frames: int
    unlabelled: int
    decoded: int


@dataclass
class Diagnosis:
    """What was found in a dataset."""

    dataset: str
    root: str
    parts: list[PartReport] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON can hold it."""
        return dict(
            dataset=self.dataset,
            root=self.root,
            healthy=not self.problems,
            parts=[asdict(part) for part in self.parts],
            problems=[problem._asdict() for problem in self.problems],
        )


def diagnose(
    name: str,
    root: str,
    sample: int | None = SAMPLE,
    workers: int = 1,
    progress: bool = True,
) -> Diagnosis:
    """Look at a whole dataset.

    Args:
        name: A dataset, ``'folder'``, or one of :data:`DATASETS_WITH_PARTS`, of which
            all parts that are there are looked at and compared.
        root: Its folder.
        sample: Images to decode in each part, spread evenly; None for all.
        workers: Threads.
        progress: Show a progress bar for each part.

    Returns:
        Diagnosis: Counts and problems.

    Raises:
        DataError: There is no such dataset, or nothing of it is in the folder.
    """
    if not os.path.isdir(root):
        raise DataError(f'{root}: no such folder')
    diagnosis = Diagnosis(name, root)
    first_frames: dict[str, dict[str, str]] = {}
    for part, published, config in _find_parts(name, root):
        dataset = DATASETS.build(dict(config, lazy_init=True))
        checks = _check_part(part, dataset, sample, workers, progress)
        if not checks:
            continue
        diagnosis.parts.append(_summarise(part, published, checks))
        # Objects of one image share its problems.
        found = dict.fromkeys(
            Problem(kind, part, check.name, message)
            for check in checks
            for kind, message in check.problems
        )
        diagnosis.problems += found
        first_frames[part] = {
            check.first_frame: check.name for check in checks if check.first_frame
        }
    if not diagnosis.parts:
        raise DataError(f'{root}: nothing of {name} is here. Expected {_layout(name)}')
    diagnosis.problems += find_duplicates(first_frames)
    return diagnosis


def _find_parts(name: str, root: str) -> Iterator[tuple[str, int | None, dict]]:
    """The parts of a dataset, their published sizes, and how to open them."""
    config = dataset_config(name, root) if name in CATALOGUE else {}
    if name not in DATASETS_WITH_PARTS:
        config = config or dataset_config(name, root)
        yield name, CATALOGUE[name].num_videos if name in CATALOGUE else None, config
        return
    reader, marker, published = DATASETS_WITH_PARTS[name]
    data_root = config.get('data_root', root)
    for part, num_videos in published.items():
        if os.path.exists(os.path.join(data_root, marker.format(part))):
            yield part, num_videos, dict(type=reader, data_root=data_root, split=part)


def _layout(name: str) -> str:
    """How the reader of a dataset expects its folder."""
    if name in DATASETS_WITH_PARTS:
        reader = DATASETS_WITH_PARTS[name].reader
    else:
        reader = dataset_config(name, '')['type']
    return DATASETS.get(reader).layout


def _check_part(
    part: str,
    dataset: SequenceDataset,
    sample: int | None,
    workers: int,
    progress: bool,
) -> list[VideoCheck]:
    """Check all videos of a part; none where nothing of it is there.

    Raises:
        DataError: Its videos cannot be listed.
    """
    scan = tqdm(
        dataset.scan_videos(), f'{part}: scan', unit=' videos', disable=not progress
    )
    found = list(scan)
    if not any(
        isinstance(entry, VideoEntry)
        or os.path.exists(os.path.join(dataset.data_root, video.images))
        for video, entry in found
    ):
        return []
    counts = spread_sample(sample, len(found))
    jobs = [
        (dataset, video, entry, count)
        for (video, entry), count in zip(found, counts, strict=True)
    ]
    with ThreadPool(min(workers, len(jobs))) as pool:
        checks = pool.imap(_check_job, jobs, chunksize=16)
        return list(tqdm(checks, part, len(jobs), unit=' videos', disable=not progress))


def _check_job(job: tuple[SequenceDataset, VideoFiles, Any, int | None]) -> VideoCheck:
    return check_video(*job)


def _summarise(part: str, published: int | None, checks: list[VideoCheck]) -> PartReport:
    return PartReport(
        part,
        published,
        videos=len(checks),
        usable=sum(check.usable for check in checks),
        frames=sum(check.frames for check in checks),
        unlabelled=sum(check.unlabelled for check in checks),
        decoded=sum(check.decoded for check in checks),
    )


def spread_sample(sample: int | None, num_videos: int) -> list[int | None]:
    """How many images to decode of each video so that it is ``sample`` in all.

    Where there are more videos than images to decode, it is one of every few videos.
    """
    if sample is None:
        return [None] * num_videos
    if sample >= num_videos:
        return [sample // max(num_videos, 1)] * num_videos
    places = np.arange(num_videos + 1) * sample // num_videos
    return np.diff(places).tolist()


def find_duplicates(first_frames: dict[str, dict[str, str]]) -> Iterator[Problem]:
    """Videos of training parts that are in another part too.

    Args:
        first_frames: By part, the first frame of each video and the video's name.

    Yields:
        Problem: A video of another part that has the name of a training video, or
        whose first frame is the same file, byte for byte.
    """
    training = [
        (path, f'{name} of {part}', name)
        for part, frames in first_frames.items()
        for path, name in frames.items()
        if part.lower().startswith('train')
    ]
    names = {name: video for _, video, name in training}
    # Only files of the same size are read.
    by_size = defaultdict(list)
    for path, video, _ in training:
        by_size[_file_size(path)].append((path, video))
    for part, frames in first_frames.items():
        if part.lower().startswith('train'):
            continue
        for path, name in frames.items():
            if name in names:
                message = f'{path}: {name} is a training video, too'
                yield Problem('duplicate', part, name, message)
            twins = [
                f'{video}, {twin}'
                for twin, video in by_size[_file_size(path)]
                if _digest(twin) == _digest(path)
            ]
            if twins:
                message = f'{path}: the same file as the first frame of {twins[0]}'
                more = f' and {len(twins) - 1} more' if len(twins) > 1 else ''
                yield Problem('duplicate', part, name, message + more)


def _file_size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


@lru_cache(maxsize=65536)
def _digest(path: str) -> bytes:
    return sha256(Path(path).read_bytes()).digest()
