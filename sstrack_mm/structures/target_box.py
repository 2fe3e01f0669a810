"""Where a target is in a frame: a line of ``boxes.jsonl``."""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sstrack_mm.errors import DataError

TRACKED, UNCERTAIN, LOST = 'TRACKED', 'UNCERTAIN', 'LOST'
SURROGATES = re.compile(r'[\ud800-\udfff]')
"""Halves of characters, which no file in UTF-8 can hold."""


@dataclass(frozen=True)
class TargetBox:
    """Where a target is in one frame of a video.

    Attributes:
        frame: Number of the frame, from 0.
        time_s: When it is shown, in seconds.
        target: Name of the target.
        bbox_xywh: Box, in image pixels; a guess where the target is lost.
        score: Of the network, in [0, 1]; 1 where a person gave the box.
        confidence: Calibrated, in [0, 1]; None where nothing is calibrated.
        state: TRACKED, UNCERTAIN, or LOST, also where the frame could not be decoded.
        by_person: Whether a person gave the box.
    """

    frame: int
    time_s: float
    target: str
    bbox_xywh: tuple[float, float, float, float]
    score: float = 1.0
    confidence: float | None = None
    state: str = TRACKED
    by_person: bool = False

    def to_json(self) -> str:
        """One line, without its end."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> 'TargetBox':
        """From what a line holds.

        Raises:
            DataError: A value is missing, unknown or makes no sense.
        """
        try:
            box = cls(**{**values, 'bbox_xywh': tuple(map(float, values['bbox_xywh']))})
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise DataError(f'no box of a target: {error}: {values!r:.200}') from None
        numbers = [*box.bbox_xywh, box.time_s, box.score]
        if box.confidence is not None:
            numbers.append(box.confidence)
        if (
            len(box.bbox_xywh) != 4
            or not all(map(_is_finite_number, numbers))
            or box.state not in (TRACKED, UNCERTAIN, LOST)
            or type(box.frame) is not int
            or box.frame < 0
            or not isinstance(box.target, str)
            or SURROGATES.search(box.target)
            or not isinstance(box.by_person, bool)
        ):
            raise DataError(f'no box of a target: {values!r:.200}')
        return box


def _is_finite_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


class VideoFacts(NamedTuple):
    """What formats say of a video.

    Attributes:
        name: File name.
        size_wh: Width and height, in pixels.
        fps: Frames a second.
        num_frames: How many there are.
    """

    name: str
    size_wh: tuple[int, int]
    fps: float
    num_frames: int


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[TargetBox]:
    """Read ``boxes.jsonl``.

    Raises:
        DataError: The file is missing, or a line is no box.
    """
    try:
        with open(path, encoding='utf-8-sig') as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield TargetBox.from_dict(json.loads(line))
                except (ValueError, RecursionError) as error:  # DataError is a ValueError
                    raise DataError(f'{path}, line {number}: {error}') from None
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from None
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: not a text in UTF-8 ({error})') from None


def by_target(boxes: Iterable[TargetBox]) -> dict[str, list[TargetBox]]:
    """The boxes of each target, in the order of the frames."""
    targets: dict[str, list[TargetBox]] = {}
    for box in sorted(boxes, key=lambda box: box.frame):
        targets.setdefault(box.target, []).append(box)
    return targets
