"""The crop: windows around a target, their pixels, and boxes into and out of them.

Workers, the loss and the tracker all cut with these functions, or with their batched
twin in :mod:`~sstrack_mm.structures.batched_crop`. There is no randomness, no
configuration and no torch here.
"""

import math

import cv2
import numpy as np

from sstrack_mm.errors import DataError

_MAX_WINDOW = 8192  # pixels a side: 201 MB


def target_window(bbox_xywh: np.ndarray, factor: float) -> tuple[int, int, int]:
    """Find the square window around a box.

    Args:
        bbox_xywh: (4,) box in image pixels.
        factor: Side of the window over the geometric mean of the box's sides.

    Returns:
        tuple[int, int, int]: Left, top and side of the window, in image pixels. It may
        reach outside the image.

    Raises:
        DataError: The box has no area, or is not finite.
    """
    x, y, w, h = (float(v) for v in bbox_xywh)
    if not (w > 0 and h > 0 and math.isfinite(x + y + w + h)):
        raise DataError(
            f'cannot crop around the box xywh=({x}, {y}, {w}, {h}): it '
            'must be finite and have positive sides'
        )
    side = math.ceil(math.sqrt(w * h) * factor)
    # Python's round, half to even, as in the reference.
    return round(x + 0.5 * w - 0.5 * side), round(y + 0.5 * h - 0.5 * side), side


def crop_target(
    image: np.ndarray,
    bbox_xywh: np.ndarray,
    factor: float,
    size: int,
    shade: bool = False,
) -> tuple[np.ndarray, float]:
    """Cut a target out of one image on the CPU, with OpenCV's resize.

    Outside the image the crop is black. Where the window reaches the last column (row)
    of the image, that column (row) is black as well, as in the reference.

    Args:
        image: (H, W, 3) uint8.
        bbox_xywh: (4,) box in image pixels.
        factor: Side of the window over the geometric mean of the box's sides.
        size: Side of the crop in pixels.
        shade: Whether what surrounds the box has half its light. The window is as large
            as the box's size says; shaded, the crop shows the box's sides as well, and
            so what belongs to the target.

    Returns:
        tuple[np.ndarray, float]: The (size, size, 3) uint8 crop, and the resize factor
        ``size / side of the window``.
    """
    left, top, side = target_window(bbox_xywh, factor)
    height, width = image.shape[:2]
    right = width - 1 if left + side >= width else left + side
    bottom = height - 1 if top + side >= height else top + side
    cut = _crop_sparsely if side > _MAX_WINDOW else _crop_window
    crop = cut(image, left, top, right, bottom, side, size)
    if shade:
        crop = _shade_context(crop, bbox_xywh, left, top, side)
    return crop, size / side


def _crop_window(
    image: np.ndarray, left: int, top: int, right: int, bottom: int, side: int, size: int
) -> np.ndarray:
    window = np.zeros((side, side, 3), np.uint8)
    x1, y1 = max(left, 0), max(top, 0)
    if x1 < right and y1 < bottom:
        window[y1 - top : bottom - top, x1 - left : right - left] = image[
            y1:bottom, x1:right
        ]
    return cv2.resize(window, (size, size), interpolation=cv2.INTER_LINEAR)


def _crop_sparsely(
    image: np.ndarray, left: int, top: int, right: int, bottom: int, side: int, size: int
) -> np.ndarray:
    """Cut a window that is too large to be made, from the pixels that the resize reads.

    OpenCV's arithmetic, as in :mod:`~sstrack_mm.structures.batched_crop`: two rows and
    two columns for each of the result, with weights of 11 bits.
    """
    coords = ((np.arange(size) + 0.5) * (side / size) - 0.5).astype(np.float32)
    low = np.floor(coords)
    fraction = coords - low
    weights = np.rint(np.stack([1 - fraction, fraction], axis=1) * 2048).astype(np.int32)
    places = np.clip(low[:, None] + [0, 1], 0, side - 1).astype(np.int64).ravel()
    x, y = places + left, places + top
    pixels = image[y.clip(0, len(image) - 1)][:, x.clip(0, image.shape[1] - 1)]
    inside = np.outer((y >= 0) & (y < bottom), (x >= 0) & (x < right))
    pixels = np.where(inside[..., None], pixels, 0).astype(np.int32)
    pixels = pixels.reshape(size, 2, size, 2, 3)
    rows = (pixels * weights[None, None, :, :, None]).sum(axis=3, dtype=np.int32)
    columns = (weights[:, :, None, None] * (rows >> 4)) >> 16
    return ((columns.sum(axis=1, dtype=np.int32) + 2) >> 2).astype(np.uint8)


