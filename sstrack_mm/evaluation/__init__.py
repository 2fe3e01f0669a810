"""Metrics under named conventions, results on disk, and the runs that make them."""

from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.evaluation.report import (
    METRIC_GROUPS,
    METRICS,
    Report,
    bootstrap,
    paired_difference,
)

__all__ = [
    'CONVENTIONS',
    'METRICS',
    'METRIC_GROUPS',
    'Report',
    'bootstrap',
    'evaluate',
    'paired_difference',
]
