"""What the box heads share: losses and the choice of the best cell."""

from abc import abstractmethod
from typing import Any

from mmcv.cnn import ConvModule
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.model import BaseModule
from mmtrack.registry import MODELS
from torch import Tensor, nn

Maps = dict[str, Tensor]


class BaseBoxHead(BaseModule):
    """A head that turns the search feature map into one box per image.

    Args:
        feat_channels: Channels of the first hidden layer; each next one has half.
        feat_size: Side F of the feature map, in cells.
        stride: Side of a cell, in pixels of the search image.
        loss_iou: Config of the IoU loss on xyxy boxes.
        loss_bbox: Config of the L1 loss on normalised xyxy boxes.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        feat_channels: int,
        feat_size: int,
        stride: int,
        loss_iou: dict,
        loss_bbox: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if feat_channels % 8:
            raise ValueError(
                f'feat_channels must be a multiple of 8, but got {feat_channels}'
            )
        self.feat_size = feat_size
        self.stride = stride
        self.loss_iou = MODELS.build(loss_iou)
        self.loss_bbox = MODELS.build(loss_bbox)

    def init_weights(self) -> None:
        """Start convolutions Xavier-uniform."""
        for param in self.parameters():
            if param.dim() > 1:
                nn.init.xavier_uniform_(param)

    @abstractmethod
    def forward(self, feat: Tensor) -> Maps:
        """Compute the maps of a (B, C, F, F) feature map."""

    @abstractmethod
    def predict_by_feat(
        self, maps: Maps, window: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Decode one box per image.

        Args:
            maps: What :meth:`forward` returned.
            window: (F, F) weights of the score map, against jumps; None for none.

        Returns:
            tuple[Tensor, Tensor]: (B, 4) boxes, cx, cy, w, h divided by the side of the
            search image, and (B,) scores in [0, 1] without the window.
        """

    def loss_by_feat(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses against one true box per image.

        Args:
            maps: What :meth:`forward` returned.
            gt_bboxes_xyxy_norm: (B, 4) true boxes divided by the side of the search
                image; they may reach outside [0, 1].
            weight: (B,) 0 or 1, the images that count. None counts all.

        Returns:
            dict[str, Tensor]: Scalar losses by name, weighted as configured.
        """
        gt_bboxes = gt_bboxes_xyxy_norm.clamp(0, 1)
        pred_bboxes = bbox_cxcywh_to_xyxy(
            self._bboxes_to_train(maps, gt_bboxes_xyxy_norm)
        )
        losses = self._losses_by_map(maps, gt_bboxes_xyxy_norm, weight)
        losses['loss_iou'] = self.loss_iou(pred_bboxes, gt_bboxes, weight)
        box_weight = None if weight is None else weight[:, None].expand(-1, 4)
        losses['loss_bbox'] = self.loss_bbox(pred_bboxes, gt_bboxes, box_weight)
        return losses

    def _bboxes_to_train(self, maps: Maps, gt_bboxes_xyxy_norm: Tensor) -> Tensor:
        """The (B, 4) cxcywh norm boxes that the box losses compare with the true ones."""
        return self.predict_by_feat(maps)[0]

    def _losses_by_map(
        self, maps: Maps, gt_bboxes_xyxy_norm: Tensor, weight: Tensor | None
    ) -> dict[str, Any]:
        """Losses on the maps themselves; none unless a head has them."""
        return {}


def conv_branch(
    in_channels: int, feat_channels: int, out_channels: int, norm_cfg: dict
) -> nn.Sequential:
    """Four 3x3 convolutions of halving width, then a 1x1 one to the map.

    Args:
        in_channels: Channels of the feature map.
        feat_channels: Channels after the first convolution, a multiple of 8.
        out_channels: Channels of the map.
        norm_cfg: Config of the normalisation, ``BN`` or ``SyncBN``.
    """
    widths = [in_channels] + [feat_channels // 2**i for i in range(4)]
    convs = [
        ConvModule(cin, cout, 3, padding=1, bias=True, norm_cfg=norm_cfg)
        for cin, cout in zip(widths[:-1], widths[1:], strict=True)
    ]
    return nn.Sequential(*convs, nn.Conv2d(widths[-1], out_channels, 1))
