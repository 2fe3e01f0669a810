"""The crop: windows around a target, their pixels, and boxes into and out of them.

Workers, the loss and the tracker all cut with these functions. There is no randomness
and no configuration here. Two resizes are offered by name:

* ``'opencv'``: OpenCV's 8-bit ``INTER_LINEAR``, whose weights have 11 bits. The batched
  version repeats that integer arithmetic, so it equals OpenCV on every device.
* ``'float'``: the same bilinear weights in float32, within one grey level of it.
"""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from sstrack_mm.errors import DataError

RESIZES = ('opencv', 'float')
_WEIGHT_BITS = 11


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
    image: np.ndarray, bbox_xywh: np.ndarray, factor: float, size: int
) -> tuple[np.ndarray, float]:
    """Cut a target out of one image on the CPU, with OpenCV's resize.

    Outside the image the crop is black. Where the window reaches the last column (row)
    of the image, that column (row) is black as well, as in the reference.

    Args:
        image: (H, W, 3) uint8.
        bbox_xywh: (4,) box in image pixels.
        factor: Side of the window over the geometric mean of the box's sides.
        size: Side of the crop in pixels.

    Returns:
        tuple[np.ndarray, float]: The (size, size, 3) uint8 crop, and the resize factor
        ``size / side of the window``.
    """
    left, top, side = target_window(bbox_xywh, factor)
    height, width = image.shape[:2]
    right = width - 1 if left + side >= width else left + side
    bottom = height - 1 if top + side >= height else top + side
    window = np.zeros((side, side, 3), np.uint8)
    x1, y1 = max(left, 0), max(top, 0)
    if x1 < right and y1 < bottom:
        window[y1 - top : bottom - top, x1 - left : right - left] = image[
            y1:bottom, x1:right
        ]
    crop = cv2.resize(window, (size, size), interpolation=cv2.INTER_LINEAR)
    return crop, size / side


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
    box_cxcywh_norm: list[float],
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


def damp_size(bbox_xywh: np.ndarray, last_xywh: np.ndarray, lr: float) -> np.ndarray:
    """Believe a part of the change of a target's size; its centre stays.

    A network that overestimates sizes by a few percent enlarges its box in every frame;
    damping keeps it steady for longer.

    Args:
        bbox_xywh: (4,) predicted box.
        last_xywh: (4,) box of the frame before, with positive sides.
        lr: Weight of the predicted sides in a weighted geometric mean with the last
            ones: 1 takes them as they are, 0 never changes them.

    Returns:
        np.ndarray: (4,) xywh box.
    """
    if lr == 1:
        return bbox_xywh
    wh = bbox_xywh[2:] ** lr * last_xywh[2:] ** (1 - lr)
    return np.concatenate([bbox_xywh[:2] + 0.5 * (bbox_xywh[2:] - wh), wh])


def clip_to_image(
    bbox_xywh: np.ndarray, image_wh: tuple[int, int], margin: int = 10
) -> np.ndarray:
    """Keep a tracked box inside its image and at least ``margin`` pixels a side.

    Args:
        bbox_xywh: (4,) box in image pixels.
        image_wh: Width and height of the image.
        margin: The least side, and the least part inside the image, in pixels.

    Returns:
        np.ndarray: (4,) float64 xywh box.
    """
    xy1 = np.asarray(bbox_xywh[:2], float)
    xy2 = xy1 + bbox_xywh[2:]
    wh = np.asarray(image_wh, float)
    xy1 = np.minimum(np.maximum(xy1, 0), wh - margin)
    xy2 = np.minimum(np.maximum(xy2, margin), wh)
    return np.concatenate([xy1, np.maximum(xy2 - xy1, margin)])


def crop_targets(
    images: Tensor,
    image_wh: Tensor,
    bboxes_xywh: Tensor,
    factor: float,
    size: int,
    resize: str = 'opencv',
) -> Tensor:
    """Cut one target out of each image of a batch, on the images' device.

    Args:
        images: (B, 3, H, W) uint8, padded at the right and bottom where sizes differ.
        image_wh: (B, 2) integer widths and heights without that padding.
        bboxes_xywh: (B, 4) boxes in image pixels, with positive sides.
        factor: Side of the window over the geometric mean of the box's sides.
        size: Side of the crops in pixels.
        resize: ``'opencv'`` or ``'float'``, see the module.

    Returns:
        Tensor: (B, 3, size, size) uint8. Each crop is what :func:`crop_target` cuts
        (with ``'float'``: within one grey level of it).
    """
    if resize not in RESIZES:
        raise ValueError(f'resize must be one of {RESIZES}, but got {resize!r}')
    if resize == 'opencv' and images.device.type == 'cpu':
        crops = [
            crop_target(
                image[:, :height, :width].permute(1, 2, 0).numpy(), bbox, factor, size
            )[0]
            for image, (width, height), bbox in zip(
                images, image_wh.tolist(), bboxes_xywh.double().numpy(), strict=True
            )
        ]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    return _crop_on_device(images, image_wh, bboxes_xywh, factor, size, resize)


