"""Checkpoints: read without running anything they carry, written, fitted to a model.

Everything that loads weights comes here: importing this module also makes it the reader
of files of mmengine's ``Runner`` and ``load_checkpoint``.

``.pth`` files are read with ``weights_only=True``, whatever torch's default or the
environment says. What a training program has put beside the weights (an
``argparse.Namespace``, say) is read as placeholders without content.
"""

import io
import json
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor, nn
from torch.serialization import safe_globals

from sstrack_mm.disk import write_atomically
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
UNUSED = 'unused.'


class Placeholder:
    """Takes the place of a pickled object that is not read: no code of it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> 'Placeholder':
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Take an item, as a list would."""

    def extend(self, items: Any) -> None:
        """Take items, as a list would."""

    def add(self, item: Any) -> None:
        """Take an item, as a set would."""


class _TensorsOnly(pickle.Unpickler):
    """Unpickles tensors and containers; all else becomes :class:`Placeholder`."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if module == 'torch._utils' and name in (
            '_rebuild_tensor_v2',
            '_rebuild_parameter',
        ):
            return getattr(torch._utils, name)
        if module == 'torch':
            found = getattr(torch, name, None)
            if isinstance(found, torch.dtype) or name in ('Size', 'device'):
                return found
            if isinstance(found, type) and name.endswith('Storage'):
                return found
        return type(name, (Placeholder,), {})


def read_checkpoint(
    path: str | PathLike[str], map_location: str | torch.device | None = 'cpu'
) -> dict:
    """Read a ``.pth`` or ``.safetensors`` file, told apart by their content.

    Args:
        path: The file.
        map_location: The device of the tensors.

    Returns:
        dict: The checkpoint. Objects that are neither tensors nor numbers, text,
        containers or mmengine's histories of scalars are :class:`Placeholder`. A
        safetensors file gives ``state_dict`` (``net``, of a published one), and ``meta``
        and ``unused`` where :func:`write_checkpoint` put them.

    Raises:
        CheckpointError: The file is missing, cut short or no checkpoint.
    """
    map_location = map_location or 'cpu'
    try:
        with open(path, 'rb') as file:
            start = file.read(9)
    except OSError as error:
        raise CheckpointError(f'{path}: cannot be read ({error.strerror})') from None
    if start[8:] == b'{':  # after the length of the header
        checkpoint = _read_safetensors(path, str(map_location))
    else:
        checkpoint = _read_torch(path, map_location)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path}: expected a checkpoint, but it holds a {type(checkpoint).__name__}'
        )
    return checkpoint


def _read_torch(path: str | PathLike[str], map_location: str | torch.device) -> Any:
    try:
        # A file, not its path, by whose end torch would choose the format.
        with open(path, 'rb') as file, safe_globals(_training_globals()):
            return torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        return _read_inert(path, map_location)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # damaged files raise whatever their bytes lead to
        raise _unreadable(path, error) from None


def _read_inert(path: str | PathLike[str], map_location: str | torch.device) -> Any:
    """Read with placeholders for all that is no tensor."""
    module = SimpleNamespace(
        __name__='tensors_only',
        Unpickler=_TensorsOnly,
        load=lambda file, **kwargs: _TensorsOnly(file, **kwargs).load(),
    )
    try:
        with open(path, 'rb') as file:
            return torch.load(
                file, map_location=map_location, weights_only=False, pickle_module=module
            )
    except Exception as error:  # as above
        raise _unreadable(path, error) from None


def _unreadable(path: str | PathLike[str], error: Exception) -> CheckpointError:
    """The error of a file that torch cannot read, without torch's advice."""
    lines = str(error).splitlines() or [type(error).__name__]
    reason = '' if 'weights_only' in lines[0] else f' ({lines[0]})'
    return CheckpointError(f'{path}: not a checkpoint, or cut short{reason}')


def _training_globals() -> list:
    """What torch must be told that a checkpoint of mmengine's may hold.

    That is the history of the logged scalars: a class of mmengine around numpy arrays of
    numbers and four of its own methods.
    """

    def get_statistic(owner: type, name: str) -> Any:
        """Take the place of ``getattr``, for nothing but the history's methods."""
        if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
            raise pickle.UnpicklingError(f'{owner!r}.{name} is no statistic')
        return getattr(owner, name)

    dtypes = {type(np.dtype(name)) for name in ('float32', 'float64', 'int32', 'int64')}
    return [
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *dtypes,
        np.zeros(0).__reduce__()[0],  # the functions that rebuild arrays and scalars
        np.float64(0).__reduce__()[0],
        (get_statistic, 'builtins.getattr'),
    ]


def _read_safetensors(path: str | PathLike[str], device: str) -> dict:
    try:
        with safe_open(path, framework='pt', device=device) as file:
            tensors = OrderedDict((name, file.get_tensor(name)) for name in file.keys())
            ours = json.loads((file.metadata() or {}).get('sstrack_mm', '{}'))
            container, rest = (
                ours.get('weights', 'state_dict'),
                dict(ours.get('rest', {})),
            )
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f'{path}: not a safetensors file, or cut short ({error})'
        ) from None
    unused = OrderedDict(
        (name.removeprefix(UNUSED), tensors.pop(name))
        for name in list(tensors)
        if name.startswith(UNUSED)
    )
    return rest | {container: tensors} | (dict(unused=unused) if unused else {})


