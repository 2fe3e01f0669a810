"""The crop of :mod:`~sstrack_mm.structures.crop` for a batch, on any device.

Two resizes are offered by name:

* ``'opencv'``: OpenCV's 8-bit ``INTER_LINEAR``, whose weights have 11 bits. That integer
  arithmetic is repeated here, so it equals OpenCV on every device.
* ``'float'``: the same bilinear weights in float32, within one grey level of it.
"""

import numpy as np
import torch
from torch import Tensor

from sstrack_mm.structures.crop import crop_target

RESIZES = ('opencv', 'float')
_WEIGHT_BITS = 11


def crop_targets(
    images: Tensor,
    image_wh: Tensor,
    bboxes_xywh: Tensor,
    factor: float,
    size: int,
    resize: str = 'opencv',
    shade: bool = False,
) -> Tensor:
    """Cut one target out of each image of a batch, on the images' device.

    The other tensors may be on the CPU.

    Args:
        images: (B, 3, H, W) uint8, padded at the right and bottom where sizes differ.
        image_wh: (B, 2) integer widths and heights without that padding.
        bboxes_xywh: (B, 4) boxes in image pixels, with positive sides.
        factor: Side of the window over the geometric mean of the box's sides.
        size: Side of the crops in pixels.
        resize: ``'opencv'`` or ``'float'``, see the module.
        shade: As :func:`~sstrack_mm.structures.crop.crop_target` takes it.

    Returns:
        Tensor: (B, 3, size, size) uint8. Each crop is what
        :func:`~sstrack_mm.structures.crop.crop_target` cuts
        (with ``'float'``: within one grey level of it).
    """
    if resize not in RESIZES:
        raise ValueError(f'resize must be one of {RESIZES}, but got {resize!r}')
    if resize == 'opencv' and images.device.type == 'cpu':
        crops = [
            crop_target(
                image[:, :height, :width].permute(1, 2, 0).numpy(),
                bbox,
                factor,
                size,
                shade,
            )[0]
            for image, (width, height), bbox in zip(
                images, image_wh.tolist(), bboxes_xywh.double().numpy(), strict=True
            )
        ]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    return _crop_on_device(images, image_wh, bboxes_xywh, factor, size, resize, shade)


def _windows(bboxes_xywh: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """(B, 2) left and top and (B, 1) side of the windows around (B, 4) boxes."""
    wh = bboxes_xywh[:, 2:]
    side = torch.ceil(wh.prod(dim=1).sqrt() * factor)[:, None]
    return torch.round(bboxes_xywh[:, :2] + 0.5 * wh - 0.5 * side), side


def _crop_on_device(
    images: Tensor,
    image_wh: Tensor,
    bboxes_xywh: Tensor,
    factor: float,
    size: int,
    resize: str,
    shade: bool,
) -> Tensor:
    """Cut a batch without moving the images; see :func:`crop_targets`.

    Where to read is computed where the boxes are: in float64, which not every device has.
    """
    bboxes_xywh = bboxes_xywh.double() if resize == 'opencv' else bboxes_xywh.float()
    start, side = _windows(bboxes_xywh, factor)
    grid = torch.arange(size, device=bboxes_xywh.device, dtype=bboxes_xywh.dtype)
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
        index.append(move_to(images.device, position.clamp(min=0).minimum(extent - 1)))
        valid.append(move_to(images.device, inside))
    pixels = _gather_corners(images, index, valid)
    crops = _blend(pixels, move_to(images.device, fraction), resize)
    return _shade_contexts(crops, bboxes_xywh, start, side) if shade else crops


def _shade_contexts(
    crops: Tensor, bboxes_xywh: Tensor, start: Tensor, side: Tensor
) -> Tensor:
    """Halve the light of the pixels whose middles lie outside the boxes."""
    size = crops.shape[-1]
    grid = torch.arange(size, device=bboxes_xywh.device, dtype=bboxes_xywh.dtype)
    places = ((grid + 0.5) * (side / size))[:, None] + start[..., None]  # (B, 2, size)
    low, high = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
    inside = (places >= low[..., None]) & (places < high[..., None])
    inside = move_to(crops.device, inside[:, 1, :, None] & inside[:, 0, None])
    return torch.where(inside[:, None], crops, crops // 2)


def move_to(device: torch.device, tensor: Tensor) -> Tensor:
    """Move a tensor; to CUDA without waiting for what still runs there."""
    return tensor.to(device, non_blocking=device.type == 'cuda')


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
