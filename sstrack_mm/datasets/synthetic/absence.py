"""Spells in which nothing of the target can be seen: behind something, or outside."""

from typing import NamedTuple

import numpy as np

MIN_FRAMES = 70
"""The least number of frames of a video for each spell."""
_BEFORE, _AFTER = 20, 30  # frames that see the target, in each spell's part of a video


class Spell(NamedTuple):
    """When a target is away.

    Attributes:
        start: The first frame.
        end: The frame after the last one.
        ramp: Frames that it takes to go, and as many to come back.
        covered: Whether something covers it; else it leaves the image.
    """

    start: int
    end: int
    ramp: int
    covered: bool

    def share(self, num_frames: int) -> np.ndarray:
        """(T,) how far the target has gone: 0 not at all, 1 all of the way."""
        time = np.arange(num_frames)
        gone = np.minimum(time - self.start, self.end - 1 - time) / self.ramp + 1
        gone = gone.clip(0, 1)
        return gone * gone * (3 - 2 * gone)


def plan_spells(rng: np.random.Generator, num_frames: int, number: int) -> list[Spell]:
    """Draw when the target is away: once in each of equal parts of the video."""
    spells = []
    part = num_frames // number
    for first in range(0, number * part, part):
        ramp = int(rng.integers(5, 12))
        room = part - _BEFORE - _AFTER - 2 * ramp
        length = int(rng.integers(min(8, room), min(40, room) + 1)) if room > 0 else 1
        start = first + _BEFORE + ramp + int(rng.integers(max(room - length, 0) + 1))
        spells.append(Spell(start, start + length, ramp, bool(rng.random() < 0.5)))
    return spells


def leave_image(
    rng: np.random.Generator,
    xy: np.ndarray,
    spell: Spell,
    size_wh: tuple[int, int],
    room: float,
) -> np.ndarray:
    """Lead a path out of the image and back, a third of the time at another side.

    Args:
        rng: The source of randomness.
        xy: (T, 2) path of the target's centre, pixels.
        spell: When it is to be outside.
        size_wh: Of the image.
        room: How far outside the centre has to be, pixels.

    Returns:
        np.ndarray: (T, 2) the new path.
    """
    away = spell.share(len(xy))[:, None]
    leaving = _nearest_outside(xy[spell.start], size_wh, room)
    coming = _nearest_outside(xy[spell.end - 1], size_wh, room)
    if rng.random() < 1 / 3:
        side, axis = rng.integers(2), rng.integers(2)
        coming = rng.uniform(0, size_wh)
        coming[axis] = side * size_wh[axis] + (2 * side - 1) * room
    middle = (spell.start + spell.end) // 2
    outside = np.where(np.arange(len(xy))[:, None] < middle, leaving, coming)
    return (1 - away) * xy + away * outside


def _nearest_outside(
    place: np.ndarray, size_wh: tuple[int, int], room: float
) -> np.ndarray:
    """The place outside the image that is the nearest."""
    ways = np.concatenate([place, size_wh - place])  # to the left, top, right, bottom
    nearest = int(np.argmin(ways))
    target = place.copy()
    target[nearest % 2] = (-room, size_wh[nearest % 2] + room)[nearest // 2]
    return target


def cover_path(
    rng: np.random.Generator, xy: np.ndarray, spell: Spell, reach: float
) -> np.ndarray:
    """The path of what comes, stays in front of the target, and goes on.

    Args:
        rng: The source of randomness.
        xy: (T, 2) path of the target's centre, pixels.
        spell: When it is to be covered.
        reach: How far apart the two are when neither hides the other, pixels.

    Returns:
        np.ndarray: (T, 2), far away before and after.
    """
    turn = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(turn), np.sin(turn)])
    time = np.arange(len(xy))
    middle = (spell.start + spell.end) / 2
    side = np.where(time < middle, -1, rng.choice([-1, 1]))
    # Where nothing is covered it goes on as fast, out of sight.
    before = np.maximum(spell.start - time, time - (spell.end - 1)).clip(0)
    return xy + (side * reach * before / spell.ramp)[:, None] * way
