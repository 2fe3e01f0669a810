"""What happens to one target, or to a batch of them, in one frame."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sstrack_mm.models.trackers.functional import hann_window, locate
from sstrack_mm.structures.memory import TemplateMemory

DTYPES = ('float32', 'bfloat16', 'float16')


@dataclass
class TrackState:
    """All that tracking one target of one video needs from the past.

    Attributes:
        bbox_xywh: (4,) float64 last box, in image pixels.
        memory: The template crops.
        query: (1, C) track query of the last frame; zeros before the first one.
        frame_id: Number of the last frame, from 0.
    """

    bbox_xywh: np.ndarray
    memory: TemplateMemory
    query: Tensor
    frame_id: int = 0


class TrackStep(nn.Module):
    """One step of the network: uint8 crops in, boxes and the next track query out.

    Args:
        backbone: The backbone.
        head: The box head.
        preprocessor: The data preprocessor, for its mean and standard deviation.
        dtype: What the backbone and the head compute in. Other than float32 they are
            copies.
    """

    def __init__(
        self, backbone: nn.Module, head: nn.Module, preprocessor: nn.Module, dtype: str
    ) -> None:
        super().__init__()
        self.dtype = getattr(torch, dtype)
        if dtype != 'float32':
            backbone = copy.deepcopy(backbone).to(self.dtype)
            head = copy.deepcopy(head).to(self.dtype)
        self.backbone, self.head, self.preprocessor = backbone, head, preprocessor
        window = hann_window(head.feat_size).to(preprocessor.mean.device)
        self.register_buffer('window', window, persistent=False)
        self.eval()

    def zero_query(self) -> Tensor:
        """The (1, C) track query that a video starts with."""
        return torch.zeros_like(self.backbone.cls_token[0])

    def forward(
        self, templates: Tensor, search: Tensor, query: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Locate B targets.

        Args:
            templates: (B, T, 3, h, w) uint8 RGB crops.
            search: (B, 3, H, W) uint8 RGB crops.
            query: (B, 1, C) track queries of the frame before; zeros at a start.

        Returns:
            tuple[Tensor, Tensor]: (B, 5) float32 boxes, cx, cy, w, h over the side of
            the search image, with their scores, and the (B, 1, C) track queries.
        """
        normalize = self.preprocessor.normalize
        maps, output = locate(
            self.backbone,
            self.head,
            normalize(templates).to(self.dtype),
            normalize(search).to(self.dtype),
            query,
        )
        bboxes, scores = self.head.predict_by_feat(maps, self.window)
        return torch.cat([bboxes, scores[:, None]], dim=1), output.query


class CompiledStep:
    """A :class:`TrackStep` that is compiled for the steady state, and warm.

    Frames with fewer templates, the first few of a video, are computed as they are: each
    number of templates would take a compilation of its own. So does each number of
    targets.

    Args:
        step: The step.
        num_templates: T of the steady state.
        template_size: Side of a template, in pixels.
        search_size: Side of a search image, in pixels.

    Raises:
        RuntimeError: It does not compile.
    """

    def __init__(
        self, step: TrackStep, num_templates: int, template_size: int, search_size: int
    ) -> None:
        self.step, self.num_templates = step, num_templates
        self.device = step.preprocessor.mean.device
        mode = 'reduce-overhead' if self.device.type == 'cuda' else 'default'
        self._compiled = torch.compile(step, mode=mode, dynamic=False)
        # The first run compiles, and on a GPU the second one records the CUDA graph.
        try:
            for _ in range(3):
                self(
                    self._blank(num_templates, template_size),
                    self._blank(search_size),
                    self.zero_query()[None],
                )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise RuntimeError(
                f'torch.compile cannot compile this network here ({reason}); track '
                'without model.test_cfg.compile'
            ) from error

    def zero_query(self) -> Tensor:
        """As :meth:`TrackStep.zero_query`."""
        return self.step.zero_query()

    def _blank(self, *shape: int) -> Tensor:
        """A batch of one of black square uint8 crops, (1, ..., 3, size, size)."""
        *numbers, size = shape
        return torch.zeros(
            1, *numbers, 3, size, size, dtype=torch.uint8, device=self.device
        )

    def __call__(
        self, templates: Tensor, search: Tensor, query: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`TrackStep.forward`."""
        if templates.shape[1] != self.num_templates:
            return self.step(templates, search, query)
        found, query = self._compiled(templates, search, query)
        # The next run of a CUDA graph overwrites what this one returned.
        return found, query.clone()
