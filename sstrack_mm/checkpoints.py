"""Checkpoints: read without running anything they carry, and written.

Everything that loads weights comes here: importing this module also makes it the reader
of files of mmengine's ``Runner`` and ``load_checkpoint``. :mod:`sstrack_mm.weights` fits
what was read to a model.

``.pth`` files are read with ``weights_only=True``, whatever torch's default or the
environment says. What a training program has put beside the weights (an
``argparse.Namespace``, say) is read as placeholders without content.
"""

import io
import json
import pickle
from collections import OrderedDict
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch.serialization import safe_globals

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import CheckpointError

UNUSED = 'unused.'
PRESENCE = 'presence'
"""Where in ``meta`` a :class:`~sstrack_mm.tracking.presence.PresenceModel` is."""


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


@CheckpointLoader.register_scheme('', force=True)
def load_from_local(
    filename: str, map_location: str | torch.device | None = None
) -> dict:
    """Read a checkpoint for mmengine, which logs this function's name."""
    return read_checkpoint(filename, map_location)
