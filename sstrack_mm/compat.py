"""The one place that knows old and new versions of the libraries underneath.

* ``mmcv-lite`` has no compiled operators, yet mmtrack and mmdet import ``mmcv.ops``.
  :func:`install_mmcv_ops_stand_in` puts a module in its place whose operators raise a
  clear error when they are called. SSTrack calls none of them.
"""

import importlib.util
import logging
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

from sstrack_mm.command_line import NOISE, ignore_noise

logger = logging.getLogger(__name__)


class _MissingOp:
    """Stands for one compiled operator; using it says what to install."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            f'{type(self).__name__} is a compiled operator of mmcv.ops, and the '
            'installed mmcv-lite has none; install the full mmcv==2.0.0rc4 to use it. '
            'SSTrack itself needs no such operator.'
        )


class _MissingOps(ModuleType):
    """A module in which every public name is an operator that is not there."""

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)
        op = type(name, (_MissingOp,), {'__module__': self.__name__})
        setattr(self, name, op)
        return op


def mmcv_lacks_ops() -> bool:
    """Whether an mmcv is installed that was built without its compiled operators."""
    spec = importlib.util.find_spec('mmcv')
    if spec is None or spec.origin is None:
        return False  # none of what needs it works, but sstrack_mm.deploy does
    return not any(Path(spec.origin).parent.glob('_ext.*'))


class _MissingOpsFinder(MetaPathFinder, Loader):
    """Imports ``mmcv.ops`` and everything below it as :class:`_MissingOps`."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        if fullname == 'mmcv.ops' or fullname.startswith('mmcv.ops.'):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _MissingOps(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run: names appear as they are asked for."""


def install_mmcv_ops_stand_in() -> bool:
    """Serve ``mmcv.ops`` where mmcv was built without it.

    Returns:
        bool: Whether a stand-in is (now or already) in place.
    """
    if any(isinstance(finder, _MissingOpsFinder) for finder in sys.meta_path):
        return True
    if not mmcv_lacks_ops():
        return False
    sys.meta_path.insert(0, _MissingOpsFinder())
    logger.info(
        'mmcv has no compiled operators (mmcv-lite): a stand-in for mmcv.ops '
        'is in place, whose operators raise ImportError when they are used'
    )
    return True


_MAX_LINES = 5


def quieten() -> None:
    """Keep off the screen what a user can do nothing about.

    mmengine's log file has everything. On the screen there are neither the warnings of
    :data:`~sstrack_mm.command_line.NOISE` nor the records of many lines: the
    environment, the configuration, the hooks.
    """
    from mmengine.logging import MMLogger

    ignore_noise()
    if MMLogger.callHandlers is not _call_handlers:
        MMLogger.callHandlers = _call_handlers


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Take the place of the method of mmengine's logger."""
    text = record.getMessage()
    quiet = any(message in text for message in NOISE)
    if record.levelno <= logging.INFO:
        quiet |= text.count('\n') > _MAX_LINES
    for handler in logger.handlers:
        in_file = isinstance(handler, logging.FileHandler)
        if record.levelno >= handler.level and (in_file or not quiet):
            handler.handle(record)


def init_process_group_without_cuda(launcher: str) -> None:
    """Start gloo where there is no CUDA device; mmengine's launcher demands one.

    Args:
        launcher: ``'pytorch'`` (torchrun's variables) or ``'slurm'``; with ``'none'``,
            or where CUDA is there, nothing is done.
    """
    import torch

    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher == 'slurm':
        os.environ.update(
            RANK=os.environ['SLURM_PROCID'],
            WORLD_SIZE=os.environ['SLURM_NTASKS'],
            LOCAL_RANK=os.environ['SLURM_LOCALID'],
        )
    torch.distributed.init_process_group('gloo')


def gather_with_gradient(tensor: 'Tensor') -> 'Tensor':
    """The tensors of all ranks, one after the other; gradients return to their ranks.

    Args:
        tensor: (N, ...), of the same shape on every rank.

    Returns:
        Tensor: (world size * N, ...).
    """
    from torch.distributed import _functional_collectives as collectives
    from torch.distributed import group

    world: Any = group.WORLD  # torch's versions differ in what type it has
    # The name since torch 2.13, and that before.
    gather = getattr(collectives, 'all_gather_single_autograd', None)
    if gather is None:
        gather = collectives.all_gather_tensor_autograd
    return collectives.wait_tensor(gather(tensor.contiguous(), 0, world))