def _crop_on_device(
    images: Tensor,
    image_wh: Tensor,
    bboxes_xywh: Tensor,
    factor: float,
    size: int,
    resize: str,
) -> Tensor:
    """Cut a batch without leaving the device; see :func:`crop_targets`."""
    bboxes_xywh = bboxes_xywh.double() if resize == 'opencv' else bboxes_xywh.float()
    wh = bboxes_xywh[:, 2:]
    side = torch.ceil(wh.prod(dim=1).sqrt() * factor)[:, None]
    start = torch.round(bboxes_xywh[:, :2] + 0.5 * wh - 0.5 * side)
    grid = torch.arange(size, device=images.device, dtype=bboxes_xywh.dtype)
    coords = ((grid + 0.5) * (side / size) - 0.5).float()  # (B, size), in the window
    low = coords.floor()
    fraction = coords - low
    neighbours = torch.stack([low, low + 1], dim=-1).long()  # (B, size, 2)
    neighbours = neighbours.clamp(
        min=torch.zeros_like(side)[..., None].long(), max=(side - 1)[..., None].long()
    )
    index, valid = [], []
    for axis in range(2):
        position = neighbours + start[:, axis].long()[:, None, None]
        extent = image_wh[:, axis].to(position)[:, None, None]
        reaches_end = (start[:, axis] + side[:, 0]).long()[:, None, None] >= extent
        inside = (position >= 0) & (position < extent - reaches_end.long())
        index.append(position.clamp(min=0).minimum(extent - 1))
        valid.append(inside)
    pixels = _gather_corners(images, index, valid)
    return _blend(pixels, fraction, resize)


def _gather_corners(images: Tensor, index: list[Tensor], valid: list[Tensor]) -> Tensor:
    """Read the four source pixels of every crop pixel, black where not valid.

    Args:
        images: (B, 3, H, W) uint8.
        index: Columns and rows to read, each (B, size, 2): lower and upper neighbour.
        valid: Whether each of them lies in the image, same shapes.

    Returns:
        Tensor: (B, 3, size, 2, size, 2) uint8, rows before columns.
    """
    batch, channels, _, width = images.shape
    size = index[0].shape[1]
    flat = index[1].reshape(batch, -1, 1) * width + index[0].reshape(batch, 1, -1)
    inside = valid[1].reshape(batch, -1, 1) & valid[0].reshape(batch, 1, -1)
    flat = flat.reshape(batch, 1, -1).expand(-1, channels, -1)
    pixels = images.flatten(2).gather(2, flat)
    pixels = pixels * inside.reshape(batch, 1, -1)
    return pixels.reshape(batch, channels, size, 2, size, 2)


def _blend(pixels: Tensor, fraction: Tensor, resize: str) -> Tensor:
    """Weigh the four source pixels of every crop pixel.

    Args:
        pixels: (B, 3, size, 2, size, 2) uint8, as :func:`_gather_corners` returns it.
        fraction: (B, size) float32, the weight of the upper neighbour.
        resize: ``'opencv'`` or ``'float'``.

    Returns:
        Tensor: (B, 3, size, size) uint8.
    """
    weights = torch.stack([1 - fraction, fraction], dim=-1)  # (B, size, 2)
    if resize == 'float':
        rows = (pixels * weights[:, None, None, None]).sum(-1)
        crops = (rows * weights[:, None, :, :, None]).sum(3)
        return crops.round().to(torch.uint8)
    weights = torch.round(weights * (1 << _WEIGHT_BITS)).int()
    pixels = pixels.int()
    rows = (pixels * weights[:, None, None, None]).sum(-1, dtype=torch.int32)
    columns = (weights[:, None, :, :, None] * (rows >> 4)) >> 16
    crops = (columns.sum(3, dtype=torch.int32) + 2) >> 2
    return crops.to(torch.uint8)