def _shade_context(
    crop: np.ndarray, bbox_xywh: np.ndarray, left: int, top: int, side: int
) -> np.ndarray:
    """Halve the light of the pixels whose middles lie outside the box."""
    x, y, w, h = (float(v) for v in bbox_xywh)
    places = (np.arange(len(crop)) + 0.5) * (side / len(crop))
    columns = (left + places >= x) & (left + places < x + w)
    rows = (top + places >= y) & (top + places < y + h)
    return np.where(np.outer(rows, columns)[..., None], crop, crop // 2)


def crop_full_frame(image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pad an image to a square at its right or bottom, and resize it.

    Args:
        image: (H, W, 3) uint8.
        size: Side of the result in pixels.

    Returns:
        tuple[np.ndarray, np.ndarray]: The (size, size, 3) uint8 square, and
        ``content_wh``, the (2,) float64 extent of the image inside it.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[:height, :width] = image
    square = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
    return square, np.array([width, height]) * (size / side)


def boxes_to_crop(
    bboxes_xywh: np.ndarray,
    crop_bbox_xywh: np.ndarray,
    resize_factor: np.ndarray | float,
    size: int,
) -> np.ndarray:
    """Map boxes of an image into target crops.

    A box that starts left of (above) the crop is cut there; a width or height above
    the crop's side becomes that side.

    Args:
        bboxes_xywh: (..., 4) boxes in image pixels.
        crop_bbox_xywh: (..., 4) boxes that the crops were cut around.
        resize_factor: Of each crop, as :func:`crop_target` returns it.
        size: Side of the crops in pixels.

    Returns:
        np.ndarray: (..., 4) xywh boxes divided by ``size``.
    """
    scale = np.asarray(resize_factor)[..., None]
    centers = bboxes_xywh[..., :2] + 0.5 * bboxes_xywh[..., 2:]
    crop_centers = crop_bbox_xywh[..., :2] + 0.5 * crop_bbox_xywh[..., 2:]
    wh = bboxes_xywh[..., 2:] * scale
    xy = (size - 1) / 2 + (centers - crop_centers) * scale - 0.5 * wh
    wh = np.minimum(wh + np.minimum(xy, 0), size)
    return np.concatenate([np.maximum(xy, 0), wh], axis=-1) / size


def box_from_crop(
    box_cxcywh_norm: np.ndarray,
    crop_bbox_xywh: np.ndarray,
    resize_factor: float,
    size: int,
) -> np.ndarray:
    """Map a predicted box of a target crop back into the image.

    Args:
        box_cxcywh_norm: (4,) box divided by the crop's side.
        crop_bbox_xywh: (4,) box in image pixels that the crop was cut around.
        resize_factor: Of the crop, as :func:`crop_target` returns it.
        size: Side of the crop in pixels.

    Returns:
        np.ndarray: (4,) float64 xywh box in image pixels, not clipped.
    """
    cx, cy, w, h = np.asarray(box_cxcywh_norm, float) * (size / resize_factor)
    half_side = 0.5 * size / resize_factor
    x, y, crop_w, crop_h = crop_bbox_xywh
    cx += x + 0.5 * crop_w - half_side
    cy += y + 0.5 * crop_h - half_side
    return np.array([cx - 0.5 * w, cy - 0.5 * h, w, h])
