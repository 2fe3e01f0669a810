"""A joint backbone with a box head, and how it tracks: online, one frame at a time."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from addict import Dict as AddictDict
from mmengine.structures import InstanceData
from mmtrack.models.sot.base import BaseSingleObjectTracker
from mmtrack.registry import MODELS
from mmtrack.structures import TrackDataSample
from mmtrack.structures.bbox import quad2bbox_cxcywh
from torch import Tensor

from sstrack_mm.models.trackers.functional import locate
from sstrack_mm.models.trackers.track_step import (
    DTYPES,
    CompiledStep,
    TrackState,
    TrackStep,
)
from sstrack_mm.structures.batched_crop import crop_targets, move_to
from sstrack_mm.structures.crop import (
    check_first_box,
    check_image,
    target_window,
    update_box,
)
from sstrack_mm.structures.memory import TemplateMemory, num_steady_templates

TEST_CFG: dict[str, Any] = dict(
    template_factor=2.0,
    search_factor=4.0,
    memory_size=3,
    memory_budget=None,
    size_lr=1.0,
    dtype='float32',
    compile=False,
    test_mode='OPE',
)


class OneStreamTracker(BaseSingleObjectTracker):
    """Tracks with templates from the past, a track query and a window on the score map.

    Args:
        backbone: Config of the backbone.
        head: Config of the box head; ``in_channels`` and ``feat_size`` are those of the
            backbone.
        data_preprocessor: Config of the preprocessor.
        test_cfg: ``template_factor`` and ``search_factor`` of the crops;
            ``memory_size`` and ``memory_budget``, see
            :class:`~sstrack_mm.structures.memory.TemplateMemory`; ``size_lr``, how
            much of a predicted change of size is believed, see
            :func:`~sstrack_mm.structures.crop.damp_size`; ``dtype``, ``'float32'``,
            ``'bfloat16'`` or ``'float16'``; ``compile``, whether to compile the steady
            state (with CUDA graphs on a GPU) before the first frame; ``test_mode``,
            ``'OPE'`` or ``'VOT'``.
        init_cfg: As mmengine's BaseModule.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        data_preprocessor: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here, since mmengine would look for it in its default scope alone.
        super().__init__(
            MODELS.build(data_preprocessor or dict(type='SSTrackDataPreprocessor')),
            init_cfg,
        )
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(
            head,
            default_args=dict(
                in_channels=self.backbone.embed_dims, feat_size=self.backbone.search_grid
            ),
        )
        self.template_size = backbone['template_size']
        self.search_size = backbone['search_size']
        self.test_cfg = merge_cfg('test_cfg', TEST_CFG, test_cfg)
        if self.test_cfg['dtype'] not in DTYPES:
            raise ValueError(
                f'test_cfg.dtype must be one of {DTYPES}, '
                f'but got {self.test_cfg["dtype"]!r}'
            )
        if not 0 <= self.test_cfg['size_lr'] <= 1:
            raise ValueError(
                f'test_cfg.size_lr must be in [0, 1], but got {self.test_cfg["size_lr"]}'
            )
        if self.head.feat_size != self.backbone.search_grid:
            raise ValueError(
                f'head.feat_size ({self.head.feat_size}) must be the side of the '
                f"backbone's search grid ({self.backbone.search_grid})"
            )
        # In a list, so that it is no part of the model's weights.
        self._step: list[TrackStep | CompiledStep] = []
        self.register_load_state_dict_post_hook(_forget_step)

    def init_weights(self) -> None:
        """Start the backbone and the head, each in its own way."""
        self.backbone.init_weights()
        self.head.init_weights()

    def train(self, mode: bool = True) -> 'OneStreamTracker':
        """Set the mode; training ends the use of a copy made for tracking."""
        if mode:
            self._step.clear()
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> 'OneStreamTracker':
        """Move or convert the weights; what was made for tracking is made anew."""
        self._step.clear()
        return super()._apply(*args, **kwargs)

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list | None = None, **kwargs
    ) -> dict[str, Tensor]:
        """The head's maps of ``template`` (B, T, 3, h, w) and ``search`` (B, 3, H, W)."""
        return locate(
            self.backbone,
            self.head,
            inputs['template'],
            inputs['search'],
            inputs.get('query'),
        )[0]

    # --- one or several targets -----------------------------------------------------

    @torch.no_grad()
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
        bbox_xywh = np.asarray(bbox_xywh, float)
        frame = self._upload(image)
        check_first_box(image, bbox_xywh)
        memory = TemplateMemory(
            self.test_cfg['memory_size'], self.test_cfg['memory_budget']
        )
        memory.add(0, self._cut_templates([frame], [bbox_xywh])[0])
        return TrackState(bbox_xywh, memory, self._get_step().zero_query())

    def track_step(
        self, image: np.ndarray, state: TrackState
    ) -> tuple[TrackState, float]:
        """Track one target into the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            state: Of the frame before. Its memory passes on to the new state, so it
                must not be used again.

        Returns:
            tuple[TrackState, float]: The new state, whose ``bbox_xywh`` is the result,
            and the score in [0, 1].
        """
        states, scores = self.track_batch([image], [state])
        return states[0], scores[0]

    @torch.no_grad()
    def track_batch(
        self, images: Sequence[np.ndarray], states: Sequence[TrackState]
    ) -> tuple[list[TrackState], list[float]]:
        """Track several targets, of one video or of several, into their next frames.

        Targets with equally many templates share one pass of the network: in the
        steady state, all of them.

        Args:
            images: The (H, W, 3) uint8 RGB frame of each target. Targets of one video
                share one array.
            states: Of the frames before, as in :meth:`track_step`.

        Returns:
            tuple[list[TrackState], list[float]]: The new states and the scores.
        """
        if len(images) != len(states):
            raise ValueError(f'{len(images)} images for {len(states)} targets')
        different = {id(image): image for image in images}
        uploaded = {key: self._upload(image) for key, image in different.items()}
        frames = [uploaded[id(image)] for image in images]
        results: dict[int, tuple[TrackState, float]] = {}
        numbers = [state.memory.num_templates(state.frame_id + 1) for state in states]
        for group in _group(numbers):
            stepped = self._track_group(
                [frames[i] for i in group], [states[i] for i in group]
            )
            results.update(zip(group, stepped, strict=True))
        pairs = [results[i] for i in range(len(states))]
        return [state for state, _ in pairs], [score for _, score in pairs]

    def _track_group(
        self, frames: list[Tensor], states: list[TrackState]
    ) -> list[tuple[TrackState, float]]:
        """Track targets with equally many templates in one pass."""
        last = [state.bbox_xywh for state in states]
        factor, size = self.test_cfg['search_factor'], self.search_size
        found, queries = self._get_step()(
            torch.stack(
                [
                    torch.stack(state.memory.templates(state.frame_id + 1))
                    for state in states
                ]
            ),
            self._cut(frames, last, factor, size),
            torch.stack([state.query for state in states]),
        )
        bboxes, scores = [], []
        # One transfer, so one synchronisation, brings all boxes and scores back.
        for (*bbox, score), bbox_xywh, frame in zip(
            found.tolist(), last, frames, strict=True
        ):
            resize_factor = size / target_window(bbox_xywh, factor)[2]
            bboxes.append(
                update_box(
                    bbox,
                    bbox_xywh,
                    resize_factor,
                    size,
                    self.test_cfg['size_lr'],
                    (frame.shape[2], frame.shape[1]),
                )
            )
            scores.append(score)
        crops = self._cut_templates(frames, bboxes)
        stepped = []
        for state, bbox_xywh, crop, query in zip(
            states, bboxes, crops, queries, strict=True
        ):
            frame_id = state.frame_id + 1
            # A view would keep the crops of all these targets.
            state.memory.add(frame_id, crop.clone())
            stepped.append(TrackState(bbox_xywh, state.memory, query, frame_id))
        return list(zip(stepped, scores, strict=True))

    def _upload(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 array to a (3, H, W) uint8 tensor on the model's device."""
        check_image(image)
        return move_to(self._device, torch.from_numpy(image)).permute(2, 0, 1)

    def _cut_templates(
        self, frames: list[Tensor], bboxes_xywh: list[np.ndarray]
    ) -> Tensor:
        return self._cut(
            frames, bboxes_xywh, self.test_cfg['template_factor'], self.template_size
        )

    def _cut(
        self,
        frames: list[Tensor],
        bboxes_xywh: list[np.ndarray],
        factor: float,
        size: int,
    ) -> Tensor:
        """(B, 3, size, size) uint8 crops of (3, H, W) frames, on the device."""
        crops: dict[int, Tensor] = {}
        for targets in _group(map(id, frames)):
            frame, count = frames[targets[0]], len(targets)
            image_wh = torch.tensor([[frame.shape[2], frame.shape[1]]])
            bboxes = torch.from_numpy(np.stack([bboxes_xywh[i] for i in targets]))
            cut = crop_targets(
                frame.expand(count, -1, -1, -1),
                image_wh.expand(count, -1),
                bboxes,
                factor,
                size,
            )
            crops.update(zip(targets, cut, strict=True))
        return torch.stack([crops[i] for i in range(len(frames))])

    @property
    def _device(self) -> torch.device:
        return self.data_preprocessor.mean.device

    def _get_step(self) -> TrackStep | CompiledStep:
        """The network for tracking, made at its first use."""
        if not self._step:
            cfg = self.test_cfg
            step = TrackStep(
                self.backbone, self.head, self.data_preprocessor, cfg['dtype']
            )
            self._step.append(self._compile(step) if cfg['compile'] else step)
        return self._step[0]

    def _compile(self, step: TrackStep) -> CompiledStep:
        num_templates = num_steady_templates(self.test_cfg['memory_size'])
        return CompiledStep(step, num_templates, self.template_size, self.search_size)

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
        mean = self.data_preprocessor.mean
        return InstanceData(
            bboxes=mean.new_tensor([[x, y, x + w, y + h]]),
            scores=mean.new_tensor([score]),
        )


def merge_cfg(name: str, default: dict[str, Any], given: dict | None) -> dict[str, Any]:
    """Complete ``given`` by ``default``; an unknown key is a ValueError."""
    merged = default | dict(given or {})
    if set(merged) != set(default):
        raise ValueError(
            f'{name} has no key {sorted(set(merged) - set(default))}; '
            f'it has {sorted(default)}'
        )
    return merged


def _forget_step(model: OneStreamTracker, incompatible_keys: Any) -> None:
    """Weights have changed: what was made of them for tracking is made anew."""
    model._step.clear()


def _group(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions with equal keys, together."""
    groups: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _to_rgb_array(img: Tensor) -> np.ndarray:
    """(1, 3, H, W) BGR tensor to an (H, W, 3) uint8 RGB array."""
    rgb = img[0].flip(0).permute(1, 2, 0).round().clamp(0, 255)
    return np.ascontiguousarray(rgb.to(torch.uint8).cpu().numpy())
