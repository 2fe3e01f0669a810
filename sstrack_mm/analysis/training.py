"""The side of the benchmark that trains."""

import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmtrack.registry import DATASETS
from torch import Tensor

from sstrack_mm.analysis.flops import NetworkFlops
from sstrack_mm.analysis.measure import PeakMemory, synchronize
from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import NetworkSide, Repeat
from sstrack_mm.engine.hooks import compile_blocks


class TrainSide(NetworkSide):
    """Takes training steps on one batch of clips."""

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        super().__init__(settings, data_root, baseline)
        self.model = self._build_model().train()
        self.model.backbone.train_keep_ratio = settings.keep_ratio
        self.optim_wrapper = self._build_optim_wrapper()
        dataset = DATASETS.build(self.cfg.train_dataloader.dataset)
        self.batch = pseudo_collate(
            [dataset[(0, 0, i)] for i in range(settings.batch_size)]
        )
        if settings.compile and not baseline:
            compile_blocks(self.model)
        self.memory = PeakMemory(self.device)
        with self.memory:
            self.first_loss = self._step()[1]

    def _build_optim_wrapper(self) -> OptimWrapper:
        """The configured optimiser, with loss scaling where the device has it."""
        cfg = dict(self.cfg.optim_wrapper, type='OptimWrapper')
        if self.device.type == 'cuda' and self.dtype != torch.float32:
            cfg.update(type='AmpOptimWrapper', dtype=self.settings.dtype)
        # mmengine reports three lines a parameter.
        MMLogger.get_current_instance().setLevel('WARNING')
        return build_optim_wrapper(self.model, cfg)

    def _step(self) -> tuple[float, float]:
        """Take a training step; return its seconds and its loss."""
        torch.manual_seed(0)
        start = time.perf_counter()
        with torch.autocast(
            self.device.type, self.dtype, enabled=self.dtype != torch.float32
        ):
            data = self.model.data_preprocessor(self.batch, True)
            losses = self.model(**data, mode='loss')
        loss, _ = self.model.parse_losses(losses)
        self.optim_wrapper.update_params(loss)
        loss_value = loss.item()
        synchronize(self.device)
        return time.perf_counter() - start, loss_value

    def repeat(self) -> Repeat:
        """Take one step."""
        with self.memory:
            seconds, _ = self._step()
        return Repeat([seconds], self._matmul_rate())

    def finish(self) -> dict[str, Any]:
        """What was not asked of every repeat: memory, FLOPs, the loss at the start."""
        parameters = sum(p.numel() * p.element_size() for p in self.model.parameters())
        state = self.optim_wrapper.optimizer.state
        # A parameter has a state if it has had a gradient. Both were made after the
        # start, but are no part of what a pass takes.
        gradients = sum(p.numel() * p.element_size() for p in state)
        moments = sum(
            value.numel() * value.element_size()
            for values in state.values()
            for value in values.values()
            if isinstance(value, Tensor)
        )
        return dict(
            peak_memory=self.memory.peak - gradients - moments,
            persistent_memory=parameters + gradients + moments,
            parameters=sum(p.numel() for p in self.model.parameters()),
            flops=self._count_flops(),
            first_loss=self.first_loss,
        )

    def _count_flops(self) -> int:
        """FLOPs of a step: passes without a gradient, and with one."""
        inputs, network = self.batch['inputs'], NetworkFlops(self.cfg.model)
        keep_ratio = self.settings.keep_ratio
        num_templates, num_views = len(inputs['template'][0]), len(inputs['grounding'][0])
        flops = 0
        if 'search' in inputs:
            num_search = len(inputs['search'][0])
            supervised = self.model.train_cfg['forward_loss_weight'] > 0
            flops = num_search * network.of_pass(num_templates, keep_ratio, supervised)
            kept = num_templates if self.model.train_cfg['keep_template'] else 0
            num_templates = num_search + kept
        flops += num_views * network.of_pass(num_templates, keep_ratio, True)
        return flops * self.settings.batch_size
