"""What can be wrong with one video of a dataset: its files, images and boxes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image

from sstrack_mm.datasets import files
from sstrack_mm.datasets.index import VideoEntry
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles
from sstrack_mm.errors import DataError
from sstrack_mm.frames import list_frames
from sstrack_mm.structures.sequence import VideoSequence

_ORIENTATION = 0x0112  # in EXIF
# SyntaxError: a broken PNG.
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass
class VideoCheck:
    """What was found in one video.

    Attributes:
        name: Its name.
        usable: Whether the reader takes it.
        frames: Its frames, if it is usable.
        unlabelled: Frames with a box of zeros or NaN, or beyond the only box.
        decoded: Images that were decoded.
        first_frame: The file of its first frame, if it can be read.
        problems: The kind of each problem (``video``, ``image`` or ``box``), and a
            message with the file.
    """

    name: str
    usable: bool = False
    frames: int = 0
    unlabelled: int = 0
    decoded: int = 0
    first_frame: str | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)


def check_video(
    dataset: SequenceDataset,
    video: VideoFiles,
    found: VideoEntry | DataError,
    num_images: int | None,
) -> VideoCheck:
    """Check one video.

    Args:
        dataset: Its reader.
        video: Where it is.
        found: What the reader found there.
        num_images: How many of its images to decode, spread evenly; None for all.
    """
    check = VideoCheck(video.name)
    sequence = None
    try:
        if isinstance(found, DataError):
            raise found
        sequence = dataset.read_sequence(found)
        frame_paths = sequence.frame_paths
        check.usable, check.frames = True, len(sequence)
    except DataError as error:
        check.problems.append(('video', f'{error}'))
        frame_paths = _list_images(os.path.join(dataset.data_root, video.images))
    if sequence is None or not sequence.has_full_gt:
        # No count of boxes tells that a frame is missing.
        check.problems += [('image', gap) for gap in _find_gaps(frame_paths)]
    if not frame_paths:
        return check
    image_wh = _check_images(check, frame_paths, num_images)
    if image_wh is not None:
        check.first_frame = frame_paths[0]
    if sequence is not None:
        labels = os.path.join(dataset.data_root, video.labels or video.images)
        messages = find_bad_boxes(sequence, image_wh)
        check.problems += [('box', f'{labels}: {message}') for message in messages]
        unlabelled = int(_without_target(sequence.gt_xywh).sum())
        check.unlabelled = unlabelled + len(sequence) - len(sequence.gt_xywh)
    return check


def _list_images(folder: str) -> list[str]:
    """The images in a folder, if there is one."""
    try:
        return [os.path.join(folder, name) for name in list_frames(folder)]
    except DataError:
        return []


def _find_gaps(frame_paths: list[str]) -> Iterator[str]:
    """Say between which frames of a video others are missing, going by their names."""
    numbers = files.frame_numbers(frame_paths)
    for place in np.flatnonzero(np.diff(numbers) > 1):
        missing = numbers[place + 1] - numbers[place] - 1
        yield (
            f'{frame_paths[place]}: {missing} frames are missing between this one and '
            f'{os.path.basename(frame_paths[place + 1])}'
        )


def _check_images(
    check: VideoCheck, frame_paths: list[str], num_images: int | None
) -> tuple[int, int] | None:
    """Decode images of a video, note what is wrong, and return the size of the first."""
    total = len(frame_paths)
    count = total if num_images is None else min(num_images, total)
    places = np.unique(np.linspace(0, total - 1, count).round().astype(int)).tolist()
    sizes = {}
    for place in places or [0]:
        size = read_size(frame_paths[place], decode=bool(places))
        if isinstance(size, str):
            check.problems.append(('image', size))
        else:
            sizes[place] = size
    check.decoded = len(places)
    first_wh = sizes.get(0)
    for place, size in sizes.items():
        if first_wh is not None and size != first_wh:
            check.problems.append(
                (
                    'image',
                    f'{frame_paths[place]}: its size {size[0]}x{size[1]} is not that of '
                    f'the first frame, {first_wh[0]}x{first_wh[1]}',
                )
            )
    return first_wh


@lru_cache(maxsize=256)
def read_size(path: str, decode: bool) -> tuple[int, int] | str:
    """Width and height of an image as it is read, upright; or why it cannot be read.

    Args:
        path: The file.
        decode: Read all of it instead of its header alone.
    """
    try:
        with Image.open(path) as image:
            if decode:
                image.load()
            turned = image.getexif().get(_ORIENTATION, 1) >= 5  # by a quarter
            return image.size[::-1] if turned else image.size
    except _UNREADABLE as error:
        reason = f'{error}'.replace(f' {path!r}', '').replace(f": '{path}'", '')
        return f'{path}: cannot be read as an image ({reason})'


def _without_target(gt_xywh: np.ndarray) -> np.ndarray:
    """Boxes by which datasets say that the target is not there: all zeros or NaN."""
    return np.isnan(gt_xywh).all(axis=1) | (gt_xywh == 0).all(axis=1)


def find_bad_boxes(
    sequence: VideoSequence, image_wh: tuple[int, int] | None
) -> Iterator[str]:
    """Say which true boxes of a sequence cannot be right.

    Boxes that stand for an absent target (all zeros or NaN), and those of frames that
    the dataset calls invisible, are not looked at.

    Args:
        sequence: The sequence.
        image_wh: Width and height of its frames; None leaves the comparison out.
    """
    gt_xywh = sequence.gt_xywh
    judged = sequence.visible[: len(gt_xywh)] & ~_without_target(gt_xywh)
    finite = np.isfinite(gt_xywh).all(axis=1)
    low, sides = gt_xywh[:, :2], gt_xywh[:, 2:]
    has_area = finite & (sides > 0).all(axis=1)
    findings = {
        'is not finite': ~finite,
        'has no area': finite & ~has_area,
    }
    if image_wh is not None:
        outside = (low >= image_wh).any(axis=1) | (low + sides <= 0).any(axis=1)
        where = f'lies outside the {image_wh[0]}x{image_wh[1]} image'
        findings[where] = has_area & outside
    for finding, bad in findings.items():
        for place in np.flatnonzero(judged & bad):
            box = ', '.join(f'{value:g}' for value in gt_xywh[place])
            yield f'frame {place + 1} of {len(gt_xywh)}: x, y, w, h = {box} {finding}'
