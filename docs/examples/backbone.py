"""A backbone without attention: convolutions, and the mean of the templates as query."""

import torch
from mmengine.model import BaseModule
from mmtrack.registry import MODELS
from torch import Tensor

from sstrack_mm.models.backbones.vit import ConvStem, ViTOutput


@MODELS.register_module()
class MeanTemplateBackbone(BaseModule):
    """What a head needs: tokens of the search image, and a query of the target.

    Args:
        embed_dims: Width C of the tokens.
        template_size: Side of a template, in pixels.
        search_size: Side of a search image, in pixels.
        init_cfg: As mmengine's BaseModule.
    """

    missing_checkpoint = None  # it has no start weights to miss

    def __init__(
        self,
        embed_dims: int,
        template_size: int,
        search_size: int,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        self.search_grid = search_size // 16
        self.stem = ConvStem(embed_dims)

    def forward(
        self, templates: Tensor, search: Tensor, query: Tensor | None = None
    ) -> ViTOutput:
        """Relate (B, T, 3, h, w) templates to (B, 3, H, W) search images."""
        batch = len(search)
        tokens = self.stem(templates.flatten(0, 1))  # (B * T, n, C)
        found = tokens.reshape(batch, -1, self.embed_dims).mean(dim=1, keepdim=True)
        query = found if query is None else 0.5 * (found + query)
        search_tokens = self.stem(search)
        kept = torch.ones(search_tokens.shape[:2], dtype=torch.bool, device=search.device)
        return ViTOutput(search_tokens, query, kept)
