"""Objects as layers: what they look like and where they are in the frames of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sstrack_mm.datasets.synthetic.sprites import rotation
from sstrack_mm.datasets.synthetic.video import bbox_of_mask


@dataclass(frozen=True)
class Layer:
    """An object in each frame of a clip.

    Attributes:
        sprites: Of each frame, (h, w, 4) uint8 RGBA, colours multiplied by alpha.
        affines: Of each frame, the (2, 3) map from sprite to image pixels.
        blur: Standard deviation of its own blur in each frame, pixels; 0 for none.
    """

    sprites: list[np.ndarray]
    affines: list[np.ndarray]
    blur: Sequence[float] | np.ndarray

    def draw(self, image: np.ndarray, number: int) -> np.ndarray:
        """Lay the object over frame ``number``, in place; return its (4,) xywh box.

        The box is cut at the image, and has no area where nothing of it is inside.
        """
        sprite, affine = self.sprites[number], self.affines[number]
        height, width = sprite.shape[:2]
        corners = affine @ [[0, width, 0, width], [0, 0, height, height], [1] * 4]
        low = np.floor(corners.min(axis=1)).astype(int).clip(0)
        high = np.minimum(np.ceil(corners.max(axis=1)).astype(int), image.shape[1::-1])
        if (low >= high).any():
            return np.zeros(4)
        shifted = affine - np.column_stack([np.zeros((2, 2)), low])
        patch = cv2.warpAffine(sprite, shifted, (high - low).tolist())
        if self.blur[number]:
            patch = cv2.GaussianBlur(patch, (0, 0), self.blur[number])
        region = image[low[1] : high[1], low[0] : high[0]]
        below = cv2.multiply(region, 255 - cv2.merge([patch[..., 3]] * 3), scale=1 / 255)
        region[:] = cv2.add(below, patch[..., :3])
        x, y, w, h = bbox_of_mask(patch[..., 3] > 100)
        return np.array([x + low[0], y + low[1], w, h])


@dataclass(frozen=True)
class Course:
    """Where an object is in each frame: (N, 2) centres and (N,) sizes, angles, squeezes.

    The size is the root of width times height, in image pixels; a squeeze is a factor on
    the width alone.
    """

    xy: np.ndarray
    size: np.ndarray
    angle: np.ndarray
    squeeze: np.ndarray

    def affines(self, content_wh: np.ndarray, sprite_wh: np.ndarray) -> list[np.ndarray]:
        """Maps that show a sprite's content, in its middle, at this size and place."""
        scale = self.size / np.sqrt(np.prod(content_wh))
        maps = []
        for xy, s, angle, squeeze in zip(
            self.xy, scale, self.angle, self.squeeze, strict=True
        ):
            linear = rotation(angle) * (s * np.array([squeeze, 1]))
            maps.append(np.column_stack([linear, xy - linear @ (sprite_wh / 2)]))
        return maps


def random_course(
    rng: np.random.Generator, size_wh: tuple[int, int], num_frames: int
) -> Course:
    """Move a target about an image: far from the first frame to the second, then on.

    Args:
        rng: The source of randomness.
        size_wh: Width and height of the image.
        num_frames: Frames N of the clip.
    """
    wh = np.array(size_wh)
    smallest, largest = np.array([14, 80]) * min(size_wh) / 240
    first = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    steps = rng.normal(size=(num_frames, 5)) * np.array([1.5, 1.5, 0.3, 0.25, 0.12])
    steps[0] *= (0, 0, 0, 0.5, 1)
    steps[2:] *= (0.25, 0.25, 0.4, 0.5, 0.5)
    steps *= rng.choice([0.2, 0.6, 1.0, 1.5])
    walk = steps.cumsum(axis=0)
    size = first * np.exp(walk[:, 2].clip(-0.8, 0.8))
    # Few targets start near the border, and few leave.
    start = wh * rng.beta(1.5, 1.5, 2)
    reach = 0.2 * size[:, None]
    xy = np.clip(start + first * walk[:, :2], reach, wh - reach)
    return Course(xy, size, walk[:, 3], np.exp(walk[:, 4].clip(-0.5, 0.5)))


