"""Weights by name: found in a checkpoint, freed of prefixes, fitted to a model."""

from collections import Counter
from collections.abc import Callable, Sequence
from os import PathLike

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from sstrack_mm.checkpoints import read_checkpoint
from sstrack_mm.errors import CheckpointError

CONVERTER = 'python tools/model_converters/convert_official.py'
CONTAINERS = ('state_dict', 'model', 'model_state_dict', 'net')
"""Where in a checkpoint its weights may be, in the order in which they are looked for."""
WRAPPERS = ('_orig_mod.', '_fsdp_wrapped_module.', '_checkpoint_wrapped_module.')
"""What wrappers of torch put anywhere into names."""
PREFIXES = ('module.', 'model.', 'ema_model.', 'ema_', 'ema.', 'net.', 'network.')
"""What wrappers and training programs put before names."""
BOOKKEEPING = ('n_averaged', 'steps', 'num_batches_tracked')
"""Last parts of names that are no weights: without them a model computes the same."""
ADAPTERS = ('.lora_A.', '.lora_B.')
"""In names of the weights that :mod:`sstrack_mm.models.lora` adds."""
ADAPTED = '.base_layer.'
"""What peft puts into names of the weights beside them."""


def find_weights(checkpoint: dict, path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: it may be they, or hold them under some key.

    Args:
        checkpoint: As :func:`read_checkpoint` returns it.
        path: Its file, for messages.

    Raises:
        CheckpointError: There are none, or one of them cannot be a weight.
    """
    for found in (*(checkpoint.get(key) for key in CONTAINERS), checkpoint):
        if isinstance(found, dict):
            weights = {k: v for k, v in found.items() if isinstance(v, Tensor)}
            if weights:
                _check_values(weights, path)
                return weights
    raise CheckpointError(
        f'{path}: no weights in it; it has {name_some(list(map(str, checkpoint)))}'
    )


def _check_values(weights: dict[str, Tensor], path: str | PathLike[str]) -> None:
    """Raise a CheckpointError for a tensor without a name, or without numbers."""
    for name, value in weights.items():
        if not isinstance(name, str):
            raise CheckpointError(f'{path}: a weight is named {name!r}, which is no text')
        if value.is_meta or value.is_quantized or value.layout != torch.strided:
            kind = 'meta' if value.is_meta else value.layout
            raise CheckpointError(
                f'{path}: {name} is no plain tensor ({kind}, {value.dtype})'
            )
        if value.is_floating_point() and not value.float().isfinite().all():
            raise CheckpointError(
                f'{path}: {name} has values that are not finite: the training has '
                'diverged. Take a checkpoint from before'
            )


def take_off_prefixes(
    weights: dict[str, Tensor],
    is_known: Callable[[str], bool],
    path: str | PathLike[str],
) -> dict[str, Tensor]:
    """Take what wrappers have put before or into names off, and log it.

    Args:
        weights: Tensors by name.
        is_known: Whether a name is one that is wanted.
        path: Their file, for messages.

    Returns:
        dict[str, Tensor]: The same tensors; names that lead to none that is known stay.

    Raises:
        CheckpointError: There are two weights of one name without the prefixes.
    """
    cleaned: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for name, value in weights.items():
        bare, found = _bare_name(name, is_known)
        if bare in origins:
            raise CheckpointError(
                f'{path}: has a weight twice, as {origins[bare]} and as {name}. Keep one '
                'kind: python tools/model_converters/publish_model.py SRC DST --prefix '
                'PREFIX'
            )
        cleaned[bare], origins[bare] = value, name
        taken.update(found)
    if taken:
        found_prefixes = ', '.join(f'{prefix!r}' for prefix in taken)
        print_log(
            f'{path}: took {found_prefixes} off the names of {max(taken.values())} of '
            f'{len(weights)} weights',
            logger='current',
        )
    return cleaned


def _bare_name(name: str, is_known: Callable[[str], bool]) -> tuple[str, list[str]]:
    """A name without prefixes, and these; unchanged if that leads to none known."""
    bare, found = name, []
    if not is_known(bare):
        found = [wrapper for wrapper in WRAPPERS if wrapper in bare]
        for wrapper in found:
            bare = bare.replace(wrapper, '')
    while not is_known(bare):
        prefix = next((p for p in PREFIXES if bare.startswith(p)), None)
        if prefix is None:
            return name, []
        bare = bare.removeprefix(prefix)
        found.append(prefix)
    return bare, found


def fit_weights(
    checkpoint: dict,
    model: nn.Module,
    path: str | PathLike[str],
    fresh: Sequence[str] = (),
    advice: str = '',
    convert: Callable[[str, Tensor, Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """The weights of a checkpoint under the model's names, all there and all fitting.

    Adapters (:mod:`sstrack_mm.models.lora`) that the model alone has stay as they are.

    Args:
        checkpoint: As :func:`read_checkpoint` returns it.
        model: The model.
        path: The checkpoint's file, for messages.
        fresh: Parts of the model (``head``) that keep the weights they have.
        advice: What else the message is to say where they do not fit.
        convert: Takes the name of a weight, the checkpoint's and the model's, and
            returns what is to be loaded.

    Returns:
        dict[str, Tensor]: A weight for each of the model's.

    Raises:
        CheckpointError: A weight is missing, unexpected or of another shape, or there
            is no such part.
    """
    own = model.state_dict()

    def is_fresh(name: str) -> bool:
        return any(name.startswith(f'{part}.') for part in fresh)

    _check_parts(fresh, own)
    plain = {name.replace(ADAPTED, '.'): name for name in own}
    names = plain | {name: name for name in own}
    found = take_off_prefixes(find_weights(checkpoint, path), names.__contains__, path)
    weights = {
        names.get(name, name): value
        for name, value in found.items()
        if not is_fresh(name) and (name in names or not _is_bookkeeping(name))
    }
    if convert is not None:
        weights = {
            name: convert(name, value, own[name]) if name in own else value
            for name, value in weights.items()
        }
    fresh_adapters = not any(map(_is_adapter, weights))
    weights |= {
        name: value
        for name, value in own.items()
        if is_fresh(name)
        or (name not in weights and _is_bookkeeping(name))
        or (fresh_adapters and _is_adapter(name))
    }
    _check_fit(weights, own, checkpoint, path, advice)
    return weights


def _check_parts(parts: Sequence[str], own: dict[str, Tensor]) -> None:
    """Raise a CheckpointError for a part that a model does not have."""
    for part in parts:
        if not any(name.startswith(f'{part}.') for name in own):
            known = sorted({name.split('.')[0] for name in own})
            raise CheckpointError(
                f'the model has no part {part!r}; it has {", ".join(known)}'
            )


def _is_bookkeeping(name: str) -> bool:
    return name.split('.')[-1] in BOOKKEEPING


def _is_adapter(name: str) -> bool:
    return any(part in name for part in ADAPTERS)


def _check_fit(
    weights: dict[str, Tensor],
    own: dict[str, Tensor],
    checkpoint: dict,
    path: str | PathLike[str],
    advice: str,
) -> None:
    """Raise a CheckpointError that lists what does not fit, and says what to do."""
    missing = [name for name in own if name not in weights]
    unexpected = [name for name in weights if name not in own]
    listed = list_misfits(
        missing, unexpected, other_shapes(weights, own), _other_types(weights, own)
    )
    if not listed:
        return
    meta = checkpoint.get('meta')
    run = meta.get('experiment_name') if isinstance(meta, dict) else None
    if any('box_head.' in name for name in weights):
        way_out = f'It is a published checkpoint: convert it by {CONVERTER} {path} DST'
    elif any(map(_is_adapter, unexpected)):
        way_out = (
            'It has adapters beside its weights: set model.lora.rank as it was, or take '
            'best_label_free.pth of that run, where they are merged'
        )
    elif run is None:
        way_out = 'Give the configuration that it was trained with'
    else:
        way_out = f'It was trained as {run}: give that configuration'
    raise CheckpointError(
        f'{path}: does not fit the model of {len(own)} weights: {listed}. '
        f'{way_out}{advice}'
    )


def other_shapes(weights: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """Name the weights that the model has in another shape, with both shapes."""
    return [
        f'{name}: {tuple(value.shape)} in the file, {tuple(own[name].shape)} here'
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    ]


def _other_types(weights: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """Name the weights that are whole or complex where the model's are real."""
    return [
        f'{name}: {value.dtype} in the file, {own[name].dtype} here'
        for name, value in weights.items()
        if name in own and own[name].is_floating_point() != value.is_floating_point()
    ]


def list_misfits(
    missing: list[str],
    unexpected: list[str],
    shapes: list[str],
    types: Sequence[str] = (),
) -> str:
    """Say how many weights do not fit, with the first few of each kind; '' for none."""
    kinds = {
        'missing': missing,
        'unexpected': unexpected,
        'of another shape': shapes,
        'of another type': list(types),
    }
    return '; '.join(
        f'{len(names)} {kind} ({name_some(names, 3)})'
        for kind, names in kinds.items()
        if names
    )


def load_weights(model: nn.Module, path: str | PathLike[str]) -> dict:
    """Load a checkpoint's weights into a model: all of them, or none.

    Args:
        model: The model.
        path: A ``.pth`` or ``.safetensors`` file.

    Returns:
        dict: The checkpoint, as :func:`read_checkpoint` returns it.

    Raises:
        CheckpointError: The file cannot be read, or does not fit the model.
    """
    checkpoint = read_checkpoint(path)
    model.load_state_dict(fit_weights(checkpoint, model, path))
    return checkpoint


def name_some(names: Sequence[str], most: int = 12) -> str:
    """List names: the first few, and how many there are more."""
    rest = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + rest
