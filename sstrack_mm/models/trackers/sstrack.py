"""SSTrack: track forward to where there is no label, then back to where there is one."""

import itertools
from typing import Any

import torch
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh
from mmtrack.registry import MODELS
from mmtrack.structures import TrackDataSample
from torch import Tensor, nn

from sstrack_mm.errors import ConfigurationError, LossError
from sstrack_mm.models.backbones.pretrained import start_weights_missing
from sstrack_mm.models.lora import (
    freeze_statistics,
    insert_adapters,
    reset_adapters,
)
from sstrack_mm.models.trackers.functional import (
    locate,
    mean_iou,
    overlaps,
    pool_box,
    pseudo_boxes,
)
from sstrack_mm.models.trackers.one_stream import OneStreamTracker
from sstrack_mm.structures.batched_crop import crop_targets
from sstrack_mm.tracking.settings import check_keys

Losses = dict[str, Tensor]

TRAIN_CFG: dict[str, Any] = dict(
    resize='opencv',
    forward_loss_weight=0.0,
    known_memory=False,
    keep_template=False,
    cycle_weight=0.0,
)


@MODELS.register_module()
class SSTrack(OneStreamTracker):
    """The self-supervised tracker (AAAI 2025).

    Trained on clips with one labelled frame it tracks forward, without a gradient,
    through frames without labels, cuts its own predictions out as templates, and with
    those has to find the target in jittered views of the labelled frame. Trained on
    clips without a forward part (``template`` and ``grounding`` only) it is the
    supervised ODTrack.

    Args:
        backbone: Config of the backbone.
        head: Config of the box head.
        loss_contrastive: Config of the instance contrastive loss; None for none.
        data_preprocessor: Config of the preprocessor.
        train_cfg: ``resize`` of the memory crops (see
            :func:`~sstrack_mm.structures.batched_crop.crop_targets`).
            ``forward_loss_weight``: weight of the box losses on the forward frames of
            synthesised clips, whose boxes are known for free, so that training can
            start from random weights. 0 takes none, and then the forward part needs no
            gradient. ``known_memory``: cut the memory crops of synthesised clips at
            their known boxes instead of the predicted ones. ``keep_template``: the
            template of the labelled frame joins the memory on the way back, as it does
            in tracking. ``cycle_weight``: how far a first box is distrusted that is not
            found again on the way back: the losses of a view count
            ``1 - cycle_weight * (1 - overlap)``, but for synthesised clips.
        test_cfg: As :class:`OneStreamTracker`. Its ``template_factor`` and
            ``shade_context`` are those of the memory crops, too.
        lora: ``rank`` of adapters in the backbone, of which then nothing else learns
            (:mod:`sstrack_mm.models.lora`); the weights to start from are to be loaded.
            None for none.
        init_cfg: As mmengine's BaseModule.

    Raises:
        DataError: ``lora`` has another key or value, or the backbone has start weights
            besides.
        RequirementError: ``lora`` needs peft, which is not installed.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        loss_contrastive: dict | None = None,
        data_preprocessor: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        lora: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(backbone, head, data_preprocessor, test_cfg, init_cfg)
        self.lora = lora
        if lora is not None:
            if backbone.get('init_cfg') is not None:
                raise ConfigurationError(
                    'model.lora adapts a trained tracker, whose weights are load_from: '
                    f'set model.backbone.init_cfg=None, not {backbone["init_cfg"]}'
                )
            insert_adapters(self.backbone, lora)
        self.loss_contrastive = (
            None if loss_contrastive is None else MODELS.build(loss_contrastive)
        )
        check_keys('train_cfg', train_cfg or {}, TRAIN_CFG)
        self.train_cfg = TRAIN_CFG | dict(train_cfg or {})
        if not 0 <= self.train_cfg['cycle_weight'] < 1:
            raise ValueError(
                'train_cfg.cycle_weight must be in [0, 1), but got '
                f'{self.train_cfg["cycle_weight"]}'
            )

    def init_weights(self) -> None:
        """As the base class; adapters begin by changing nothing."""
        super().init_weights()
        if self.lora is not None:
            reset_adapters(self.backbone)
            self.backbone.missing_checkpoint = 'load_from'

    def train(self, mode: bool = True) -> 'SSTrack':
        """As torch's; beside adapters the backbone's statistics stay fixed."""
        super().train(mode)
        if self.lora is not None:
            freeze_statistics(self.backbone)
        return self

    def loss(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[TrackDataSample] | None = None,
        **kwargs,
    ) -> Losses:
        """Losses of a batch of clips.

        Args:
            inputs: As the preprocessor returns them: ``template`` (B, T, 3, h, w),
                ``grounding`` (B, V, 3, H, W) with ``grounding_bboxes`` (B, V, 4) xyxy
                norm, and of self-supervised clips ``search`` (B, S, 3, H, W),
                ``frames`` (B, S, 3, Hi, Wi) uint8, ``image_wh`` (B, 2),
                ``search_bboxes`` (B, S, 4) xyxy norm and ``search_known`` (B, S).
            data_samples: Not used.

        Returns:
            Losses: Scalar losses summed over the views, and mean overlaps to log.

        Raises:
            FileNotFoundError: The configured start weights were never loaded.
            ConfigurationError: There are adapters, and no weights were ever loaded.
            ValueError: The crops are not of the sizes of the backbone.
            LossError: The network predicts boxes that are not finite.
        """
        self._check_start_weights()
        self._check_sizes(inputs)
        templates, query = inputs['template'], None
        losses: Losses = {}
        if 'search' in inputs:
            templates, query, losses = self._track_forward(inputs)
        return losses | self._track_backward(templates, query, inputs)

    def _check_sizes(self, inputs: dict[str, Tensor]) -> None:
        for name, key in (('template', 'template_size'), ('grounding', 'search_size')):
            given, expected = inputs[name].shape[-1], getattr(self, key)
            if given != expected:
                raise ValueError(
                    f'the {name} crops have {given} pixels a side, but '
                    f'model.backbone.{key} is {expected}: give CropClip, in the training '
                    f'pipeline, the same {key}'
                )

    def _check_start_weights(self) -> None:
        missing = self.backbone.missing_checkpoint
        if missing is not None and self.lora is not None:
            raise ConfigurationError(
                f'model.lora={dict(self.lora)} adapts a trained tracker, but no weights '
                'were loaded: give them as load_from=CHECKPOINT'
            )
        if missing is not None:
            raise start_weights_missing(missing)

    def _track_forward(
        self, inputs: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor | None, Losses]:
        """Track through the unlabelled frames and cut the predictions out.

        Returns:
            tuple[Tensor, Tensor, Losses]: (B, S, 3, h, w) memory templates, the
            (B, 1, C) track query, and the optional losses on synthesised clips.
        """
        supervise = self.train_cfg['forward_loss_weight'] > 0
        query, crops, steps = None, [], []
        for frame in range(inputs['search'].shape[1]):
            with torch.set_grad_enabled(supervise):
                maps, output = locate(
                    self.backbone,
                    self.head,
                    inputs['template'],
                    inputs['search'][:, frame],
                    query,
                )
            query = output.query.detach()
            pred_bboxes = self.head.predict_by_feat(maps)[0].detach()
            gt_bboxes = inputs['search_bboxes'][:, frame]
            known = inputs['search_known'][:, frame]
            crops.append(self._cut_memory(inputs, frame, pred_bboxes, gt_bboxes, known))
            step = dict(iou_forward=mean_iou(pred_bboxes, gt_bboxes, known))
            if supervise:
                step_losses = self.head.loss_by_feat(maps, gt_bboxes, known)
                step['loss_forward'] = self.train_cfg['forward_loss_weight'] * sum(
                    step_losses.values()
                )
            steps.append(step)
        templates, _ = self.data_preprocessor.prepare_crops(
            torch.stack(crops, dim=1), self.training
        )
        if self.train_cfg['keep_template']:
            templates = torch.cat([inputs['template'], templates], dim=1)
        return (
            templates,
            query,
            {key: torch.stack([step[key] for step in steps]).mean() for key in steps[0]},
        )

    def _cut_memory(
        self,
        inputs: dict[str, Tensor],
        frame: int,
        pred_bboxes: Tensor,
        gt_bboxes: Tensor,
        known: Tensor,
    ) -> Tensor:
        """Cut the (B, 3, h, w) uint8 predictions out of the full-resolution frames."""
        _check_finite(pred_bboxes)
        if self.train_cfg['known_memory']:
            pred_bboxes = torch.where(
                known[:, None] > 0, bbox_xyxy_to_cxcywh(gt_bboxes), pred_bboxes
            )
        bboxes_xywh = pseudo_boxes(pred_bboxes, inputs['image_wh'], self.search_size)
        return crop_targets(
            inputs['frames'][:, frame],
            inputs['image_wh'],
            bboxes_xywh,
            self.settings.template_factor,
            self.template_size,
            self.train_cfg['resize'],
            self.settings.shade_context,
        )

    def _track_backward(
        self, templates: Tensor, query: Tensor | None, inputs: dict[str, Tensor]
    ) -> Losses:
        """Find the target in the views whose boxes are known."""
        views, features = [], []
        for view, gt_bboxes in zip(
            inputs['grounding'].unbind(1),
            inputs['grounding_bboxes'].unbind(1),
            strict=True,
        ):
            maps, output = locate(self.backbone, self.head, templates, view, query)
            query = output.query.detach()
            pred_bboxes = self.head.predict_by_feat(maps)[0].detach()
            weight = self._trust(pred_bboxes, gt_bboxes, inputs.get('search_known'))
            losses = self.head.loss_by_feat(maps, gt_bboxes, weight)
            losses['iou_grounding'] = mean_iou(pred_bboxes, gt_bboxes) / len(
                inputs['grounding'][0]
            )
            views.append(losses)
            features.append(pool_box(output, pred_bboxes))
        losses = {key: sum(view[key] for view in views) for key in views[0]}
        if self.loss_contrastive is not None:
            losses['loss_contrastive'] = _contrast(self.loss_contrastive, features)
        return losses

    def _trust(
        self, pred_bboxes: Tensor, gt_bboxes: Tensor, known: Tensor | None
    ) -> Tensor | None:
        """(B,) weights of the clips, see ``cycle_weight``; None for all alike.

        Args:
            pred_bboxes: (B, 4) cxcywh norm.
            gt_bboxes: (B, 4) xyxy norm.
            known: (B, S), 1 for synthesised clips, whose first box is true for certain.
        """
        distrust = self.train_cfg['cycle_weight']
        if distrust == 0 or known is None:
            return None
        weight = 1 - distrust * (1 - overlaps(pred_bboxes, gt_bboxes))
        return torch.where(known[:, 0] > 0, 1.0, weight)


def _check_finite(pred_bboxes: Tensor) -> None:
    """Raise LossError where boxes on the CPU are not finite.

    On other devices a look would wait for them; there the loss is not finite either, at
    which :class:`~sstrack_mm.engine.hooks.LossGuardHook` looks anyway.
    """
    if pred_bboxes.device.type == 'cpu' and not pred_bboxes.isfinite().all():
        raise LossError(
            'training diverged: the network predicts boxes that are not finite '
            f'(cxcywh {pred_bboxes.tolist()}). {LossError.remedy}'
        )


def _contrast(loss: nn.Module, features: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The contrastive loss, a mean over the pairs of views.

    Args:
        loss: Of two views.
        features: Of each view, what :func:`pool_box` returned.
    """
    pairs = list(itertools.combinations(features, 2))
    if not pairs:
        raise ValueError(
            'loss_contrastive compares the views of a clip, but there is one: set '
            'num_views=2 (or more) in the training pipeline, or '
            'model.loss_contrastive=None'
        )
    losses = [
        loss(view0, view1, valid0 & valid1) for (view0, valid0), (view1, valid1) in pairs
    ]
    return sum(losses) / len(losses)
