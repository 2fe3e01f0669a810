"""What plugs into mmengine's Runner; importing this package registers it."""

from sstrack_mm.engine.hooks import (
    CompileHook,
    IterationSeedHook,
    KeepRatioHook,
    LossGuardHook,
    ProgressBarHook,
    StrictLoadHook,
)

__all__ = [
    'CompileHook',
    'IterationSeedHook',
    'KeepRatioHook',
    'LossGuardHook',
    'ProgressBarHook',
    'StrictLoadHook',
]
