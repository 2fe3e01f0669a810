"""PyTorch as the engine of tracking: crops, and the network's step, on any device."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sstrack_mm.errors import DataError
from sstrack_mm.models.backbones.vit import SSTrackViT
from sstrack_mm.models.data_preprocessor import SSTrackDataPreprocessor
from sstrack_mm.models.heads.base_head import BaseBoxHead
from sstrack_mm.models.trackers.functional import (
    describe_boxes,
    hann_window,
    locate,
)
from sstrack_mm.structures.batched_crop import (
    crop_targets,
    move_to,
)
from sstrack_mm.tracking.engine import Evidence, StepOutput
from sstrack_mm.tracking.memory import num_steady_templates
from sstrack_mm.tracking.online import group_equal

DTYPES = ('float32', 'bfloat16', 'float16')


@dataclass(frozen=True)
class TorchSettings:
    """How PyTorch computes: the keys of a ``test_cfg`` that other engines do not have.

    Attributes:
        dtype: ``'float32'``, ``'bfloat16'`` or ``'float16'``.
        compile: Whether to compile the steady state (with CUDA graphs on a GPU) before
            the first frame.

    Raises:
        DataError: There is no such type.
    """

    dtype: str = 'float32'
    compile: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise DataError(f'dtype must be one of {DTYPES}, but got {self.dtype!r}')


class TorchEngine:
    """The :class:`~sstrack_mm.tracking.engine.Engine` of a network in PyTorch.

    Frames are (3, H, W) uint8 tensors on the network's device, crops (3, h, w) uint8 and
    queries (1, C) there. It is no module: its network, which may be a copy, is no part of
    the weights of a model that holds it.

    Args:
        backbone: The backbone.
        head: The box head.
        preprocessor: The data preprocessor, for its mean and standard deviation.
        settings: How to compute.
        template_size: Side of a template, in pixels.
        search_size: Side of a search image, in pixels.
        memory_size: How many templates are wanted: compiled is what that comes to.
    """

    @torch.no_grad()
    def __init__(
        self,
        backbone: SSTrackViT,
        head: BaseBoxHead,
        preprocessor: SSTrackDataPreprocessor,
        settings: TorchSettings,
        template_size: int,
        search_size: int,
        memory_size: int,
    ) -> None:
        self.template_size, self.search_size = template_size, search_size
        self.device: torch.device = preprocessor.mean.device
        step = TrackStep(backbone, head, preprocessor, settings.dtype)
        self.zero_query: Callable[[], Tensor] = step.zero_query
        self._network: Callable[..., tuple[Tensor, ...]] = step
        if settings.compile:
            num_templates = num_steady_templates(memory_size)
            self._network = CompiledStep(step, num_templates, template_size, search_size)

    def load(self, image_rgb: np.ndarray) -> Tensor:
        """Bring an (H, W, 3) uint8 image to the device: (3, H, W) uint8."""
        image = torch.from_numpy(np.ascontiguousarray(image_rgb))
        return move_to(self.device, image).permute(2, 0, 1)

    def cut_search(
        self, frames: Sequence[Tensor], bboxes_xywh: Sequence[np.ndarray], factor: float
    ) -> Tensor:
        """(B, 3, H, W) uint8 search images."""
        return torch.stack(self._cut(frames, bboxes_xywh, factor, self.search_size))

    def cut_templates(
        self,
        frames: Sequence[Tensor],
        bboxes_xywh: Sequence[np.ndarray],
        factor: float,
        shade: bool = False,
    ) -> list[Tensor]:
        """(3, h, w) uint8 templates of B targets."""
        crops = self._cut(frames, bboxes_xywh, factor, self.template_size, shade)
        # A view would keep the crops of all these targets.
        return [crop.clone() for crop in crops]

    def _cut(
        self,
        frames: Sequence[Tensor],
        bboxes_xywh: Sequence[np.ndarray],
        factor: float,
        size: int,
        shade: bool = False,
    ) -> list[Tensor]:
        """(3, size, size) crops of B targets, those of one frame cut together."""
        crops: dict[int, Tensor] = {}
        for targets in group_equal(map(id, frames)):
            frame, count = frames[targets[0]], len(targets)
            image_wh = torch.tensor([[frame.shape[2], frame.shape[1]]])
            cut = crop_targets(
                frame.expand(count, -1, -1, -1),
                image_wh.expand(count, -1),
                torch.from_numpy(np.stack([bboxes_xywh[i] for i in targets])),
                factor,
                size,
                shade=shade,
            )
            crops.update(zip(targets, cut, strict=True))
        return [crops[i] for i in range(len(frames))]

    @torch.no_grad()
    def step(
        self,
        templates: Sequence[Sequence[Tensor]],
        search: Tensor,
        queries: Sequence[Tensor],
        with_evidence: bool = False,
    ) -> StepOutput:
        """Locate B targets; see :class:`~sstrack_mm.tracking.engine.Engine`."""
        found, query, *more = self._network(
            torch.stack([torch.stack(list(crops)) for crops in templates]),
            search,
            torch.stack(list(queries)),
            with_evidence,
        )
        # One transfer, so one synchronisation, brings all boxes and scores back.
        rows = found.cpu().numpy().astype(np.float64)
        evidence = None
        if with_evidence:
            anywhere, score_maps, features = (each.float().cpu().numpy() for each in more)
            anywhere = anywhere.astype(np.float64)
            numbers = query[:, 0].float().cpu().numpy()
            evidence = Evidence(
                anywhere[:, :4], anywhere[:, 4], score_maps, features, numbers
            )
        return StepOutput(rows[:, :4], rows[:, 4], list(query), evidence)


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
        self,
        backbone: SSTrackViT,
        head: BaseBoxHead,
        preprocessor: SSTrackDataPreprocessor,
        dtype: str,
    ) -> None:
        super().__init__()
        self.dtype = getattr(torch, dtype)
        if dtype != 'float32':
            backbone = copy.deepcopy(backbone).to(self.dtype)
            head = copy.deepcopy(head).to(self.dtype)
        self.backbone, self.head, self.preprocessor = backbone, head, preprocessor
        self.window: Tensor
        window = hann_window(head.feat_size).to(preprocessor.mean.device)
        self.register_buffer('window', window, persistent=False)
        self.eval()

    def zero_query(self) -> Tensor:
        """The (1, C) track query that a video starts with."""
        return torch.zeros_like(self.backbone.cls_token[0])

    def forward(
        self,
        templates: Tensor,
        search: Tensor,
        query: Tensor,
        with_evidence: bool = False,
    ) -> tuple[Tensor, ...]:
        """Locate B targets.

        Args:
            templates: (B, T, 3, h, w) uint8 RGB crops.
            search: (B, 3, H, W) uint8 RGB crops.
            query: (B, 1, C) track queries of the frame before; zeros at a start.
            with_evidence: Whether to return more.

        Returns:
            tuple[Tensor, ...]: (B, 5) float32 boxes, cx, cy, w, h over the side of the
            search image, with their scores, and the (B, 1, C) track queries. With
            evidence also (B, 5) what was found without the window, the (B, F, F) score
            maps, and (B, 2, C) features of both boxes.
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
        found = torch.cat([bboxes, scores[:, None]], dim=1)
        if not with_evidence:
            return found, output.query
        bboxes, scores = self.head.predict_by_feat(maps)
        anywhere = torch.cat([bboxes, scores[:, None]], dim=1)
        both = torch.stack([found, anywhere], dim=1)[..., :4]
        features = describe_boxes(output.search_tokens, both)
        return found, output.query, anywhere, self.head.score_map(maps), features


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
        self,
        templates: Tensor,
        search: Tensor,
        query: Tensor,
        with_evidence: bool = False,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TrackStep.forward`."""
        if templates.shape[1] != self.num_templates:
            return self.step(templates, search, query, with_evidence)
        found, query, *more = self._compiled(templates, search, query, with_evidence)
        # The next run of a CUDA graph overwrites what this one returned.
        return found, query.clone(), *more
