"""The functions between boxes, maps and tokens that the tracker is made of."""

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from torch import Tensor, nn

from sstrack_mm.models.backbones import ViTOutput


def locate(
    backbone: nn.Module,
    head: nn.Module,
    templates: Tensor,
    search: Tensor,
    query: Tensor | None,
) -> tuple[dict[str, Tensor], ViTOutput]:
    """Look for targets in search images.

    Args:
        backbone: The backbone.
        head: The box head.
        templates: (B, T, 3, h, w) normalised crops.
        search: (B, 3, H, W) normalised images.
        query: (B, 1, C) track queries of the frame before; None at a start.

    Returns:
        tuple[dict[str, Tensor], ViTOutput]: The head's maps, and the backbone's output.
    """
    output = backbone(templates, search, query)
    feat = output.search_tokens * (output.search_tokens @ output.query.transpose(1, 2))
    grid = head.token_grid
    return head(feat.transpose(1, 2).unflatten(2, (grid, grid)), output.fine), output


def hann_window(size: int) -> Tensor:
    """The (size, size) outer product of Hann windows without their zero ends."""
    k = torch.arange(1, size + 1, dtype=torch.float64)
    profile = 0.5 * (1 - torch.cos(2 * torch.pi * k / (size + 1)))
    return torch.outer(profile, profile).float()


def pseudo_boxes(bboxes_cxcywh_norm: Tensor, image_wh: Tensor, size: int) -> Tensor:
    """Predictions in full-frame search images as boxes to cut memory crops around.

    Args:
        bboxes_cxcywh_norm: (B, 4) divided by the side of the search image.
        image_wh: (B, 2) widths and heights of the frames.
        size: Side of the search image, in pixels.

    Returns:
        Tensor: (B, 4) float64 xywh in image pixels, rounded to whole pixels of the
        search image and cut at the image; no side is 0.
    """
    image_wh = image_wh.double()
    scale = image_wh.amax(dim=1, keepdim=True) / size
    corners = bbox_cxcywh_to_xyxy(torch.round(bboxes_cxcywh_norm * size).double())
    low = corners[:, :2].clamp(min=0)
    wh = (torch.minimum(corners[:, 2:], image_wh / scale) - low).clamp(min=0) * scale
    return torch.cat([low * scale, torch.where(wh > 0, wh, torch.ones_like(wh))], dim=1)


def pool_box(output: ViTOutput, bboxes_cxcywh_norm: Tensor) -> tuple[Tensor, Tensor]:
    """Average the search tokens whose cells have their centres in a box.

    Args:
        output: Of the backbone.
        bboxes_cxcywh_norm: (B, 4).

    Returns:
        tuple[Tensor, Tensor]: (B, C) features, zero where there is none, and (B,) bool,
        whether any token that was not eliminated lies in the box.
    """
    grid = round(output.kept.shape[1] ** 0.5)
    centers = (torch.arange(grid, device=output.kept.device) + 0.5) / grid
    low, high = bbox_cxcywh_to_xyxy(bboxes_cxcywh_norm)[..., None].split(2, dim=1)
    inside = (centers >= low) & (centers <= high)  # (B, 2, grid), x then y
    cells = (inside[:, 1, :, None] & inside[:, 0, None, :]).flatten(1) & output.kept
    count = cells.sum(dim=1)
    features = (output.search_tokens * cells[..., None]).sum(dim=1)
    return features / count.clamp(min=1)[:, None], count > 0


def describe_boxes(search_tokens: Tensor, bboxes_cxcywh_norm: Tensor) -> Tensor:
    """What the backbone knows of some boxes, however small they are.

    Args:
        search_tokens: (B, N, C) of the backbone, zero where eliminated.
        bboxes_cxcywh_norm: (B, K, 4).

    Returns:
        Tensor: (B, K, C) sums of the tokens, each weighted by the part of its cell that
        lies in the box.
    """
    grid = round(search_tokens.shape[1] ** 0.5)
    edges = torch.arange(grid, device=search_tokens.device) / grid
    low, high = bbox_cxcywh_to_xyxy(bboxes_cxcywh_norm)[..., None].split(2, dim=2)
    ends = torch.minimum(high, edges + 1 / grid)
    width, height = (ends - torch.maximum(low, edges)).clamp(min=0).unbind(2)
    inside = (height[..., :, None] * width[..., None, :]).flatten(2)  # (B, K, N)
    return inside @ search_tokens.float()


def overlaps(pred_bboxes_cxcywh: Tensor, gt_bboxes_xyxy: Tensor) -> Tensor:
    """(B,) intersection over union of (B, 4) aligned boxes."""
    return bbox_overlaps(
        bbox_cxcywh_to_xyxy(pred_bboxes_cxcywh), gt_bboxes_xyxy, is_aligned=True
    )


def mean_iou(
    pred_bboxes_cxcywh: Tensor, gt_bboxes_xyxy: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean overlap of boxes in pairs.

    Args:
        pred_bboxes_cxcywh: (B, 4), in any unit.
        gt_bboxes_xyxy: (B, 4), in the same unit.
        weight: (B,) 0 or 1, the pairs that count. None counts all.

    Returns:
        Tensor: Scalar in [0, 1]; 0 where no pair counts.
    """
    iou = overlaps(pred_bboxes_cxcywh, gt_bboxes_xyxy)
    if weight is None:
        return iou.mean()
    return (iou * weight).sum() / weight.sum().clamp(min=1)
