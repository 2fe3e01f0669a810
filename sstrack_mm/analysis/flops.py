"""How much arithmetic the network takes, counted without doing it."""

from collections.abc import Callable
from typing import Any

import torch
from mmtrack.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

from sstrack_mm.analysis.baseline import BaselineSSTrack


def count_flops(function: Callable[[], Any]) -> int:
    """FLOPs (two a multiply-add) of the matrix products and convolutions of a call."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


class NetworkFlops:
    """Counts the FLOPs of passes through a network.

    It runs on the meta device, without data or weights, and with explicit attention,
    which every version of PyTorch counts.

    Args:
        model_cfg: The ``model`` of a configuration.
    """

    def __init__(self, model_cfg: dict) -> None:
        self.model: BaselineSSTrack = MODELS.build(
            dict(model_cfg, type=BaselineSSTrack)
        ).to('meta')

    def of_pass(
        self, num_templates: int, keep_ratio: float, backward: bool = False
    ) -> int:
        """FLOPs of one search image.

        Args:
            num_templates: T.
            keep_ratio: Of each elimination layer.
            backward: Also the way back.

        Returns:
            int: FLOPs.
        """
        model = self.model
        model.eval()
        model.backbone.keep_ratio = keep_ratio
        inputs = dict(
            template=_blank(1, num_templates, model.template_size),
            search=_blank(1, model.search_size),
        )

        def run() -> None:
            with torch.set_grad_enabled(backward):
                maps = model(inputs, mode='tensor')
            if backward:
                torch.stack([each.sum() for each in maps.values()]).sum().backward()

        return count_flops(run)


def _blank(*shape: int) -> torch.Tensor:
    *batch, size = shape
    return torch.empty(*batch, 3, size, size, device='meta')
