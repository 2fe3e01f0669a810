"""The targets of one video: what a person drew, and what was tracked from it."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Found(NamedTuple):
    """Where a target is in one frame.

    Attributes:
        bbox_xywh: Box, in image pixels.
        score: Of the network, in [0, 1].
        confidence: In [0, 1]: calibrated, or the score where nothing is.
        state: TRACKED, UNCERTAIN or LOST.
        by_person: Whether a person drew the box.
    """

    bbox_xywh: tuple[float, float, float, float]
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
    """

    start: int
    box: Found
    found: list[Found] = field(default_factory=list)
    state: Any = None

    @property
    def next_frame(self) -> int:
        """The frame that has to be tracked next; ``start`` is tracked first."""
        return self.start if self.state is None else self.start + 1 + len(self.found)


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

    def set_box(self, frame: int, bbox_xywh: np.ndarray) -> None:
        """Start or correct the target in a frame."""
        x, y, w, h = (float(v) for v in bbox_xywh)
        new = Segment(frame, Found((x, y, w, h), by_person=True))
        place = bisect_right(self.segments, frame, key=lambda s: s.start)
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
        starts = [segment.start for segment in self.segments]
        if frame not in starts:
            raise KeyError(f'no box was drawn in frame {frame}; there are {starts}')
        place = starts.index(frame)
        del self.segments[place]
        if place:
            before = self.segments[place - 1]
            self.segments[place - 1] = Segment(before.start, before.box)

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
