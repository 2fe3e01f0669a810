"""The one-stream Vision Transformer of SSTrack, on timm's parts."""

import math
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmtrack.registry import MODELS
from timm.layers import PatchEmbed, trunc_normal_
from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sstrack_mm.models.backbones.pretrained import load_pretrained_vit


class ViTOutput(NamedTuple):
    """What the backbone knows of a search image.

    Attributes:
        search_tokens: (B, N, C) tokens at their grid places, zero where eliminated.
        query: (B, 1, C) track query, not detached.
        kept: (B, N) bool, the search tokens that were not eliminated.
        fine: (B, C / 2, 2g, 2g) the stem's features of the search image, at twice the
            tokens' resolution; None where there is no such stem.
    """

    search_tokens: Tensor
    query: Tensor
    kept: Tensor
    fine: Tensor | None = None


class ConvStem(nn.Module):
    """Four stride-2 convolutions in place of the 16x16 patch projection.

    Early convolutions make a small transformer learnable from scratch
    (https://arxiv.org/abs/2106.14881).
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        channels = [3] + [max(embed_dims // 2**i, 16) for i in (3, 2, 1)] + [embed_dims]
        layers: list[nn.Module] = []
        for cin, cout in zip(channels[:-1], channels[1:], strict=True):
            layers += [
                nn.Conv2d(cin, cout, 3, 2, 1, bias=False),
                nn.BatchNorm2d(cout),
                nn.ReLU(inplace=True),
            ]
        # No ReLU at the end: the tokens are centred, so that they differ from the start.
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, 3, H, W) images as (B, H/16 * W/16, C) tokens."""
        return self.embed(images)[0]

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens, and the (B, C/2, H/8, W/8) features before the last convolution."""
        # On CPUs, convolutions are twice as fast with channels last.
        fine = self.layers[:9](images.contiguous(memory_format=torch.channels_last))
        return self.layers[9:](fine).flatten(2).transpose(1, 2), fine


class EliminationBlock(Block):
    """timm's block that also drops the search tokens least like the target.

    The attention from the chosen template tokens to each search token, averaged over
    those tokens and the heads, ranks the search tokens. Only these few rows of the
    attention are ever computed explicitly.
    """

    def forward(
        self,
        tokens: Tensor,
        kept: Tensor,
        num_before: int,  # type: ignore
        target_rows: Tensor,
        num_keep: int,
    ) -> tuple[Tensor, Tensor]:
        """Attend, eliminate, then run the MLP.

        Args:
            tokens: (B, P + n, C), P tokens that stay, then n search tokens.
            kept: (B, n) int64 grid indices of the search tokens.
            num_before: P.
            target_rows: (R,) int64 positions of the chosen template tokens.
            num_keep: m, how many search tokens stay.

        Returns:
            tuple[Tensor, Tensor]: (B, P + m, C) tokens and (B, m) grid indices, in the
            order of the grid.
        """
        if num_keep == kept.shape[1]:
            return super().forward(tokens), kept
        attended, scores = _attend(self.attn, self.norm1(tokens), target_rows)
        tokens = tokens + self.drop_path1(self.ls1(attended))
        tokens, kept = eliminate(tokens, kept, scores[:, num_before:], num_keep)
        return tokens + self.drop_path2(self.ls2(self.mlp(self.norm2(tokens)))), kept


def eliminate(
    tokens: Tensor, kept: Tensor, scores: Tensor, num_keep: int
) -> tuple[Tensor, Tensor]:
    """Keep the search tokens with the highest scores, in the order of the grid.

    Args:
        tokens: (B, P + n, C), P tokens that stay, then n search tokens.
        kept: (B, n) int64 grid indices of the search tokens.
        scores: (B, n).
        num_keep: m, how many stay.

    Returns:
        tuple[Tensor, Tensor]: (B, P + m, C) tokens and (B, m) grid indices.
    """
    num_before = tokens.shape[1] - kept.shape[1]
    top = scores.topk(num_keep, dim=1).indices.sort(dim=1).values
    search = tokens[:, num_before:].gather(
        1, top[..., None].expand(-1, -1, tokens.shape[2])
    )
    return torch.cat([tokens[:, :num_before], search], dim=1), kept.gather(1, top)


def _attend(attn: Attention, tokens: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Self-attention, and the mean attention that some rows pay to every token.

    Args:
        attn: timm's attention layer.
        tokens: (B, N, C).
        rows: (R,) int64 positions of the rows to average.

    Returns:
        tuple[Tensor, Tensor]: (B, N, C) output and (B, N) scores, without gradient.
    """
    batch, num_tokens, width = tokens.shape
    qkv = attn.qkv(tokens).reshape(batch, num_tokens, 3, attn.num_heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, C / heads) each
    with torch.no_grad():
        attention = (query[:, :, rows] * attn.scale) @ key.transpose(-2, -1)
        scores = attention.float().softmax(dim=-1).mean(dim=(1, 2))
    out = F.scaled_dot_product_attention(query, key, value)
    out = out.transpose(1, 2).reshape(batch, num_tokens, width)
    return attn.proj(out), scores


