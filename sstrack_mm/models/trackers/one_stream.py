"""A joint backbone with a box head: the network of a tracker, and mmtrack's face."""

import itertools
from collections.abc import Mapping, Sequence
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
from sstrack_mm.models.trackers.torch_engine import TorchEngine, TorchSettings
from sstrack_mm.tracking.engine import Engine
from sstrack_mm.tracking.online import OnlineTracker
from sstrack_mm.tracking.presence import PresenceModel
from sstrack_mm.tracking.settings import TrackSettings, check_keys, names_of
from sstrack_mm.tracking.state import TrackState


class OneStreamTracker(BaseSingleObjectTracker):
    """A network that tracks: by :class:`~sstrack_mm.tracking.online.OnlineTracker`.

    Args:
        backbone: Config of the backbone.
        head: Config of the box head; ``in_channels`` and ``feat_size`` are those of the
            backbone.
        data_preprocessor: Config of the preprocessor.
        test_cfg: The keys of :class:`~sstrack_mm.tracking.settings.TrackSettings` and
            of :class:`~sstrack_mm.models.trackers.torch_engine.TorchSettings`, and
            ``test_mode``, mmtrack's, ``'OPE'`` or ``'VOT'``.
        init_cfg: As mmengine's BaseModule.

    Attributes:
        settings: How it tracks; others may take their place.
        torch_settings: How PyTorch computes in tracking; likewise.
        judge: Of the checkpoint, where it is calibrated; likewise.
    """

    engine_class: type[TorchEngine] = TorchEngine

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
        test_cfg = test_cfg or {}
        track_cfg, torch_cfg = split_test_cfg(test_cfg)
        self.settings = TrackSettings(**track_cfg)
        self.torch_settings = TorchSettings(**torch_cfg)
        # What mmtrack's predict reads.
        self.test_cfg = dict(test_mode=test_cfg.get('test_mode', 'OPE'))
        if self.head.token_grid != self.backbone.search_grid:
            raise ValueError(
                f'head.feat_size ({self.head.token_grid}) must be the side of the '
                f"backbone's search grid ({self.backbone.search_grid})"
            )
        self.judge: PresenceModel | None = None
        self._engine: TorchEngine | None = None
        self._engine_source: tuple | None = None

    def init_weights(self) -> None:
        """Start the backbone and the head, each in its own way."""
        self.backbone.init_weights()
        self.head.init_weights()

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

    # --- tracking -------------------------------------------------------------------

    def init_state(self, image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> TrackState:
        """Start to track a target, with the weights as they are now.

        A copy of the network in another type, or a compiled one, is made here: at the
        first target, and whenever weights or settings have changed since.

        Args:
            image_rgb: As :meth:`OnlineTracker.init_state`.
            bbox_xywh: As there.

        Returns:
            TrackState: As there.

        Raises:
            RuntimeError: The model is in training mode.
        """
        return self._online(renew=True).init_state(image_rgb, bbox_xywh)

    def track_step(self, image_rgb: np.ndarray, state: TrackState) -> TrackState:
        """Track one target into the next frame: :meth:`OnlineTracker.track_step`."""
        return self._online().track_step(image_rgb, state)

    def track_batch(
        self, images_rgb: Sequence[np.ndarray], states: Sequence[TrackState]
    ) -> list[TrackState]:
        """Track several targets: :meth:`OnlineTracker.track_batch`."""
        return self._online().track_batch(images_rgb, states)

    @property
    def engine(self) -> Engine:
        """Engine: Runs the network; made when a target is started."""
        return self._online().engine

    def _online(self, renew: bool = False) -> OnlineTracker:
        """The loop over the engine; ``renew`` makes another one where it is outdated."""
        if self.training:
            raise RuntimeError('the model is in training mode: call .eval() to track')
        if self._engine is None or renew:
            source = self._describe_source()
            if self._engine is None or source != self._engine_source:
                self._engine, self._engine_source = self._make_engine(), source
        return OnlineTracker(self._engine, self.settings, self.judge)

    def _make_engine(self) -> TorchEngine:
        return self.engine_class(
            self.backbone,
            self.head,
            self.data_preprocessor,
            self.torch_settings,
            self.template_size,
            self.search_size,
            self.settings.memory_size,
        )

    def _describe_source(self) -> tuple:
        """What an engine is made of: it changes with the weights, by whatever means.

        A weight's place in memory changes where it is moved or replaced, its version
        where it is written to (what was made in inference mode has none).
        """
        weights = itertools.chain(self.parameters(), self.buffers())
        versions = [
            (w.data_ptr(), None if w.is_inference() else w._version) for w in weights
        ]
        return self.torch_settings, self.settings.memory_size, *versions

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
            return [self._to_instances(self.memo.state)]
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
        self.memo.state = self.track_step(_to_rgb_array(img), self.memo.state)
        return [self._to_instances(self.memo.state)]

    def _to_instances(self, state: TrackState) -> InstanceData:
        x, y, w, h = state.bbox_xywh
        mean = self.data_preprocessor.mean
        return InstanceData(
            bboxes=mean.new_tensor([[x, y, x + w, y + h]]),
            scores=mean.new_tensor([state.score]),
        )


def split_test_cfg(
    test_cfg: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of a ``test_cfg`` for the loop, and those for PyTorch.

    Raises:
        DataError: It has a key that nobody reads.
    """
    track_keys, torch_keys = names_of(TrackSettings), names_of(TorchSettings)
    check_keys('test_cfg', test_cfg, [*track_keys, *torch_keys, 'test_mode'])
    return (
        {key: value for key, value in test_cfg.items() if key in track_keys},
        {key: value for key, value in test_cfg.items() if key in torch_keys},
    )


def _to_rgb_array(img: Tensor) -> np.ndarray:
    """(1, 3, H, W) BGR tensor to an (H, W, 3) uint8 RGB array."""
    rgb = img[0].flip(0).permute(1, 2, 0).round().clamp(0, 255)
    return np.ascontiguousarray(rgb.to(torch.uint8).cpu().numpy())
