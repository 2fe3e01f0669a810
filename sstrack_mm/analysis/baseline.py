"""The straightforward SSTrack: what the benchmark compares ours with, and nothing else.

The same mathematics and the same weights, written as one would write it first: every
attention map is materialised, training keeps the graphs of all passes, crops are cut
one by one on the CPU, and tracking keeps every past crop as float32.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmtrack.registry import MODELS
from mmtrack.structures import TrackDataSample
from timm.models.vision_transformer import Attention
from torch import Tensor, nn

from sstrack_mm.models.backbones.vit import EliminationBlock, eliminate
from sstrack_mm.models.data_preprocessor import SSTrackDataPreprocessor
from sstrack_mm.models.trackers.sstrack import Losses, SSTrack
from sstrack_mm.models.trackers.torch_engine import TorchEngine
from sstrack_mm.tracking import TemplateMemory, TrackState


class ExplicitEliminationBlock(EliminationBlock):
    """Ranks the search tokens by reading the whole attention map."""

    def forward(
        self,
        tokens: Tensor,
        kept: Tensor,
        num_before: int,  # type: ignore
        target_rows: Tensor,
        num_keep: int,
    ) -> tuple[Tensor, Tensor]:
        """Attend, eliminate, then run the MLP; see :class:`EliminationBlock`."""
        attended, attention = _attend(self.attn, self.norm1(tokens))
        tokens = tokens + self.drop_path1(self.ls1(attended))
        if num_keep < kept.shape[1]:
            scores = attention[:, :, target_rows, num_before:].mean(dim=(1, 2))
            tokens, kept = eliminate(tokens, kept, scores, num_keep)
        return tokens + self.drop_path2(self.ls2(self.mlp(self.norm2(tokens)))), kept


def _attend(attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Self-attention of (B, N, C) tokens, and its (B, heads, N, N) map."""
    batch, num_tokens, width = tokens.shape
    qkv = attn.qkv(tokens).reshape(batch, num_tokens, 3, attn.num_heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, C / heads) each
    attention = ((query * attn.scale) @ key.transpose(-2, -1)).softmax(dim=-1)
    out = (attention @ value).transpose(1, 2).reshape(batch, num_tokens, width)
    return attn.proj(out), attention


class FullMemory(TemplateMemory):
    """Keeps every crop, as float32."""

    def add(self, crop: Tensor) -> None:
        """Keep the (3, h, w) uint8 crop of the next frame."""
        self.crops[self.num_added] = crop.float()
        self.num_added += 1


class CropsOnCPUEngine(TorchEngine):
    """Leaves the frames on the CPU, and brings the crops to the device one by one."""

    def load(self, image_rgb: np.ndarray) -> Tensor:
        """An (H, W, 3) uint8 image as a (3, H, W) tensor."""
        return torch.from_numpy(image_rgb).permute(2, 0, 1)

    def _cut(self, *args: Any) -> list[Tensor]:
        return [crop.to(self.device) for crop in super()._cut(*args)]


@MODELS.register_module()
class FramesOnCPUPreprocessor(SSTrackDataPreprocessor):
    """Leaves the full frames on the CPU, where the baseline cuts them."""

    def cast_data(self, data: Any) -> Any:
        """Move all but ``frames`` to the device."""
        if isinstance(data, Mapping) and 'frames' in data:
            moved = {key: value for key, value in data.items() if key != 'frames'}
            return super().cast_data(moved) | dict(frames=data['frames'])
        return super().cast_data(data)


@MODELS.register_module()
class BaselineSSTrack(SSTrack):
    """SSTrack without any of its savings. Arguments and weights are SSTrack's."""

    engine_class = CropsOnCPUEngine

    def __init__(self, **cfg: Any) -> None:
        changes: dict[str, dict[str, Any]] = dict(
            data_preprocessor=dict(type='FramesOnCPUPreprocessor'),
            train_cfg=dict(resize='opencv'),
            test_cfg=dict(dtype='float32', compile=False),
        )
        for key, change in changes.items():
            cfg[key] = dict(cfg.get(key) or {}, **change)
        super().__init__(**cfg)
        self._outputs: list[Any] = []
        for block in self.backbone.blocks:
            block.attn.fused_attn = False
            if isinstance(block, EliminationBlock):
                # The same parameters, another way to use them.
                block.__class__ = ExplicitEliminationBlock
        for part in (self.backbone, self.head):
            part.forward = self._keeping_graphs(part)

    def _keeping_graphs(self, part: nn.Module) -> Callable:
        """The part's forward, which in training builds its graph and keeps it."""
        forward = part.forward

        def forward_and_keep(*args: Any, **kwargs: Any) -> Any:
            with torch.set_grad_enabled(self.training or torch.is_grad_enabled()):
                output = forward(*args, **kwargs)
            if self.training:
                self._outputs.append(output)
            return output

        return forward_and_keep

    def loss(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[TrackDataSample] | None = None,
        **kwargs: Any,
    ) -> Losses:
        """Losses of a batch of clips, with the outputs of all passes alive."""
        try:
            return super().loss(inputs, data_samples, **kwargs)
        finally:
            self._outputs.clear()

    def _cut_memory(
        self, inputs: dict[str, Tensor], frame: int, *predictions: Tensor
    ) -> Tensor:
        crops = super()._cut_memory(inputs, frame, *(p.cpu() for p in predictions))
        return crops.to(inputs['template'].device)

    def init_state(self, image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> TrackState:
        """Start to track a target, with a memory of everything."""
        state = super().init_state(image_rgb, bbox_xywh)
        memory = FullMemory(state.memory.size)
        memory.add(state.memory.crops[0])
        return replace(state, memory=memory)
