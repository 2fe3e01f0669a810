"""Hooks."""

from sstrack_mm.engine.hooks.compile_hook import CompileHook, compile_blocks
from sstrack_mm.engine.hooks.keep_ratio_hook import KeepRatioHook, keep_ratio_at
from sstrack_mm.engine.hooks.label_free_hook import CollapseError, LabelFreeHook
from sstrack_mm.engine.hooks.progress_hook import ProgressBarHook
from sstrack_mm.engine.hooks.strict_load_hook import StrictLoadHook
from sstrack_mm.engine.hooks.training_hooks import (
    ClipPositionHook,
    IterationSeedHook,
    LossGuardHook,
)

__all__ = [
    'ClipPositionHook',
    'CollapseError',
    'CompileHook',
    'IterationSeedHook',
    'KeepRatioHook',
    'LabelFreeHook',
    'LossGuardHook',
    'ProgressBarHook',
    'StrictLoadHook',
    'compile_blocks',
    'keep_ratio_at',
]
