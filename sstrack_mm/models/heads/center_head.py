"""The centre head: where the target's centre is, and how large the target."""

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmtrack.registry import MODELS
from torch import Tensor, nn

from sstrack_mm.models.heads.base_head import BaseBoxHead, Maps, conv_branch

_EPS = 1e-4  # keeps the logarithms of the focal loss finite
_MIN_OVERLAP = 0.7  # of a box moved by the radius of its Gaussian


@MODELS.register_module()
class CenterMapHead(BaseBoxHead):
    """Score, size and offset maps, decoded at the best cell of the score map.

    Args:
        in_channels: Channels C of the feature map.
        feat_size: Side of the feature map, in cells: F, or with ``fine_channels`` F/2.
        loss_score: Config of the focal loss on the score map.
        loss_iou: Config of the IoU loss on normalised xyxy boxes.
        loss_bbox: Config of the L1 loss on normalised xyxy boxes.
        feat_channels: Channels of the first hidden layer; each next one has half.
        norm_cfg: Config of the normalisation, ``BN`` or ``SyncBN``; default ``BN``.
        box_cell: The cell whose box the box losses see: ``'best'``, that of the highest
            score, as in tracking, or ``'true'``, that of the true centre, which a
            network without start weights learns from long before it finds the target.
        score_prior: The score every cell starts with, so that a network without start
            weights is not busy with lowering them first; None leaves the bias at 0.
        fine_channels: Channels of the backbone stem's features, which then join the
            feature map at twice its resolution; 0 for none.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        in_channels: int,
        feat_size: int,
        loss_score: dict,
        loss_iou: dict,
        loss_bbox: dict,
        feat_channels: int = 256,
        norm_cfg: dict | None = None,
        box_cell: str = 'best',
        score_prior: float | None = None,
        fine_channels: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(feat_channels, feat_size, loss_iou, loss_bbox, init_cfg)
        self.loss_score = MODELS.build(loss_score)
        if score_prior is not None and not 0 < score_prior < 1:
            raise ValueError(f'score_prior must be in (0, 1), but got {score_prior}')
        if box_cell not in ('best', 'true'):
            raise ValueError(f"box_cell must be 'best' or 'true', but got {box_cell!r}")
        self.box_cell = box_cell
        self.score_prior = score_prior
        norm_cfg = norm_cfg or dict(type='BN')
        self.refine = None
        if fine_channels:
            self.feat_size = 2 * feat_size
            self.refine = Refine(in_channels, fine_channels, feat_channels)
            in_channels = feat_channels
        self.score_branch = conv_branch(in_channels, feat_channels, 1, norm_cfg)
        self.size_branch = conv_branch(in_channels, feat_channels, 2, norm_cfg)
        self.offset_branch = conv_branch(in_channels, feat_channels, 2, norm_cfg)

    def init_weights(self) -> None:
        """Start convolutions Xavier-uniform, and scores at ``score_prior``."""
        super().init_weights()
        if self.score_prior is not None:
            nn.init.constant_(
                self.score_branch[-1].get_parameter('bias'),
                math.log(self.score_prior / (1 - self.score_prior)),
            )

    def forward(self, feat: Tensor, fine: Tensor | None = None) -> Maps:
        """Compute the maps.

        Args:
            feat: (B, C, F, F), or with ``fine_channels`` (B, C, F/2, F/2).
            fine: (B, fine_channels, F, F); not looked at without ``fine_channels``.

        Returns:
            Maps: ``score_map`` (B, 1, F, F) in (0, 1), ``size_map`` (B, 2, F, F), w
            and h over the search image's side, and ``offset_map`` (B, 2, F, F), x and
            y from the cell's corner to the centre, in cells.
        """
        if self.refine is not None:
            feat = self.refine(feat, fine)
        score = self.score_branch(feat).float().sigmoid()
        size = self.size_branch(feat).float().sigmoid()
        return dict(
            score_map=score.clamp(_EPS, 1 - _EPS),
            size_map=size.clamp(_EPS, 1 - _EPS),
            offset_map=self.offset_branch(feat).float(),
        )

    def predict_by_feat(
        self, maps: Maps, window: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`BaseBoxHead.predict_by_feat`."""
        best = self._best_cell(maps, window)
        scores = maps['score_map'].flatten(1).gather(1, best[:, None])[:, 0]
        return self._decode(maps, best), scores

    def score_map(self, maps: Maps) -> Tensor:
        """See :meth:`BaseBoxHead.score_map`."""
        return maps['score_map'][:, 0]

    @staticmethod
    def _best_cell(maps: Maps, window: Tensor | None = None) -> Tensor:
        """(B,) the cell with the highest score of each image."""
        ranking = maps['score_map']
        if window is not None:
            ranking = ranking * window
        return ranking.flatten(1).argmax(dim=1)

    def _decode(self, maps: Maps, cell: Tensor) -> Tensor:
        """Read the (B, 4) cxcywh norm boxes at one cell (B,) of each image."""
        index = cell[:, None, None].expand(-1, 2, -1)
        size = maps['size_map'].flatten(2).gather(2, index)[..., 0]
        offset = maps['offset_map'].flatten(2).gather(2, index)[..., 0]
        corner = torch.stack([cell % self.feat_size, cell // self.feat_size], dim=1)
        return torch.cat([(corner + offset) / self.feat_size, size], dim=1)

    def loss_by_feat(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See :meth:`BaseBoxHead.loss_by_feat`."""
        if self.box_cell == 'best':
            cell = self._best_cell(maps)
        else:
            last = self.feat_size - 1
            places = self._true_cell(gt_bboxes_xyxy_norm).long().clamp(0, last)
            cell = places[:, 1] * self.feat_size + places[:, 0]
        pred_bboxes = self._decode(maps, cell)
        return dict(
            loss_score=self._score_loss(maps, gt_bboxes_xyxy_norm, weight),
            **self.box_losses(pred_bboxes, gt_bboxes_xyxy_norm, weight),
        )

    def _true_cell(self, gt_bboxes_xyxy_norm: Tensor) -> Tensor:
        """(B, 2) column and row of the true centres, whole floats."""
        corners = gt_bboxes_xyxy_norm * self.feat_size
        return torch.round((corners[:, :2] + corners[:, 2:]) * 0.5)  # half to even

    def get_targets(self, gt_bboxes_xyxy_norm: Tensor) -> Tensor:
        """Draw one Gaussian per image around the true centre.

        Args:
            gt_bboxes_xyxy_norm: (B, 4).

        Returns:
            Tensor: (B, 1, F, F), 1 at the cell of the centre. A centre outside the map
            leaves no 1.
        """
        boxes = gt_bboxes_xyxy_norm * self.feat_size
        width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
        center = self._true_cell(gt_bboxes_xyxy_norm)
        radius = gaussian_radius(width, height, _MIN_OVERLAP)
        cells = torch.arange(self.feat_size, device=boxes.device)
        distance = cells - center[..., None]  # (B, 2, F)
        inside = distance.abs() <= radius[:, None, None]
        sigma = (2 * radius + 1)[:, None, None] / 6
        profile = torch.exp(-(distance**2) / (2 * sigma**2)) * inside
        return (profile[:, 1, :, None] * profile[:, 0, None, :])[:, None]

    def _score_loss(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None
    ) -> Tensor:
        """The focal loss, over the number of peaks on all ranks."""
        targets = self.get_targets(gt_bboxes_xyxy_norm)
        peaks = targets.eq(1)
        if weight is not None:
            weight = weight[:, None, None, None].expand_as(targets)
            peaks = peaks & (weight > 0)
        num_peaks = peaks.sum().float()
        if get_world_size() > 1:
            all_reduce(num_peaks, 'mean')
        # Of several ranks the mean may lie between 0 and 1.
        num_peaks = torch.where(num_peaks > 0, num_peaks, torch.ones_like(num_peaks))
        return self.loss_score(
            maps['score_map'], targets, weight=weight, avg_factor=num_peaks
        )


class Refine(nn.Module):
    """Brings a feature map to twice its resolution, with the stem's help.

    Args:
        in_channels: Channels C of the feature map.
        fine_channels: Channels C' of the stem's features.
        out_channels: Channels of the result.
    """

    def __init__(self, in_channels: int, fine_channels: int, out_channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_channels, 4 * out_channels, 1)
        self.lateral = nn.Conv2d(fine_channels, out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, feat: Tensor, fine: Tensor) -> Tensor:
        """(B, C, G, G) and (B, C', 2G, 2G) to (B, out_channels, 2G, 2G)."""
        feat = F.pixel_shuffle(self.expand(feat), 2)
        return F.relu(self.norm(feat + self.lateral(fine)))


def gaussian_radius(width: Tensor, height: Tensor, min_overlap: float) -> Tensor:
    """CornerNet's radius, with its three original roots (https://arxiv.org/abs/1808.01244).

    Args:
        width: (B,) in cells.
        height: (B,) in cells.
        min_overlap: IoU that a box moved by the radius still has.

    Returns:
        Tensor: (B,) whole, at least 0.
    """
    total, area = width + height, width * height
    quadratics = (
        (torch.ones_like(total), total, area * (1 - min_overlap) / (1 + min_overlap)),
        (torch.full_like(total, 4.0), 2 * total, (1 - min_overlap) * area),
        (
            torch.full_like(total, 4 * min_overlap),
            -2 * min_overlap * total,
            (min_overlap - 1) * area,
        ),
    )
    roots = [
        (b + torch.sqrt((b**2 - 4 * a * c).clamp(min=0))) / 2 for a, b, c in quadratics
    ]
    return torch.stack(roots).amin(dim=0).trunc().clamp(min=0)
