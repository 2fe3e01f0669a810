"""A head that believes all targets to be of one size: a score map alone."""

import torch
from mmtrack.registry import MODELS
from torch import Tensor

from sstrack_mm.models.heads.base_head import BaseBoxHead, Maps, conv_branch


@MODELS.register_module()
class FixedSizeHead(BaseBoxHead):
    """The mean place under a score map, and a box of a fixed size around it.

    Args:
        in_channels: Channels C of the feature map; the backbone's, unless given.
        feat_size: Side F of the feature map, in cells; the backbone's, unless given.
        loss_iou: Config of the IoU loss.
        loss_bbox: Config of the L1 loss.
        feat_channels: Channels of the first hidden layer.
        side: Side of the box over the side of the search image.
    """

    def __init__(
        self,
        in_channels: int,
        feat_size: int,
        loss_iou: dict,
        loss_bbox: dict,
        feat_channels: int = 64,
        side: float = 0.25,
    ) -> None:
        super().__init__(feat_channels, feat_size, loss_iou, loss_bbox)
        self.branch = conv_branch(in_channels, feat_channels, 1, dict(type='BN'))
        self.side = side

    def forward(self, feat: Tensor, fine: Tensor | None = None) -> Maps:
        """``score_map`` (B, 1, F, F), which sums to 1."""
        return dict(
            score_map=self.branch(feat).flatten(2).softmax(2).view_as(feat[:, :1])
        )

    def score_map(self, maps: Maps) -> Tensor:
        """(B, F, F), what is judged where a target may be lost."""
        return maps['score_map'][:, 0]

    def predict_by_feat(
        self, maps: Maps, window: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, 4) cxcywh norm boxes and (B,) scores; a mean needs no window."""
        scores = maps['score_map'][:, 0]
        cells = (
            torch.arange(self.feat_size, device=scores.device) + 0.5
        ) / self.feat_size
        center = torch.stack(
            [(scores.sum(1) * cells).sum(1), (scores.sum(2) * cells).sum(1)], 1
        )
        boxes = torch.cat([center, torch.full_like(center, self.side)], dim=1)
        return boxes, scores.flatten(1).amax(dim=1)

    def loss_by_feat(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The losses on the box alone."""
        return self.box_losses(self.predict_by_feat(maps)[0], gt_bboxes_xyxy_norm, weight)