def near(
    rng: np.random.Generator, course: Course, distances: tuple[float, float], size: float
) -> Course:
    """A course that stays near another one's, at its own angle.

    Args:
        rng: The source of randomness.
        course: The target's.
        distances: Least and largest distance from it, in sizes of the target.
        size: Size over that of the target.
    """
    num_frames = len(course.xy)
    turn = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.5, num_frames).cumsum()
    distance = np.clip(
        rng.uniform(*distances) + rng.normal(0, 0.3, num_frames).cumsum(), *distances
    )
    way = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return Course(
        course.xy + (course.size * distance)[:, None] * way,
        course.size * size,
        course.angle + rng.normal(0, 0.3),
        course.squeeze,
    )


def cut_out(
    image: np.ndarray, bbox_xywh: np.ndarray, outline: np.ndarray, softness: float
) -> np.ndarray:
    """Cut a shape out of a picture: a (h, w, 4) uint8 sprite with a margin.

    Args:
        image: (H, W, 3) uint8.
        bbox_xywh: (4,) where from, in whole pixels, at least 2 inside the image.
        outline: (N, 2) points in -1..1.
        softness: Standard deviation of the blur of its edge, pixels.
    """
    x, y, w, h = bbox_xywh.astype(int)
    colour = image[y - 2 : y + h + 2, x - 2 : x + w + 2]
    alpha = np.zeros(colour.shape[:2], np.uint8)
    points = (outline + 1) / 2 * (w, h) + 1.5
    cv2.fillPoly(alpha, [np.int32(16 * points)], 255, cv2.LINE_AA, 4)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.5 + softness)
    alpha[[0, -1]] = 0
    alpha[:, [0, -1]] = 0
    colour = cv2.multiply(colour, cv2.merge([alpha] * 3), scale=1 / 255)
    return np.dstack([colour, alpha])


def random_source_box(
    rng: np.random.Generator, size_wh: tuple[int, int], sides: tuple[float, float]
) -> np.ndarray:
    """A random (4,) xywh box in whole pixels, at least 2 inside an image."""
    wh = np.array(size_wh)
    side = np.exp(rng.uniform(*np.log(sides)))
    aspect = np.exp(rng.normal(0, 0.35))
    box_wh = np.clip(side * np.array([aspect, 1 / aspect]), 12, wh - 8).astype(int)
    return np.concatenate([rng.integers(2, wh - box_wh - 2), box_wh])


def bent(rng: np.random.Generator, sprite: np.ndarray, strength: float) -> np.ndarray:
    """Deform a sprite smoothly, as what is alive deforms.

    Args:
        rng: The source of randomness.
        sprite: (h, w, 4) uint8 RGBA.
        strength: Standard deviation of how far its parts go, in its larger side.

    Returns:
        np.ndarray: The same, with a margin all round for what goes outwards.
    """
    reach = strength * max(sprite.shape)
    margin = [int(2 * reach)] * 4
    sprite = cv2.copyMakeBorder(sprite, *margin, cv2.BORDER_CONSTANT)
    size_wh = sprite.shape[1::-1]
    coarse = rng.normal(0, reach, (4, 4, 2)).astype(np.float32)
    shifts = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
    here = np.stack(np.meshgrid(*map(np.arange, size_wh)), axis=-1)
    return cv2.remap(sprite, (here + shifts).astype(np.float32), None, cv2.INTER_LINEAR)


def recoloured(
    sprites: list[np.ndarray], gain: np.ndarray, mirror: bool
) -> list[np.ndarray]:
    """Look-alikes: other gains of red, green and blue, or the mirror image."""
    factor = np.array([*gain, 1.0])
    result = []
    for sprite in sprites:
        other = cv2.multiply(sprite, factor)
        other[..., :3] = np.minimum(other[..., :3], sprite[..., 3:])
        result.append(np.ascontiguousarray(other[:, ::-1]) if mirror else other)
    return result
