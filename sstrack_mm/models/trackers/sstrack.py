"""SSTrack: track forward to where there is no label, then back to where there is one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from addict import Dict as AddictDict
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh
from mmengine.structures import InstanceData
from mmtrack.models.sot.base import BaseSingleObjectTracker
from mmtrack.registry import MODELS
from mmtrack.structures import TrackDataSample
from mmtrack.structures.bbox import quad2bbox_cxcywh
from torch import Tensor

from sstrack_mm.errors import DataError
from sstrack_mm.models.backbones import ViTOutput
from sstrack_mm.models.trackers.functional import (
    hann_window,
    known_boxes,
    mean_iou,
    pool_box,
    pseudo_boxes,
)
from sstrack_mm.models.trackers.memory import TemplateMemory
from sstrack_mm.structures.crop import (
    box_from_crop,
    clip_to_image,
    crop_target,
    crop_targets,
)

Losses = dict[str, Tensor]

TRAIN_CFG: dict[str, Any] = dict(
    template_factor=2.0,
    resize='opencv',
    forward_loss_weight=0.0,
    known_memory=False,
    keep_template=False,
)
TEST_CFG: dict[str, Any] = dict(
    template_factor=2.0, search_factor=4.0, memory_size=3, test_mode='OPE'
)


@dataclass
class TrackState:
    """All that tracking one target of one video needs from the past.

    Attributes:
        bbox_xywh: (4,) float64 last box, in image pixels.
        memory: The template crops.
        query: (1, 1, C) track query of the last frame; None before the first one.
        frame_id: Number of the last frame, from 0.
    """

    bbox_xywh: np.ndarray
    memory: TemplateMemory
    query: Tensor | None = None
    frame_id: int = 0


@MODELS.register_module()
class SSTrack(BaseSingleObjectTracker):
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
        train_cfg: ``template_factor`` and ``resize`` of the memory crops (see
            :func:`~sstrack_mm.structures.crop.crop_targets`), and
            ``forward_loss_weight``: weight of the box losses on the forward frames of
            synthesised clips, whose boxes are known for free, so that training can
            start from random weights. 0 takes none, and then the forward part needs no
            gradient. ``known_memory``: cut the memory crops of synthesised clips at
            their known boxes instead of the predicted ones. ``keep_template``: the
            template of the labelled frame joins the memory on the way back, as it does
            in tracking.
        test_cfg: ``template_factor`` and ``search_factor`` of the crops,
            ``memory_size``, and ``test_mode``, ``'OPE'`` or ``'VOT'``.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        loss_contrastive: dict | None = None,
        data_preprocessor: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here, since mmengine would look for it in its default scope alone.
        super().__init__(
            MODELS.build(data_preprocessor or dict(type='SSTrackDataPreprocessor')),
            init_cfg,
        )
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.loss_contrastive = (
            None if loss_contrastive is None else MODELS.build(loss_contrastive)
        )
        self.template_size = backbone['template_size']
        self.search_size = backbone['search_size']
        self.train_cfg = TRAIN_CFG | dict(train_cfg or {})
        self.test_cfg = TEST_CFG | dict(test_cfg or {})
        for name, given, known in (
            ('train_cfg', self.train_cfg, TRAIN_CFG),
            ('test_cfg', self.test_cfg, TEST_CFG),
        ):
            if set(given) != set(known):
                raise ValueError(
                    f'{name} has no key {sorted(set(given) - set(known))}; '
                    f'it has {sorted(known)}'
                )
        if self.head.feat_size != self.backbone.search_grid:
            raise ValueError(
                f'head.feat_size ({self.head.feat_size}) must be the side of the '
                f"backbone's search grid ({self.backbone.search_grid})"
            )
        self.register_buffer('window', hann_window(self.head.feat_size), persistent=False)

    def init_weights(self) -> None:
        """Start the backbone and the head, each in its own way."""
        self.backbone.init_weights()
        self.head.init_weights()

    # --- training ---------------------------------------------------------------

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample], **kwargs
    ) -> Losses:
        """Losses of a batch of clips.

        Args:
            inputs: As the preprocessor returns them: ``template`` (B, T, 3, h, w),
                ``grounding`` (B, V, 3, H, W) with ``grounding_bboxes`` (B, V, 4) xyxy
                norm, and of self-supervised clips ``search`` (B, S, 3, H, W),
                ``frames`` (B, S, 3, Hi, Wi) uint8 and ``image_wh`` (B, 2).
            data_samples: Of each clip, its identity and, if it is a synthesised one,
                ``search_instances.bboxes`` (S, 4) xyxy norm.

        Returns:
            Losses: Scalar losses summed over the views, and mean overlaps to log.

        Raises:
            FileNotFoundError: The configured start weights were never loaded.
        """
        self._check_start_weights()
        templates, query = inputs['template'], None
        losses: Losses = {}
        if 'search' in inputs:
            templates, query, losses = self._track_forward(inputs, data_samples)
        return losses | self._track_backward(templates, query, inputs)

    def _check_start_weights(self) -> None:
        missing = self.backbone.missing_checkpoint
        if missing is not None:
            raise FileNotFoundError(
                f'start weights {missing} not found. Put the file there, name another '
                'one with model.backbone.init_cfg.checkpoint=PATH, or train from random '
                'weights with model.backbone.init_cfg=None'
            )

    def _track_forward(
        self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]
    ) -> tuple[Tensor, Tensor, Losses]:
        """Track through the unlabelled frames and cut the predictions out.

        Returns:
            tuple[Tensor, Tensor, Losses]: (B, S, 3, h, w) memory templates, the
            (B, 1, C) track query, and the optional losses on synthesised clips.
        """
        known = known_boxes(inputs['search'], data_samples)  # (B, S, 5)
        supervise = self.train_cfg['forward_loss_weight'] > 0
        query, crops, steps = None, [], []
        for frame in range(inputs['search'].shape[1]):
            with torch.set_grad_enabled(supervise):
                maps, output = self._locate(
                    inputs['template'], inputs['search'][:, frame], query
                )
            query = output.query.detach()
            pred_bboxes = self.head.predict_by_feat(maps)[0].detach()
            gt_bboxes, weight = known[:, frame, :4], known[:, frame, 4]
            crops.append(self._cut_memory(inputs, frame, pred_bboxes, gt_bboxes, weight))
            step = dict(iou_forward=mean_iou(pred_bboxes, gt_bboxes, weight))
            if supervise:
                step_losses = self.head.loss_by_feat(maps, gt_bboxes, weight)
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
        if self.train_cfg['known_memory']:
            pred_bboxes = torch.where(
                known[:, None] > 0, bbox_xyxy_to_cxcywh(gt_bboxes), pred_bboxes
            )
        bboxes_xywh = pseudo_boxes(pred_bboxes, inputs['image_wh'], self.search_size)
        return crop_targets(
            inputs['frames'][:, frame],
            inputs['image_wh'],
            bboxes_xywh,
            self.train_cfg['template_factor'],
            self.template_size,
            self.train_cfg['resize'],
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
            maps, output = self._locate(templates, view, query)
            query = output.query.detach()
            pred_bboxes = self.head.predict_by_feat(maps)[0].detach()
            losses = self.head.loss_by_feat(maps, gt_bboxes)
            losses['iou_grounding'] = mean_iou(pred_bboxes, gt_bboxes) / len(
                inputs['grounding'][0]
            )
            views.append(losses)
            features.append(pool_box(output, pred_bboxes))
        losses = {key: sum(view[key] for view in views) for key in views[0]}
        if self.loss_contrastive is not None:
            (view0, valid0), (view1, valid1) = features
            losses['loss_contrastive'] = self.loss_contrastive(
                view0, view1, valid0 & valid1
            )
        return losses

    def _locate(
        self, templates: Tensor, search: Tensor, query: Tensor | None
    ) -> tuple[dict[str, Tensor], ViTOutput]:
        """One pass: the head's maps and the backbone's output."""
        output = self.backbone(templates, search, query)
        tokens = output.search_tokens
        feat = tokens * (tokens @ output.query.transpose(1, 2))
        grid = self.head.feat_size
        return self.head(feat.transpose(1, 2).unflatten(2, (grid, grid))), output

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list | None = None, **kwargs
    ) -> dict[str, Tensor]:
        """The head's maps of ``template`` (B, T, 3, h, w) and ``search`` (B, 3, H, W)."""
        return self._locate(inputs['template'], inputs['search'], inputs.get('query'))[0]

    # --- tracking ---------------------------------------------------------------

    def init_state(self, image: np.ndarray, bbox_xywh: np.ndarray) -> TrackState:
        """Start to track a target.

        Args:
            image: (H, W, 3) uint8 RGB, the first frame.
            bbox_xywh: (4,) the target's box in image pixels.

        Returns:
            TrackState: To hand to :meth:`track_step` with the next frame.

        Raises:
            ValueError: The image is not (H, W, 3) uint8.
            DataError: The box has no area inside the image.
        """
        _check_image(image)
        bbox_xywh = np.asarray(bbox_xywh, float)
        height, width = image.shape[:2]
        x, y, w, h = bbox_xywh
        if not (w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0):
            raise DataError(
                f'the first box xywh=({x:g}, {y:g}, {w:g}, {h:g}) has no area '
                f'inside the {width}x{height} image'
            )
        memory = TemplateMemory(self.test_cfg['memory_size'])
        memory.add(0, self._cut_template(image, bbox_xywh))
        return TrackState(bbox_xywh, memory)

    @torch.no_grad()
    def track_step(
        self, image: np.ndarray, state: TrackState
    ) -> tuple[TrackState, float]:
        """Track the target into the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            state: Of the frame before. Its memory passes on to the new state, so it
                must not be used again.

        Returns:
            tuple[TrackState, float]: The new state, whose ``bbox_xywh`` is the result,
            and the score in [0, 1].
        """
        _check_image(image)
        frame_id = state.frame_id + 1
        crop, resize_factor = crop_target(
            image, state.bbox_xywh, self.test_cfg['search_factor'], self.search_size
        )
        normalize = self.data_preprocessor.normalize
        maps, output = self._locate(
            normalize(state.memory.templates(frame_id))[None],
            normalize(self._to_device(crop))[None],
            state.query,
        )
        bboxes, scores = self.head.predict_by_feat(maps, self.window)
        # One transfer, so one synchronisation, brings the box and its score back.
        *bbox, score = torch.cat([bboxes[0], scores]).tolist()
        bbox_xywh = clip_to_image(
            box_from_crop(bbox, state.bbox_xywh, resize_factor, self.search_size),
            (image.shape[1], image.shape[0]),
        )
        state.memory.add(frame_id, self._cut_template(image, bbox_xywh))
        return TrackState(bbox_xywh, state.memory, output.query, frame_id), score

    def _cut_template(self, image: np.ndarray, bbox_xywh: np.ndarray) -> Tensor:
        crop, _ = crop_target(
            image, bbox_xywh, self.test_cfg['template_factor'], self.template_size
        )
        return self._to_device(crop)

    def _to_device(self, crop: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 array to a (3, H, W) uint8 tensor on the model's device."""
        return torch.from_numpy(crop).to(self.window.device).permute(2, 0, 1)

    # --- mmtrack's interface ------------------------------------------------------

    def predict_ope(
        self, inputs: dict[str, Tensor], data_samples: list[TrackDataSample]
    ) -> list[InstanceData]:
        """Track one frame; frame 0 starts a new video from its true box.

        Args:
            inputs: ``img`` (1, 1, 3, H, W), BGR in [0, 255].
            data_samples: One sample with ``frame_id``; in frame 0 also with
                ``gt_instances.bboxes``, xyxy or a polygon of 8 numbers.

        Returns:
            list[InstanceData]: ``bboxes`` (1, 4) xyxy and ``scores`` (1,), which is 1
            in frame 0.
        """
        image, sample = inputs['img'][0], data_samples[0]
        if sample.metainfo['frame_id'] == 0:
            self.memo = AddictDict(
                frame_id=0, bbox=quad2bbox_cxcywh(sample.gt_instances['bboxes'])
            )
            self.init(image)
            return [self._to_instances(self.memo.state, 1.0)]
        return self.track(image, data_samples)

    def init(self, img: Tensor) -> None:
        """Start a video from ``self.memo.bbox`` (cxcywh) in a (1, 3, H, W) BGR frame."""
        cx, cy, w, h = self.memo.bbox.flatten().tolist()
        self.memo.state = self.init_state(
            _to_rgb_array(img), np.array([cx - w / 2, cy - h / 2, w, h])
        )

    def track(
        self, img: Tensor, data_samples: list[TrackDataSample]
    ) -> list[InstanceData]:
        """Track into the next (1, 3, H, W) BGR frame of the video begun by ``init``."""
        self.memo.state, score = self.track_step(_to_rgb_array(img), self.memo.state)
        return [self._to_instances(self.memo.state, score)]

    def _to_instances(self, state: TrackState, score: float) -> InstanceData:
        x, y, w, h = state.bbox_xywh
        bboxes = self.window.new_tensor([[x, y, x + w, y + h]])
        return InstanceData(bboxes=bboxes, scores=self.window.new_tensor([score]))


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            'a frame must be an (H, W, 3) uint8 RGB array, but got shape '
            f'{image.shape} of {image.dtype}'
        )


def _to_rgb_array(img: Tensor) -> np.ndarray:
    """(1, 3, H, W) BGR tensor to an (H, W, 3) uint8 RGB array."""
    rgb = img[0].flip(0).permute(1, 2, 0).round().clamp(0, 255)
    return np.ascontiguousarray(rgb.to(torch.uint8).cpu().numpy())
