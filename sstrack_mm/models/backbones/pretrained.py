"""Start weights for the backbone: DropMAE and MAE files, or a timm model by name."""

import logging
import math
from pathlib import Path

import timm
import torch
from mmengine.logging import print_log
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

TIMM_PREFIX = 'timm://'


def load_pretrained_vit(backbone: nn.Module, checkpoint: str) -> str | None:
    """Copy the weights of a plain ViT into the tracker's backbone.

    The class position becomes ``cls_pos_embed``; the grid of position embeddings is
    resized (bicubic) to the template's and the search image's grid. The decoder of a
    masked autoencoder is dropped. What did not match is logged.

    Args:
        backbone: An :class:`~sstrack_mm.models.backbones.vit.SSTrackViT`.
        checkpoint: A file with ``{'model': state_dict}`` or a plain state dict, or
            ``timm://NAME`` for a timm model with its pretrained weights.

    Returns:
        str | None: The checkpoint if it is not to be had, else None.

    Raises:
        ValueError: Nothing of the checkpoint matched the backbone.
    """
    if checkpoint.startswith(TIMM_PREFIX):
        name = checkpoint.removeprefix(TIMM_PREFIX)
        try:
            timm_model = timm.create_model(name, pretrained=True, num_classes=0)
        except OSError as error:  # no network, and not fetched before
            return _report_missing(checkpoint, error)
        state_dict = timm_model.state_dict()
    elif not Path(checkpoint).is_file():
        return _report_missing(checkpoint, 'no such file')
    else:
        state_dict = torch.load(checkpoint, map_location='cpu', weights_only=True)
        state_dict = state_dict.get('model', state_dict)
    weights, ignored = _convert(state_dict, backbone)
    own = backbone.state_dict()
    matched = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
    if not any(key.startswith('blocks.') for key in matched):
        raise ValueError(
            f'{checkpoint}: none of its transformer weights fit the backbone. It has '
            f'{_name_some(list(state_dict))}; expected names such as '
            f"'blocks.0.attn.qkv.weight' of shape "
            f'{tuple(own["blocks.0.attn.qkv.weight"].shape)}'
        )
    backbone.load_state_dict(matched, strict=False)
    _report(checkpoint, weights, matched, own, ignored)
    return None


def resize_pos_embed(pos_embed: Tensor, grid: int) -> Tensor:
    """Resize position embeddings to another grid, bicubic without antialiasing.

    Args:
        pos_embed: (1, G * G, C).
        grid: Side of the new grid.

    Returns:
        Tensor: (1, grid * grid, C).
    """
    return resample_abs_pos_embed(
        pos_embed,
        new_size=[grid, grid],
        num_prefix_tokens=0,
        interpolation='bicubic',
        antialias=False,
    )


def _report_missing(checkpoint: str, reason: object) -> str:
    _log(
        f'start weights {checkpoint} not found ({reason}): the backbone has random '
        'weights until other weights are loaded',
        logging.WARNING,
    )
    return checkpoint


def _convert(
    state_dict: dict[str, Tensor], backbone: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a plain ViT's weights; also return the keys left out on purpose."""
    weights, ignored = {}, []
    for key, value in state_dict.items():
        if key.startswith('decoder') or key == 'mask_token':
            ignored.append(key)
        elif key == 'pos_embed':
            grid = value[:, value.shape[1] - math.isqrt(value.shape[1]) ** 2 :]
            weights['pos_embed_z'] = resize_pos_embed(grid, backbone.template_grid)
            weights['pos_embed_x'] = resize_pos_embed(grid, backbone.search_grid)
            if grid.shape[1] < value.shape[1]:
                weights['cls_pos_embed'] = value[:, :1]
        else:
            weights[key] = value
    return weights, ignored


def _report(
    checkpoint: str,
    weights: dict[str, Tensor],
    matched: dict[str, Tensor],
    own: dict[str, Tensor],
    ignored: list[str],
) -> None:
    """Log what was loaded and everything that was not."""
    _log(f'{checkpoint}: loaded {len(matched)} of {len(own)} backbone weights')
    groups = {
        'of the backbone, not in the checkpoint (left at their start)': [
            k for k in own if k not in weights
        ],
        'of the checkpoint, with another shape (not loaded)': [
            k for k in weights if k in own and k not in matched
        ],
        'of the checkpoint, unknown to the backbone (not loaded)': [
            k for k in weights if k not in own
        ],
        'of a decoder (dropped)': ignored,
    }
    for what, keys in groups.items():
        if keys:
            _log(f'{checkpoint}: {len(keys)} weights {what}: {_name_some(keys)}')


def _name_some(keys: list[str], most: int = 12) -> str:
    """List keys, the first dozen by name."""
    rest = f' and {len(keys) - most} more' if len(keys) > most else ''
    return ', '.join(keys[:most]) + rest


def _log(message: str, level: int = logging.INFO) -> None:
    print_log(message, logger='current', level=level)
