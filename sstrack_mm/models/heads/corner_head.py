"""The corner head: the expected places of the target's two corners."""

import torch
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh
from mmtrack.registry import MODELS
from torch import Tensor

from sstrack_mm.models.heads.base_head import BaseBoxHead, Maps, conv_branch


@MODELS.register_module()
class CornerMapHead(BaseBoxHead):
    """Two corner distributions, decoded by their means (as in STARK).

    Args:
        in_channels: Channels C of the feature map.
        feat_size: Side F of the feature map, in cells.
        loss_iou: Config of the IoU loss on normalised xyxy boxes.
        loss_bbox: Config of the L1 loss on normalised xyxy boxes.
        feat_channels: Channels of the first hidden layer; each next one has half.
        norm_cfg: Config of the normalisation, ``BN`` or ``SyncBN``; default ``BN``.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        in_channels: int,
        feat_size: int,
        loss_iou: dict,
        loss_bbox: dict,
        feat_channels: int = 256,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(feat_channels, feat_size, loss_iou, loss_bbox, init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        self.top_left_branch = conv_branch(in_channels, feat_channels, 1, norm_cfg)
        self.bottom_right_branch = conv_branch(in_channels, feat_channels, 1, norm_cfg)
        centers = (torch.arange(feat_size) + 0.5) / feat_size
        self.register_buffer('centers', centers, persistent=False)

    def forward(self, feat: Tensor, fine: Tensor | None = None) -> Maps:
        """Compute the probability of each cell to hold each corner.

        Args:
            feat: (B, C, F, F).

        Returns:
            Maps: ``top_left_map`` and ``bottom_right_map``, (B, 1, F, F), each summing
            to 1.
        """
        return dict(
            top_left_map=_spatial_softmax(self.top_left_branch(feat)),
            bottom_right_map=_spatial_softmax(self.bottom_right_branch(feat)),
        )

    def predict_by_feat(
        self, maps: Maps, window: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`BaseBoxHead.predict_by_feat`.

        The mean of a distribution has no best cell, so the window is not used. The
        score is the geometric mean of the two highest probabilities.
        """
        del window
        corners = [
            self._expect(maps[key]) for key in ('top_left_map', 'bottom_right_map')
        ]
        peaks = [
            maps[key].flatten(1).amax(dim=1)
            for key in ('top_left_map', 'bottom_right_map')
        ]
        boxes_xyxy = torch.cat([torch.minimum(*corners), torch.maximum(*corners)], dim=1)
        return bbox_xyxy_to_cxcywh(boxes_xyxy), (peaks[0] * peaks[1]).sqrt()

    def score_map(self, maps: Maps) -> Tensor:
        """See :meth:`BaseBoxHead.score_map`: the mean of the two corners' maps."""
        return (maps['top_left_map'] + maps['bottom_right_map'])[:, 0] / 2

    def loss_by_feat(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See :meth:`BaseBoxHead.loss_by_feat`."""
        return self.box_losses(self.predict_by_feat(maps)[0], gt_bboxes_xyxy_norm, weight)

    def _expect(self, probability: Tensor) -> Tensor:
        """The (B, 2) mean x and y of (B, 1, F, F), over the search image's side."""
        x = (probability.sum(dim=(1, 2)) * self.centers).sum(dim=1)
        y = (probability.sum(dim=(1, 3)) * self.centers).sum(dim=1)
        return torch.stack([x, y], dim=1)


def _spatial_softmax(logits: Tensor) -> Tensor:
    return logits.float().flatten(2).softmax(dim=-1).view_as(logits)