@MODELS.register_module()
class SSTrackViT(BaseModule):
    """Vision Transformer over ``[track query | templates | search]`` tokens.

    Args:
        embed_dims: Width C of the tokens.
        depth: Number of blocks.
        num_heads: Heads of each attention.
        mlp_ratio: Hidden width of the MLPs over ``embed_dims``.
        patch_size: Side of a patch, in pixels.
        template_size: Side of a template, in pixels.
        search_size: Side of a search image, in pixels.
        elimination_layers: Blocks (from 0) that eliminate search tokens.
        keep_ratio: Share of the search tokens each of those keeps in eval mode. In
            training it is ``train_keep_ratio``, which starts at 1 and which
            :class:`~sstrack_mm.engine.hooks.KeepRatioHook` sets.
        drop_path_rate: Of the last block; it rises linearly from 0 at the first.
        stem: ``'patch'``, one 16x16 projection, or ``'conv'``, :class:`ConvStem`.
        temporal_embed: Whether templates and search tokens carry a learned embedding
            that tells them apart (SSTrack has it, ODTrack does not).
        tied_attention: Whether queries and keys start equal in each block: then
            attention starts as a comparison of tokens, which a network without start
            weights need not learn first (cf. https://arxiv.org/abs/2305.09828).
        with_cp: Whether training keeps the input of each block alone and computes the
            block again on the way back: less memory, more time.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a file of DropMAE or
            MAE weights or ``timm://NAME``, see
            :func:`~sstrack_mm.models.backbones.pretrained.load_pretrained_vit`; None
            starts from random weights.
    """

    def __init__(
        self,
        embed_dims: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        patch_size: int = 16,
        template_size: int = 128,
        search_size: int = 256,
        elimination_layers: tuple[int, ...] = (3, 6, 9),
        keep_ratio: float = 0.7,
        drop_path_rate: float = 0.1,
        stem: str = 'patch',
        temporal_embed: bool = True,
        tied_attention: bool = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self._check(
            embed_dims,
            num_heads,
            patch_size,
            template_size,
            search_size,
            keep_ratio,
            drop_path_rate,
            stem,
            init_cfg,
        )
        self.embed_dims = embed_dims
        self.template_grid = template_size // patch_size
        self.search_grid = search_size // patch_size
        self.keep_ratio = keep_ratio
        self.train_keep_ratio = 1.0
        self.with_cp = with_cp
        self.tied_attention = tied_attention
        self.missing_checkpoint: str | None = None
        self.patch_embed = (
            ConvStem(embed_dims)
            if stem == 'conv'
            else PatchEmbed(None, patch_size, embed_dim=embed_dims)
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.cls_pos_embed = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.pos_embed_z = nn.Parameter(torch.zeros(1, self.template_grid**2, embed_dims))
        self.pos_embed_x = nn.Parameter(torch.zeros(1, self.search_grid**2, embed_dims))
        self.temporal_pos_embed_z: nn.Parameter | None = None
        self.temporal_pos_embed_x: nn.Parameter | None = None
        if temporal_embed:
            self.temporal_pos_embed_z = nn.Parameter(torch.randn(1, 1, embed_dims))
            self.temporal_pos_embed_x = nn.Parameter(torch.randn(1, 1, embed_dims))
        norm_layer = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.ModuleList(
            (EliminationBlock if layer in elimination_layers else Block)(
                embed_dims,
                num_heads,
                mlp_ratio,
                qkv_bias=True,
                norm_layer=norm_layer,
                drop_path=drop_path_rate * layer / max(depth - 1, 1),
            )
            for layer in range(depth)
        )
        self.norm = norm_layer(embed_dims)
        self.register_load_state_dict_post_hook(_forget_missing_checkpoint)

    @staticmethod
    def _check(
        embed_dims: int,
        num_heads: int,
        patch_size: int,
        template_size: int,
        search_size: int,
        keep_ratio: float,
        drop_path_rate: float,
        stem: str,
        init_cfg: dict | None,
    ) -> None:
        """Raise ValueError for arguments that do not fit together."""
        if embed_dims % num_heads:
            raise ValueError(
                f'embed_dims ({embed_dims}) must be a multiple of num_heads ({num_heads})'
            )
        for name, size in (
            ('template_size', template_size),
            ('search_size', search_size),
        ):
            if size % patch_size:
                raise ValueError(
                    f'{name} ({size}) must be a multiple of patch_size ({patch_size})'
                )
        if not 0 < keep_ratio <= 1:
            raise ValueError(f'keep_ratio must be in (0, 1], but got {keep_ratio}')
        if not 0 <= drop_path_rate < 1:
            raise ValueError(
                f'drop_path_rate must be in [0, 1), but got {drop_path_rate}'
            )
        if stem not in ('patch', 'conv'):
            raise ValueError(f"stem must be 'patch' or 'conv', but got {stem!r}")
        if stem == 'conv' and patch_size != 16:
            raise ValueError(
                f"stem='conv' has a stride of 16, but patch_size={patch_size}"
            )
        if init_cfg is not None and set(init_cfg) != {'type', 'checkpoint'}:
            raise ValueError(
                "init_cfg must be None or dict(type='Pretrained', "
                f'checkpoint=...), but got {init_cfg}'
            )

    def init_weights(self) -> None:
        """Start from ``init_cfg``'s checkpoint, or from random weights.

        A checkpoint file that is not there is reported, and becomes an error only if
        training starts without other weights having been loaded: a trained tracker
        needs no start weights.
        """
        for name, param in self.named_parameters():
            if name.startswith('temporal_pos_embed'):
                nn.init.normal_(param)
            elif name.startswith(('cls_', 'pos_embed')):
                trunc_normal_(param, std=0.02)
            elif param.dim() == 2:
                # A narrow network learns slowly from ViT's usual 0.02.
                trunc_normal_(param, std=param.shape[1] ** -0.5)
        if self.tied_attention:
            for block in self.blocks:
                queries, keys, _ = block.get_parameter('attn.qkv.weight').data.chunk(3)
                keys.copy_(queries)
        if self.init_cfg is not None:
            self.missing_checkpoint = load_pretrained_vit(
                self,
                self.template_grid,
                self.search_grid,
                self.init_cfg['checkpoint'],
            )

    def forward(
        self,
        templates: Tensor,
        search: Tensor,
        query: Tensor | None = None,
        keep_ratio: float | None = None,
    ) -> ViTOutput:
        """Relate the templates of a target to a search image.

        Args:
            templates: (B, T, 3, h, w) normalised crops of the target.
            search: (B, 3, H, W) normalised search images.
            query: (B, 1, C) track query of the frame before; None at a start.
            keep_ratio: Overrides the ratio of the current mode.

        Returns:
            ViTOutput: Search tokens, track query and kept tokens.
        """
        if keep_ratio is None:
            keep_ratio = self.train_keep_ratio if self.training else self.keep_ratio
        batch, num_templates = templates.shape[:2]
        cls_token = self.cls_token + self.cls_pos_embed
        query = cls_token.expand(batch, -1, -1) if query is None else query + cls_token
        template_tokens = self.patch_embed(templates.flatten(0, 1)) + self.pos_embed_z
        if isinstance(self.patch_embed, ConvStem):
            search_tokens, fine = self.patch_embed.embed(search)
        else:
            search_tokens, fine = self.patch_embed(search), None
        search_tokens = search_tokens + self.pos_embed_x
        if self.temporal_pos_embed_z is not None:
            template_tokens = template_tokens + self.temporal_pos_embed_z
        if self.temporal_pos_embed_x is not None:
            search_tokens = search_tokens + self.temporal_pos_embed_x
        template_tokens = template_tokens.reshape(batch, -1, template_tokens.shape[-1])
        tokens = torch.cat([query, template_tokens, search_tokens], dim=1)

        num_search = search_tokens.shape[1]
        num_before = tokens.shape[1] - num_search
        kept = torch.arange(num_search, device=tokens.device).repeat(batch, 1)
        target_rows = self._target_rows(num_templates, tokens.device)
        again = self.with_cp and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            run = partial(checkpoint, block, use_reentrant=False) if again else block
            if isinstance(block, EliminationBlock):
                num_keep = math.ceil(keep_ratio * kept.shape[1])
                tokens, kept = run(tokens, kept, num_before, target_rows, num_keep)
            else:
                tokens = run(tokens)
        tokens = self.norm(tokens)
        output = self._recover(tokens[:, num_before:], tokens[:, :1], kept, num_search)
        return output._replace(fine=fine)

    def _target_rows(self, num_templates: int, device: torch.device) -> Tensor:
        """(T,) positions of each template's centre token in the sequence."""
        center = (self.template_grid - 1) // 2
        first = 1 + center * self.template_grid + center
        return first + torch.arange(num_templates, device=device) * self.template_grid**2

    @staticmethod
    def _recover(
        search_tokens: Tensor, query: Tensor, kept: Tensor, num_search: int
    ) -> ViTOutput:
        """Return the kept search tokens to their grid places."""
        batch, num_kept, width = search_tokens.shape
        if num_kept == num_search:
            return ViTOutput(
                search_tokens, query, torch.ones_like(kept, dtype=torch.bool)
            )
        index = kept[..., None].expand(-1, -1, width)
        grid = search_tokens.new_zeros(batch, num_search, width)
        mask = torch.zeros(batch, num_search, dtype=torch.bool, device=kept.device)
        return ViTOutput(
            grid.scatter(1, index, search_tokens), query, mask.scatter(1, kept, True)
        )


def _forget_missing_checkpoint(module: SSTrackViT, incompatible_keys: Any) -> None:
    """Weights came from elsewhere: a missing start checkpoint no longer matters."""
    module.missing_checkpoint = None
