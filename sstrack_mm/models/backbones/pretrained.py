"""Start weights for the backbone: DropMAE and MAE files, or a timm model by name."""

import logging
import math
from pathlib import Path

import timm
from mmengine.logging import print_log
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from sstrack_mm.checkpoints import read_checkpoint
from sstrack_mm.errors import CheckpointError
from sstrack_mm.weights import (
    find_weights,
    list_misfits,
    name_some,
    other_shapes,
    take_off_prefixes,
)

TIMM_PREFIX = 'timm://'


def load_pretrained_vit(
    backbone: nn.Module, template_grid: int, search_grid: int, checkpoint: str
) -> str | None:
    """Copy the weights of a plain ViT into the tracker's backbone.

    The class position becomes ``cls_pos_embed``; the grid of position embeddings is
    resized (bicubic) to the template's and the search image's grid. The decoder of a
    masked autoencoder is dropped. The weights of all blocks have to be there, and what is
    there has to fit; the rest of what did not match is logged.

    Args:
        backbone: The network, with a plain ViT's names of blocks.
        template_grid: Tokens on a side of the template.
        search_grid: Tokens on a side of the search image.
        checkpoint: A ``.pth`` or ``.safetensors`` file with a state dict, plain or under
            ``model`` or the like, or ``timm://NAME`` for a timm model with its
            pretrained weights.

    Returns:
        str | None: The checkpoint if it is not to be had, else None.

    Raises:
        CheckpointError: The file cannot be read, or is of another network.
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
        state_dict = find_weights(read_checkpoint(checkpoint), checkpoint)
    own = backbone.state_dict()
    state_dict = take_off_prefixes(
        state_dict, lambda name: name in own or name == 'pos_embed', checkpoint
    )
    weights, ignored = _convert(state_dict, template_grid, search_grid)
    _check_fit(checkpoint, state_dict, weights, own)
    matched = {k: v for k, v in weights.items() if k in own}
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


def fit_pos_embed(name: str, value: Tensor, own: Tensor) -> Tensor:
    """A weight as the model has room for it: position embeddings change their grid.

    Args:
        name: The weight's.
        value: As a network of another size of images has it.
        own: As this one does.

    Returns:
        Tensor: ``value``; position embeddings, (1, G * G, C), on the grid of ``own``.
    """
    if name.endswith(('.pos_embed_z', '.pos_embed_x')) and value.shape != own.shape:
        return resize_pos_embed(value, math.isqrt(own.shape[1]))
    return value


def start_weights_missing(checkpoint: str) -> FileNotFoundError:
    """The error where the configured start weights are not there, with the ways out."""
    return FileNotFoundError(
        f'start weights {checkpoint} not found. Put the file there, name another one '
        'with model.backbone.init_cfg.checkpoint=PATH, or train from random weights with '
        'model.backbone.init_cfg=None'
    )


def _report_missing(checkpoint: str, reason: object) -> str:
    _log(
        f'start weights {checkpoint} not found ({reason}): the backbone has random '
        'weights until other weights are loaded',
        logging.WARNING,
    )
    return checkpoint


def _convert(
    state_dict: dict[str, Tensor], template_grid: int, search_grid: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a plain ViT's weights; also return the keys left out on purpose."""
    weights, ignored = {}, []
    for key, value in state_dict.items():
        if key.startswith('decoder') or key == 'mask_token':
            ignored.append(key)
        elif key == 'pos_embed':
            grid = value[:, value.shape[1] - math.isqrt(value.shape[1]) ** 2 :]
            weights['pos_embed_z'] = resize_pos_embed(grid, template_grid)
            weights['pos_embed_x'] = resize_pos_embed(grid, search_grid)
            if grid.shape[1] < value.shape[1]:
                weights['cls_pos_embed'] = value[:, :1]
        else:
            weights[key] = value
    return weights, ignored


def _check_fit(
    checkpoint: str,
    state_dict: dict[str, Tensor],
    weights: dict[str, Tensor],
    own: dict[str, Tensor],
) -> None:
    """Raise CheckpointError where a block is not whole, or a weight has another shape."""
    missing = [k for k in own if k.startswith('blocks.') and k not in weights]
    listed = list_misfits(missing, [], other_shapes(weights, own))
    if listed:
        raise CheckpointError(
            f'{checkpoint}: does not fit the backbone: {listed}. The file has '
            f'{name_some(list(state_dict), 3)}; expected the weights of a plain ViT of '
            "the backbone's width and depth"
        )


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
        'of the checkpoint, unknown to the backbone (not loaded)': [
            k for k in weights if k not in own
        ],
        'of a decoder (dropped)': ignored,
    }
    for what, keys in groups.items():
        if keys:
            _log(f'{checkpoint}: {len(keys)} weights {what}: {name_some(keys)}')


def _log(message: str, level: int = logging.INFO) -> None:
    print_log(message, logger='current', level=level)
