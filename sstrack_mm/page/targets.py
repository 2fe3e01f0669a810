"""The targets of one video: what a person drew, and what was tracked from it."""

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sstrack_mm.errors import DataError

MAX_NAME = 80
"""Letters of the name of a target."""

MIN_SIDE = 2.0
"""Of a box inside the frame, in pixels."""

_NO_LETTERS = ('Cc', 'Cs')  # control characters, and surrogates, which UTF-8 cannot tell

BoxXYWH = tuple[float, float, float, float]


class Found(NamedTuple):
    """Where a target is in one frame.

    Attributes:
        bbox_xywh: Box, in image pixels.
        score: Of the network, in [0, 1].
        confidence: In [0, 1]: calibrated, or the score where nothing is.
        state: TRACKED, UNCERTAIN or LOST.
        by_person: Whether a person drew the box.
    """

    bbox_xywh: BoxXYWH
    score: float = 1.0
    confidence: float = 1.0
    state: str = 'TRACKED'
    by_person: bool = False


@dataclass
class Segment:
    """A person's box and what was tracked from it, up to the next person's box.

    Attributes:
        start: Frame of the box, from 0.
        box: The person's box.
        found: The frames after it, in order.
        state: Of the tracker after the last of them; None where it has to start anew.
        skipped: How many frames, from ``start`` on, cannot be decoded; the tracker starts
            in the one after them.
    """

    start: int
    box: Found
    found: list[Found] = field(default_factory=list)
    state: Any = None
    skipped: int = 0

    @property
    def next_frame(self) -> int:
        """The frame that has to be tracked next; ``start`` is tracked first."""
        if self.state is None:
            return self.start + self.skipped
        return self.start + 1 + len(self.found)


@dataclass
class Target:
    """One target: its segments are in the order of their frames.

    A box drawn in a frame starts a segment there: what was tracked before the frame
    stays, what came after it is dropped up to the next box that a person drew.

    Attributes:
        name: What the person calls it.
        segments: Not empty once a box is drawn.
    """

    name: str
    segments: list[Segment] = field(default_factory=list)

    def set_box(self, frame: int, bbox_xywh: Iterable[float]) -> None:
        """Start or correct the target in a frame."""
        x, y, w, h = bbox_xywh
        self.put(Segment(frame, Found((x, y, w, h), by_person=True)))

    def put(self, new: Segment) -> None:
        """Start or correct the target by a segment; its part up to the next one counts.

        Args:
            new: The target's from now on.
        """
        frame = new.start
        place = bisect_right(self.segments, frame, key=lambda s: s.start)
        if (after := self.segments[place:]) and new.found:
            del new.found[after[0].start - frame - 1 :]
        if place and self.segments[place - 1].start == frame:
            self.segments[place - 1] = new
            return
        if place:
            before = self.segments[place - 1]
            if before.start + 1 + len(before.found) > frame:
                # A new segment, as an old one may be kept to be gone back to.
                found = before.found[: frame - before.start - 1]
                self.segments[place - 1] = Segment(before.start, before.box, found)
        self.segments.insert(place, new)

    def remove_box(self, frame: int) -> None:
        """Take back a person's box: the segment before it goes on in its place.

        Raises:
            KeyError: No box was drawn in this frame.
        """
        place = self.place_of(frame)
        del self.segments[place]
        if place:
            before = self.segments[place - 1]
            self.segments[place - 1] = Segment(before.start, before.box)

    def place_of(self, frame: int) -> int:
        """Of the segment that starts in a frame, among all.

        Raises:
            KeyError: No box was drawn in this frame.
        """
        starts = [segment.start for segment in self.segments]
        if frame not in starts:
            raise KeyError(f'no box was drawn in frame {frame}; there are {starts}')
        return starts.index(frame)

    def ends(self, num_frames: int) -> Iterator[tuple[Segment, int]]:
        """Each segment with the frame before which it ends."""
        starts = [segment.start for segment in self.segments[1:]]
        yield from zip(self.segments, [*starts, num_frames], strict=True)

    def due(self, num_frames: int) -> Segment | None:
        """The first segment that is not tracked to its end."""
        for segment, end in self.ends(num_frames):
            if segment.start + 1 + len(segment.found) < end:
                return segment
        return None

    def __iter__(self) -> Iterator[tuple[int, Found]]:
        """Each frame, in order, with where the target is."""
        for segment in self.segments:
            yield segment.start, segment.box
            yield from enumerate(segment.found, start=segment.start + 1)


def clip(bbox_xywh: Iterable[float], size_wh: tuple[int, int]) -> BoxXYWH:
    """The part of a box that is inside an image.

    Args:
        bbox_xywh: (4,) box in image pixels.
        size_wh: Of the image.

    Raises:
        DataError: It has less than :data:`MIN_SIDE` pixels a side there, or a NaN.
    """
    x, y, w, h = (float(value) for value in bbox_xywh)
    (left, right), (top, bottom) = (
        (min(max(low, 0.0), size), min(max(low + side, 0.0), size))
        for low, side, size in ((x, w, size_wh[0]), (y, h, size_wh[1]))
    )
    # A box that is inside stays as it is, to the bit.
    width = w if (left, right) == (x, x + w) else right - left
    height = h if (top, bottom) == (y, y + h) else bottom - top
    if not min(width, height) >= MIN_SIDE or not all(map(math.isfinite, (x, y, w, h))):
        raise DataError(
            f'the box {x:g}, {y:g}, {w:g} x {h:g} has less than {MIN_SIDE:g} pixels a '
            'side inside the image; draw it around the target'
        )
    return left, top, width, height


def check_name(name: str) -> None:
    """Make sure that a target may have a name.

    Raises:
        DataError: It is empty or too long, or no text that can be shown and written.
    """
    if not name.strip():
        raise DataError('a target needs a name')
    if any(unicodedata.category(letter) in _NO_LETTERS for letter in name):
        raise DataError(
            f'the name {name[:MAX_NAME]!r} of a target has a control character, or half '
            'of a letter; leave it out'
        )
    if len(name) > MAX_NAME:
        raise DataError(
            f'the name {name[:MAX_NAME]}... of a target has {len(name)} letters; '
            f'{MAX_NAME} at most'
        )
