"""Ask a track whether it leads back to where it came from."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sstrack_mm.apis.model import Tracker
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.metrics import overlaps
from sstrack_mm.frames import Frame
from sstrack_mm.structures.target_box import TargetBox

_DOUBTFUL = 0.3  # overlap below which a box is not found again


class BackwardOverlap(NamedTuple):
    """How well a box of a track is found again on the way back.

    Attributes:
        frame: Number of the frame, from 0.
        target: Name of the target.
        overlap: Intersection over union of the track's box and the one found on the way
            back from a later frame, 0 to 1.
    """

    frame: int
    target: str
    overlap: float


class DoubtfulPart(NamedTuple):
    """Frames of a track that do not lead back.

    Attributes:
        target: Name of the target.
        first: The first frame.
        last: The last one.
        overlap: Mean :attr:`BackwardOverlap.overlap` in them.
    """

    target: str
    first: int
    last: int
    overlap: float


def check_back(
    model: Tracker, frames: Iterable[Frame], boxes: Iterable[TargetBox], length: int = 10
) -> Iterator[BackwardOverlap]:
    """Track each part of a track backwards from its last box: forward-backward overlap.

    The tracker starts anew from the track's box in every ``length``-th frame, and goes
    back from there. A track that went over to something else does not lead back.

    Args:
        model: From :func:`init_model`; any tracker, not only the one of the track.
        frames: The video, see :func:`~sstrack_mm.frames.open_frames`.
        boxes: The track, of one or more targets.
        length: How many frames to go back; so many frames are held in memory.

    Yields:
        BackwardOverlap: Of each box but those of the last frame, by frame. Frames that
        cannot be decoded are left out.
    """
    track: dict[int, dict[str, np.ndarray]] = {}
    for box in boxes:
        track.setdefault(box.frame, {})[box.target] = np.array(box.bbox_xywh)
    part: list[tuple[int, np.ndarray]] = []
    for frame in frames:
        if frame.image is None:
            continue
        part.append((frame.index, frame.image))
        if len(part) > length:
            yield from sorted(_go_back(model, part, track))
            del part[:-1]
    yield from sorted(_go_back(model, part, track))


def _go_back(
    model: Tracker,
    part: Sequence[tuple[int, np.ndarray]],
    track: dict[int, dict[str, np.ndarray]],
) -> Iterator[BackwardOverlap]:
    """Track back from the last frame of a part of the video."""
    if len(part) < 2:
        return
    states = {}
    last, image = part[-1]
    ends = track.get(last, {})
    for name, box in ends.items():
        try:
            states[name] = model.init_state(image, box)
        except DataError:  # outside the image, where nothing can be followed
            continue
    for index, image in part[-2::-1]:
        if states:
            found = model.track_batch([image] * len(states), list(states.values()))
            states = dict(zip(states, found, strict=True))
        for name, box in track.get(index, {}).items():
            if name in states:
                overlap = overlaps(box[None], states[name].bbox_xywh[None])[0]
                yield BackwardOverlap(index, name, float(overlap))
            elif name in ends:
                yield BackwardOverlap(index, name, 0.0)


def doubtful_parts(found: Iterable[BackwardOverlap]) -> list[DoubtfulPart]:
    """The runs of frames whose boxes are not found again (overlap below 0.3).

    Args:
        found: Of :func:`check_back`.
    """
    parts = []
    by_target = sorted(found, key=lambda one: (one.target, one.frame))
    for (target, is_doubtful), run in groupby(
        by_target, key=lambda one: (one.target, one.overlap < _DOUBTFUL)
    ):
        if is_doubtful:
            frames = list(run)
            mean = sum(one.overlap for one in frames) / len(frames)
            parts.append(DoubtfulPart(target, frames[0].frame, frames[-1].frame, mean))
    return parts


def write_overlaps(
    folder: str | os.PathLike[str], found: Iterable[BackwardOverlap]
) -> Path:
    """Write ``backward.jsonl``, a line for each :class:`BackwardOverlap`.

    Returns:
        Path: Of the file.
    """
    path = Path(folder) / 'backward.jsonl'
    lines = [json.dumps(one._asdict(), ensure_ascii=False) + '\n' for one in found]
    write_atomically(path, ''.join(lines).encode())
    return path
