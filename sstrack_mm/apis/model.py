"""Load a tracker."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from mmengine.config import Config
from mmtrack.registry import MODELS

from sstrack_mm.checkpoints import PRESENCE
from sstrack_mm.configuration import building, read_config
from sstrack_mm.device import choose_device
from sstrack_mm.errors import DataError, optional_requirements
from sstrack_mm.models.trackers.one_stream import split_test_cfg
from sstrack_mm.models.trackers.torch_engine import TorchSettings
from sstrack_mm.tracking import Engine, TrackSettings, TrackState
from sstrack_mm.tracking.presence import Judge, PresenceModel
from sstrack_mm.weights import load_weights
from sstrack_mm.zoo import resolve


class Tracker(Protocol):
    """What tracks: a model, or an exported network.

    Attributes:
        settings: How it tracks; others may take their place.
        judge: Says how sure it is, where it is calibrated; likewise.
    """

    settings: TrackSettings
    judge: Judge | None

    @property
    def engine(self) -> Engine:
        """Engine: What runs the network."""

    def init_state(self, image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> TrackState:
        """See :meth:`sstrack_mm.tracking.OnlineTracker.init_state`."""

    def track_step(self, image_rgb: np.ndarray, state: TrackState) -> TrackState:
        """See :meth:`sstrack_mm.tracking.OnlineTracker.track_step`."""

    def track_batch(
        self, images_rgb: Sequence[np.ndarray], states: Sequence[TrackState]
    ) -> list[TrackState]:
        """See :meth:`sstrack_mm.tracking.OnlineTracker.track_batch`."""


def init_model(
    config: str | os.PathLike[str] | Config | None = None,
    checkpoint: str | None = None,
    device: str | None = None,
    cfg_options: dict | None = None,
) -> Tracker:
    """Build a tracker and load its weights.

    As :func:`mmtrack.apis.init_model`, but every weight has to be there and to fit, start
    weights that the checkpoint replaces are not looked for, and a configuration that is
    given stays as it is. It also loads what ``tools/export_onnx.py`` wrote, which then
    tracks in the model's place.

    Args:
        config: A configuration or its file, or the name of a model of the zoo
            (:mod:`sstrack_mm.zoo`), which brings its weights with it. An ONNX file needs
            none; of one that is given, ``model.test_cfg`` counts.
        checkpoint: The weights, as ``.pth`` or ``.safetensors``, an ``.onnx`` file, or a
            name of the zoo; None for the start weights of the configuration.
        device: Where the tracker is to run, as PyTorch names it; None for a GPU if there
            is one, else the CPU.
        cfg_options: Changes to the configuration, by dotted key.

    Returns:
        Tracker: The model, in eval mode, or with an ONNX file an
        :class:`~sstrack_mm.deploy.onnx_engine.OnnxTracker`.

    Raises:
        DataError: The checkpoint cannot be read or does not fit the configuration; the
            ONNX file cannot be used, or not with this ``test_cfg``; a key of
            ``cfg_options`` is none of the configuration's; no model can be built of
            that; the weights of the zoo are not there or not the right ones; or the
            device cannot be used.
        ValueError: There is neither a configuration nor an ONNX file, or changes of no
            configuration.
    """
    device = choose_device(device)
    config, checkpoint = resolve(config, checkpoint)
    if config is None and cfg_options:
        raise ValueError(f'cfg_options {cfg_options} change a configuration: name one')
    cfg = None if config is None else read_config(config, cfg_options)
    if checkpoint is not None and is_onnx(checkpoint):
        return _init_onnx(cfg, checkpoint, device)
    if cfg is None:
        raise ValueError(f'{checkpoint} is no .onnx file, so it needs a configuration')
    if checkpoint is not None:
        cfg.merge_from_dict({'model.backbone.init_cfg': None})
    with building(cfg.filename):
        model = MODELS.build(cfg.model)
        if checkpoint is None:
            model.init_weights()
    if checkpoint is not None:
        model.judge = _find_judge(load_weights(model, checkpoint), checkpoint)
    model.cfg = cfg  # where mmtrack's inference_sot looks for it
    return model.to(device).eval()


def is_onnx(checkpoint: str) -> bool:
    """Whether a checkpoint is an exported network, by its name."""
    return checkpoint.endswith('.onnx')


def _find_judge(content: dict, path: str) -> PresenceModel | None:
    """What a checkpoint was calibrated to; None where it was not."""
    meta = content.get('meta')
    values = meta.get(PRESENCE) if isinstance(meta, dict) else None
    if values is None:
        return None
    try:
        return PresenceModel.from_dict(values)
    except DataError as error:
        raise DataError(f'{path}: {error}') from None


def _init_onnx(cfg: Config | None, checkpoint: str, device: str) -> Tracker:
    """Load an exported network, to track as the configuration says."""
    with optional_requirements(checkpoint):
        from sstrack_mm.deploy.onnx_engine import OnnxTracker
    track_cfg, torch_cfg = split_test_cfg({} if cfg is None else cfg.model.test_cfg)
    for key, value in torch_cfg.items():
        if value != getattr(TorchSettings, key):
            raise DataError(
                f'{checkpoint}: model.test_cfg.{key}={value} is for PyTorch; '
                'an ONNX file computes as it was exported'
            )
    providers = ['CPUExecutionProvider']
    if device.startswith('cuda'):
        providers.insert(0, 'CUDAExecutionProvider')
    tracker = OnnxTracker(checkpoint, providers, torch.get_num_threads())
    tracker.settings = replace(tracker.settings, **track_cfg)
    return tracker
