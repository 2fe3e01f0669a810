"""A target, look-alikes, strangers and occluders, laid over the frames of a clip."""

from collections.abc import Callable, Sequence

import numpy as np

from sstrack_mm.datasets.composed.layers import (
    Course,
    Layer,
    cut_out,
    near,
    random_course,
    random_source_box,
    recoloured,
)
from sstrack_mm.datasets.synthetic.sprites import random_outline
from sstrack_mm.errors import DataError

LEAST_SIDE = 6
"""Of a target's box in a clip that is of use, in pixels."""
_LEAST_FRAME = 32

Sprites = tuple[list[np.ndarray], list[np.ndarray] | None]
"""A sprite for each frame, and those of a neighbour that looks much like it."""


def lay_target(
    rng: np.random.Generator,
    frames: list[np.ndarray],
    draw_sprites: Callable[[], Sprites],
    with_others: bool = True,
) -> np.ndarray:
    """Let a target move over the frames, among others.

    Args:
        rng: The source of randomness.
        frames: N of (H, W, 3) uint8, drawn into.
        draw_sprites: Gives what an object looks like in each frame.
        with_others: Whether there are look-alikes and strangers beside it.

    Returns:
        np.ndarray: (N, 4) float64 xywh boxes of the target, cut at the image, without
        regard to what hides it.
    """
    course = random_course(rng, frames[0].shape[1::-1], len(frames))
    sprites, twins = draw_sprites()
    target = _layer(rng, sprites, course)
    front: list[Layer] = []
    if with_others:
        front = lay_others(rng, course, frames, sprites, twins, draw_sprites)
    bboxes = np.stack([target.draw(frame, i) for i, frame in enumerate(frames)])
    occlude(rng, frames, course, front, draw_sprites)
    return bboxes


def lay_others(
    rng: np.random.Generator,
    course: Course,
    frames: list[np.ndarray],
    sprites: list[np.ndarray],
    twins: list[np.ndarray] | None,
    draw_sprites: Callable[[], Sprites],
) -> list[Layer]:
    """Lay look-alikes and strangers over the frames; return those in front.

    Args:
        rng: The source of randomness.
        course: The target's.
        frames: N of (H, W, 3) uint8, drawn into.
        sprites: The target's, one a frame.
        twins: Those of its neighbour, if there is one.
        draw_sprites: Gives what a stranger looks like in each frame.
    """
    front = []
    for _ in range(rng.choice([0, 1, 2, 3, 4], p=[0.25, 0.25, 0.2, 0.2, 0.1])):
        kind = rng.random()
        if kind < 0.5:
            gain = np.exp(rng.normal(0, rng.choice([0.2, 0.5])) + rng.normal(0, 0.3, 3))
            other = recoloured(sprites, gain, bool(rng.random() < 0.5))
        elif kind < 0.75 and twins is not None:
            other = twins
        else:
            other = draw_sprites()[0]
        way = near(rng, course, (0.8, 2.6), np.exp(rng.normal(0, 0.25)))
        layer = _layer(rng, other, way)
        if rng.random() < 0.3:
            front.append(layer)
            continue
        for i, frame in enumerate(frames):
            layer.draw(frame, i)
    return front


def occlude(
    rng: np.random.Generator,
    frames: list[np.ndarray],
    course: Course,
    front: list[Layer],
    draw_sprites: Callable[[], Sprites],
) -> None:
    """Hide a part of the target, in all frames but the first.

    Args:
        rng: The source of randomness.
        frames: N of (H, W, 3) uint8, drawn into.
        course: The target's.
        front: What is in front of it already.
        draw_sprites: Gives what an occluder looks like in each frame.
    """
    if rng.random() < 0.3:
        size = rng.uniform(0.35, 0.8)
        way = near(rng, course, (0.3 + 0.2 * size, 0.9), size)
        front = [*front, _layer(rng, draw_sprites()[0], way)]
    for layer in front:
        for i, frame in enumerate(frames[1:], 1):
            layer.draw(frame, i)


def cut_sprites(rng: np.random.Generator, frames: Sequence[np.ndarray]) -> Sprites:
    """Cut a shape out of the same place of all frames, and another beside it.

    Args:
        rng: The source of randomness.
        frames: N of (H, W, 3) uint8.

    Raises:
        DataError: They are too small to cut anything out.
    """
    size_wh = frames[0].shape[1::-1]
    if min(size_wh) < _LEAST_FRAME:
        raise DataError(
            f'a frame of {size_wh[0]}x{size_wh[1]} pixels is too small to cut a target '
            f'out of it; {_LEAST_FRAME} a side are needed'
        )
    box = draw_place(rng, frames[0], (24, 0.5 * min(size_wh)))
    outline, softness = random_outline(rng), rng.choice([0.0, 0.5, 1.0])
    sprites = [cut_out(frame, box, outline, softness) for frame in frames]
    shift = rng.choice([-1, 1], 2) * rng.uniform(0.3, 1.5, 2) * box[2:]
    beside = box.copy()
    beside[:2] = np.clip(box[:2] + shift, 2, np.array(size_wh) - box[2:] - 2)
    if np.abs(beside[:2] - box[:2]).max() < 0.3 * box[2:].min():
        return sprites, None
    return sprites, [cut_out(frame, beside, outline, softness) for frame in frames]


def draw_place(
    rng: np.random.Generator, frame: np.ndarray, sides: tuple[float, float]
) -> np.ndarray:
    """Of three places in a frame, the one with most to see: (4,) xywh, whole pixels.

    Args:
        rng: The source of randomness.
        frame: (H, W, 3) uint8.
        sides: Least and largest side, pixels; the largest one bounds both.
    """
    sides = (min(sides), sides[1])
    boxes = [random_source_box(rng, frame.shape[1::-1], sides) for _ in range(3)]
    return max(boxes, key=lambda box: _detail(frame, box))


def _layer(rng: np.random.Generator, sprites: list[np.ndarray], course: Course) -> Layer:
    """Let sprites follow a course, sometimes blurred."""
    alpha = sprites[0][..., 3] > 100
    rows, columns = alpha.any(axis=1).sum(), alpha.any(axis=0).sum()
    content_wh = np.array([max(columns, 4), max(rows, 4)])
    sprite_wh = np.array(sprites[0].shape[1::-1])
    blur = np.where(
        rng.random(len(sprites)) < 0.2, rng.uniform(0.5, 0.06 * course.size + 0.6), 0.0
    )
    return Layer(sprites, course.affines(content_wh, sprite_wh), blur)


def _detail(frame: np.ndarray, bbox_xywh: np.ndarray) -> float:
    """How much there is to see in a box: the deviation of its pixels."""
    x, y, w, h = bbox_xywh.astype(int)
    return float(frame[y : y + h : 2, x : x + w : 2].std())
