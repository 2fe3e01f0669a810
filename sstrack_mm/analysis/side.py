"""What the sides of the benchmark share.

A side is one object in a process of its own. Making it makes it ready and warm; then its
``repeat`` is called several times, by turns with the other side's, and its ``finish``
once.
"""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmtrack.registry import MODELS

from sstrack_mm.analysis.baseline import BaselineSSTrack
from sstrack_mm.analysis.measure import matmul_rate
from sstrack_mm.analysis.settings import Settings
from sstrack_mm.configuration import read_config
from sstrack_mm.errors import DataError
from sstrack_mm.models.trackers import SSTrack


class Repeat(NamedTuple):
    """What one repeat measured.

    Attributes:
        seconds: Of each step, frame or batch.
        matmul_rate: FLOP/s of matrix products in the same minute.
    """

    seconds: list[float]
    matmul_rate: float | None


def load_config(settings: Settings, data_root: Path) -> Config:
    """The configuration, with random weights and procedural videos."""
    cfg = read_config(settings.config, settings.cfg_options)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    cfg.train_dataloader.dataset.update(
        datasets=[
            dict(
                type='GOT10kSequences', data_root=str(data_root / 'got10k'), split='train'
            )
        ],
        weights=None,
    )
    if cfg.train_dataloader.num_workers == 0:
        cfg.train_dataloader.persistent_workers = False
    return cfg


class NetworkSide:
    """What training and tracking share: the model, and its arithmetic in the end."""

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        self.settings = settings
        self.cfg = load_config(settings, data_root)
        self.device = torch.device(settings.device)
        self.dtype = getattr(torch, 'float32' if baseline else settings.dtype)
        self.baseline = baseline

    def _build_model(self, **changes: Any) -> SSTrack:
        """The model with random weights, the same on both sides."""
        model_cfg = copy.deepcopy(self.cfg.model.to_dict())
        for key, values in changes.items():
            model_cfg[key] = dict(model_cfg.get(key) or {}, **values)
        if self.baseline:
            if model_cfg['type'] != 'SSTrack':
                raise DataError(
                    f'there is a baseline of SSTrack alone, not of {model_cfg["type"]}'
                )
            model_cfg['type'] = BaselineSSTrack
        torch.manual_seed(0)
        model = MODELS.build(model_cfg)
        model.init_weights()
        return model.to(self.device)

    def _matmul_rate(self) -> float | None:
        """What the device reaches in the network's type; of int8 there is no measure."""
        if self.dtype == torch.int8:
            return None
        return matmul_rate(self.device, self.dtype)
