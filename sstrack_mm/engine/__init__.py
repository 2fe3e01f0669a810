"""What plugs into mmengine's Runner; importing this package registers it."""

from sstrack_mm.compat import allow_checkpoint_globals
from sstrack_mm.engine.hooks import (
    CompileHook,
    IterationSeedHook,
    KeepRatioHook,
    LossGuardHook,
    ProgressBarHook,
)
from sstrack_mm.engine.test_loop import SequenceMetric, SequenceTestLoop

allow_checkpoint_globals()

__all__ = [
    'CompileHook',
    'IterationSeedHook',
    'KeepRatioHook',
    'LossGuardHook',
    'ProgressBarHook',
    'SequenceMetric',
    'SequenceTestLoop',
]
