"""What plugs into mmengine's Runner; importing this package registers it."""

from sstrack_mm.engine.hooks import (
    ClipPositionHook,
    CompileHook,
    IterationSeedHook,
    KeepRatioHook,
    LossGuardHook,
    ProgressBarHook,
    StrictLoadHook,
)
from sstrack_mm.engine.test_loop import SequenceMetric, SequenceTestLoop

__all__ = [
    'ClipPositionHook',
    'CompileHook',
    'IterationSeedHook',
    'KeepRatioHook',
    'LossGuardHook',
    'ProgressBarHook',
    'SequenceMetric',
    'SequenceTestLoop',
    'StrictLoadHook',
]
