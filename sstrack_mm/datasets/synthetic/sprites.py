"""Pictures with an alpha channel: how they are made and laid over each other.

A sprite is (h, w, 4) float32 RGBA in 0..255, its colours multiplied by alpha. Affine
maps are (2, 3), from the coordinates of the sprite or object to those of the canvas.
"""

import cv2
import numpy as np


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Chain two affine maps: first ``inner``, then ``outer``.

    Args:
        outer: (2, 3) matrix of the second map, in pixels.
        inner: (2, 3) matrix of the first one.

    Returns:
        (2, 3) matrix of both.
    """
    return np.column_stack(
        [outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]]
    )


def rotation(angle: float | np.ndarray) -> np.ndarray:
    """Give the (2, 2, ...) matrices of clockwise turns (y points down) in radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def bounds(sprite: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the box that holds a transformed sprite.

    Returns:
        The first x, y and the x, y after the last, (2,) int each.
    """
    height, width = sprite.shape[:2]
    corners = affine @ [[-1, width, -1, width], [-1, -1, height, height], [1] * 4]
    return (
        np.floor(corners.min(axis=1)).astype(int),
        np.ceil(corners.max(axis=1)).astype(int) + 1,
    )


def draw(canvas: np.ndarray, sprite: np.ndarray, affine: np.ndarray) -> None:
    """Lay a transformed sprite over a canvas (H, W, 3 or 4) float32, in place."""
    low, high = bounds(sprite, affine)
    low, high = low.clip(0), np.minimum(high, canvas.shape[1::-1])
    if (low >= high).any():
        return
    shifted = affine - np.column_stack([np.zeros((2, 2)), low])
    warped = cv2.warpAffine(sprite, shifted, (high - low).tolist())
    lay_over(canvas[low[1] : high[1], low[0] : high[0]], warped)


def lay_over(canvas: np.ndarray, patch: np.ndarray) -> None:
    """Lay a sprite over a canvas (h, w, 3 or 4) float32 of its size, in place."""
    canvas *= 1 - patch[..., 3:] / 255
    canvas += patch[..., : canvas.shape[-1]]


def ellipse_outline() -> np.ndarray:
    """Give the points (N, 2) of the ellipse that fills -1..1."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def random_outline(rng: np.random.Generator) -> np.ndarray:
    """Draw a rounded box, a wobbly blob, a polygon or a star.

    Returns:
        (N, 2) corners that fill -1..1 in x and y.
    """
    circle = ellipse_outline()
    kind = rng.choice(['box', 'blob', 'polygon'], p=[0.4, 0.4, 0.2])
    if kind == 'box':
        roundness = np.exp(rng.uniform(np.log(0.15), np.log(1.5)))
        points = np.sign(circle) * np.abs(circle) ** roundness
    elif kind == 'blob':
        order = np.arange(2, 8)
        angle = np.arctan2(circle[:, 1], circle[:, 0])[:, None]
        waves = np.cos(order * angle + rng.uniform(0, 2 * np.pi, 6))
        points = circle * np.exp(waves @ (rng.normal(0, 0.4, 6) / order))[:, None]
    else:
        corners = int(rng.integers(3, 13))
        angle = (
            2
            * np.pi
            / corners
            * (np.arange(corners) + rng.uniform(-0.25, 0.25, corners) + rng.random())
        )
        points = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        points[::2] *= rng.uniform(0.5, 1.2)
    low, high = points.min(axis=0), points.max(axis=0)
    return 2 * (points - low) / (high - low) - 1


def paint_sprite(
    rng: np.random.Generator,
    outline: np.ndarray,
    size_wh: np.ndarray,
    texture: np.ndarray,
    light: float,
    softness: float,
) -> np.ndarray:
    """Cut a shape out of a texture and shade it.

    Args:
        rng: The source of randomness.
        outline: (N, 2) points in -1..1.
        size_wh: (2,) width and height in pixels.
        texture: (H, W, 3) float32 RGB in 0..255; it is mirrored where it is too small.
        light: Direction the light comes from, radians.
        softness: Standard deviation of the blur of the edge, pixels.

    Returns:
        The sprite, with a transparent margin around the shape.
    """
    margin = int(2 + 3 * softness)
    width, height = np.ceil(size_wh).astype(int) + 2 * margin
    points = (outline + 1) / 2 * size_wh + margin - 0.5
    # In 8 bits, the edge can be antialiased and placed to a sixteenth of a pixel.
    alpha = np.zeros((height, width), np.uint8)
    cv2.fillPoly(alpha, [np.int32(16 * points)], 255, cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), 0.4 + softness)

    dome = cv2.GaussianBlur(mask, (0, 0), max(1.0, min(size_wh) / 5))
    slope_y, slope_x = np.gradient(dome)
    shading = -(np.cos(light) * slope_x + np.sin(light) * slope_y)
    shading *= rng.uniform(0, 0.7) / (np.abs(shading).max() + 1e-6)
    rim = 1 - rng.choice([0, 0.6]) * (1 - dome / dome.max())

    top = rng.integers(0, max(1, texture.shape[0] - height + 1))
    left = rng.integers(0, max(1, texture.shape[1] - width + 1))
    colour = texture[top : top + height, left : left + width]
    below, right = height - colour.shape[0], width - colour.shape[1]
    colour = cv2.copyMakeBorder(colour, 0, below, 0, right, cv2.BORDER_REFLECT)
    colour = (colour * ((1 + shading) * rim)[..., None]).clip(0, 255)
    return np.dstack([colour * (mask / 255)[..., None], mask]).astype(np.float32)
