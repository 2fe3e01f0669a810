"""Hooks."""

from sstrack_mm.engine.hooks.keep_ratio_hook import KeepRatioHook, keep_ratio_at
from sstrack_mm.engine.hooks.progress_hook import ProgressBarHook
from sstrack_mm.engine.hooks.training_hooks import IterationSeedHook, LossGuardHook

__all__ = [
    'IterationSeedHook',
    'KeepRatioHook',
    'LossGuardHook',
    'ProgressBarHook',
    'keep_ratio_at',
]