def write_checkpoint(checkpoint: dict, path: Path) -> None:
    """Write a checkpoint of weights, whole or not at all.

    Args:
        checkpoint: ``state_dict`` or ``net``, the weights; to a safetensors file else
            only ``unused``, more tensors, and what JSON can hold.
        path: The file; one that ends in ``.safetensors`` is written so, any other by
            torch.

    Raises:
        FullDiskError: The disk is full.
    """
    if path.suffix == '.safetensors':
        content = _to_safetensors(checkpoint)
    else:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
    write_atomically(path, content)


def _to_safetensors(checkpoint: dict) -> bytes:
    rest = dict(checkpoint)
    key = 'net' if 'net' in rest else 'state_dict'
    tensors = dict(rest.pop(key))
    tensors |= {UNUSED + name: value for name, value in rest.pop('unused', {}).items()}
    # Copied, since in this format no two tensors can share their memory.
    tensors = {
        name: value.detach().contiguous().clone() for name, value in tensors.items()
    }
    ours = json.dumps(dict(weights=key, rest=rest))
    return safetensors.save(tensors, dict(format='pt', sstrack_mm=ours))


def find_weights(checkpoint: dict, path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: it may be they, or hold them under some key.

    Args:
        checkpoint: As :func:`read_checkpoint` returns it.
        path: Its file, for messages.

    Raises:
        CheckpointError: There are none.
    """
    for found in (*(checkpoint.get(key) for key in CONTAINERS), checkpoint):
        if isinstance(found, dict):
            weights = {k: v for k, v in found.items() if isinstance(v, Tensor)}
            if weights:
                return weights
    raise CheckpointError(
        f'{path}: no weights in it; it has {name_some(list(map(str, checkpoint)))}'
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
) -> dict[str, Tensor]:
    """The weights of a checkpoint under the model's names, all there and all fitting.

    Args:
        checkpoint: As :func:`read_checkpoint` returns it.
        model: The model.
        path: The checkpoint's file, for messages.
        fresh: Parts of the model (``head``) that keep the weights they have.
        advice: What else the message is to say where they do not fit.

    Returns:
        dict[str, Tensor]: A weight for each of the model's.

    Raises:
        CheckpointError: A weight is missing, unexpected or of another shape, or there
            is no such part.
    """
    own = model.state_dict()

    def is_fresh(name: str) -> bool:
        return any(name.startswith(f'{part}.') for part in fresh)

    for part in fresh:
        if not any(name.startswith(f'{part}.') for name in own):
            parts = sorted({name.split('.')[0] for name in own})
            raise CheckpointError(
                f'the model has no part {part!r}; it has {", ".join(parts)}'
            )
    found = take_off_prefixes(find_weights(checkpoint, path), own.__contains__, path)
    weights = {
        name: value
        for name, value in found.items()
        if not is_fresh(name) and (name in own or name.split('.')[-1] not in BOOKKEEPING)
    }
    weights |= {
        name: value
        for name, value in own.items()
        if is_fresh(name) or (name not in weights and name.split('.')[-1] in BOOKKEEPING)
    }
    _check_fit(weights, own, checkpoint, path, advice)
    return weights


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
    listed = list_misfits(missing, unexpected, other_shapes(weights, own))
    if not listed:
        return
    meta = checkpoint.get('meta')
    run = meta.get('experiment_name') if isinstance(meta, dict) else None
    if any('box_head.' in name for name in weights):
        way_out = f'It is a published checkpoint: convert it by {CONVERTER} {path} DST'
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


def list_misfits(missing: list[str], unexpected: list[str], shapes: list[str]) -> str:
    """Say how many weights do not fit, with the first few of each kind; '' for none."""
    kinds = {'missing': missing, 'unexpected': unexpected, 'of another shape': shapes}
    return '; '.join(
        f'{len(names)} {kind} ({name_some(names, 3)})'
        for kind, names in kinds.items()
        if names
    )


def load_weights(model: nn.Module, path: str | PathLike[str]) -> None:
    """Load a checkpoint's weights into a model: all of them, or none.

    Args:
        model: The model.
        path: A ``.pth`` or ``.safetensors`` file.

    Raises:
        CheckpointError: The file cannot be read, or does not fit the model.
    """
    model.load_state_dict(fit_weights(read_checkpoint(path), model, path))


def name_some(names: Sequence[str], most: int = 12) -> str:
    """List names: the first few, and how many there are more."""
    rest = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + rest


@CheckpointLoader.register_scheme('', force=True)
def load_from_local(
    filename: str, map_location: str | torch.device | None = None
) -> dict:
    """Read a checkpoint for mmengine, which logs this function's name."""
    return read_checkpoint(filename, map_location)
