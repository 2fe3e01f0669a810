"""Helpers of the evaluation tests."""

import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in for mmcv.ops)
