"""What the box heads share: their interface, and the losses on boxes."""

from abc import abstractmethod

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
        loss_iou: Config of the IoU loss on xyxy boxes.
        loss_bbox: Config of the L1 loss on normalised xyxy boxes.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        feat_channels: int,
        feat_size: int,
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
        self.token_grid = feat_size
        self.loss_iou = MODELS.build(loss_iou)
        self.loss_bbox = MODELS.build(loss_bbox)

    def init_weights(self) -> None:
        """Start convolutions Xavier-uniform."""
        for param in self.parameters():
            if param.dim() > 1:
                nn.init.xavier_uniform_(param)

    @abstractmethod
    def forward(self, feat: Tensor, fine: Tensor | None = None) -> Maps:
        """Compute the maps.

        Args:
            feat: (B, C, G, G) what the backbone knows, G being ``token_grid``.
            fine: (B, C', 2G, 2G) features of the backbone's stem, if it has any.
        """

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

    @abstractmethod
    def score_map(self, maps: Maps) -> Tensor:
        """How much each cell looks like the target, (B, F, F) in [0, 1].

        Args:
            maps: What :meth:`forward` returned.
        """

    @abstractmethod
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
            dict[str, Tensor]: Scalar losses by name, weighted as configured; those of
            :meth:`box_losses` are among them.
        """

    def box_losses(
        self,
        pred_bboxes_cxcywh_norm: Tensor,
        gt_bboxes_xyxy_norm: Tensor,
        weight: Tensor | None,
    ) -> dict[str, Tensor]:
        """``loss_iou`` and ``loss_bbox`` of (B, 4) boxes; see :meth:`loss_by_feat`."""
        gt_bboxes = gt_bboxes_xyxy_norm.clamp(0, 1)
        pred_bboxes = bbox_cxcywh_to_xyxy(pred_bboxes_cxcywh_norm)
        box_weight = None if weight is None else weight[:, None].expand(-1, 4)
        return dict(
            loss_iou=self.loss_iou(pred_bboxes, gt_bboxes, weight),
            loss_bbox=self.loss_bbox(pred_bboxes, gt_bboxes, box_weight),
        )


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
