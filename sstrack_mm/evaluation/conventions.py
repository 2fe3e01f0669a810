"""The conventions under which toolkits evaluate the same boxes, as a table of knobs.

What each knob does is said once, in :class:`Convention`; :data:`CONVENTIONS` sets them.
All toolkits agree on the rest: success is an overlap **above** a threshold, precision
an error of **at most** one, and a frame without a valid true box is no success. A true
box of NaN (UAV123 has them where the target is out of view) counts as a hit in
precision, unless the convention leaves invisible frames out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sstrack_mm.evaluation import metrics

FrameTest = Callable[[np.ndarray], np.ndarray]
"""Tells of each true box, (N, 4) ``x, y, w, h``, whether it can be used: (N,) bool."""


def all_frames(gt_xywh: np.ndarray) -> np.ndarray:
    """Every true box is used as it is: (N, 4) xywh to (N,) bool."""
    return np.ones(len(gt_xywh), dtype=bool)


def positive_sides(gt_xywh: np.ndarray) -> np.ndarray:
    """The true box needs a width and a height above 0: (N, 4) xywh to (N,) bool."""
    return np.all(gt_xywh[:, 2:] > 0, axis=1)


def positive_numbers(gt_xywh: np.ndarray) -> np.ndarray:
    """All of x, y, width and height need to be above 0: (N, 4) xywh to (N,) bool."""
    return np.all(gt_xywh > 0, axis=1)


def positive_center(gt_xywh: np.ndarray) -> np.ndarray:
    """Both coordinates of the centre need to be above 0: (N, 4) xywh to (N,) bool."""
    return np.all(metrics.box_centers(gt_xywh) > 0, axis=1)


@dataclass(frozen=True)
class Convention:
    """How one toolkit evaluates.

    Attributes:
        source: Where the convention is from.
        num_thresholds: Thresholds of the success curve, evenly from 0 to 1; AUC is
            the mean of the curve.
        mean: Sequences count the same, or frames do (all frames pooled).
        invisible: Frames in which the target cannot be seen are failures everywhere,
            are left out, or count as any other.
        skip_first: The first frame, whose box was given, is not evaluated.
        first_is_truth: The first prediction is replaced by the true box.
        repeat_empty: A prediction with a side of 0 is replaced by the one before.
        clip_to_image: Both boxes are clipped to the image before the overlap.
        cut_overlap: An overlap that rounding puts above 1 is cut to 1, so that equal
            boxes are never a success at the threshold 1.
        overlap_needs: Frames whose true box does not pass are failures in success.
        center_needs: Frames whose true box does not pass get the next two numbers.
        center_otherwise: Their centre error: -1 is a success, infinity a failure.
        norm_otherwise: Their normalised centre error.
    """

    source: str
    num_thresholds: int = 21
    mean: Literal['sequences', 'frames'] = 'sequences'
    invisible: Literal['fail', 'drop', 'ignore'] = 'fail'
    skip_first: bool = False
    first_is_truth: bool = False
    repeat_empty: bool = False
    clip_to_image: bool = False
    cut_overlap: bool = False
    overlap_needs: FrameTest = positive_sides
    center_needs: FrameTest = positive_sides
    center_otherwise: float = -1
    norm_otherwise: float = -1


CONVENTIONS = {
    'pytracking': Convention(
        source='PyTracking, as it evaluates LaSOT; the papers after DiMP report it',
        first_is_truth=True,
        repeat_empty=True,
        center_otherwise=np.inf,
    ),
    'got10k': Convention(
        source='ExperimentGOT10k of the GOT-10k toolkit 0.1.3; it has AO, SR and the '
        'curve, the centre errors here are of the same frames',
        num_thresholds=101,
        mean='frames',
        invisible='drop',
        skip_first=True,
        clip_to_image=True,
        cut_overlap=True,
        overlap_needs=all_frames,
        center_needs=all_frames,
    ),
    'pysot': Convention(
        source='OPEBenchmark of the PySOT toolkit',
        cut_overlap=True,
        center_needs=positive_center,
    ),
    'otb-matlab': Convention(
        source='the OTB toolkit 1.1 (calcSeqErrRobust.m, genPerfMat.m); its '
        'normalised precision as the LaSOT toolkit added it',
        invisible='ignore',
        first_is_truth=True,
        repeat_empty=True,
        overlap_needs=positive_numbers,
        center_needs=positive_numbers,
    ),
}
"""The conventions of one-pass evaluation. The reset-based one, ``vot2018``, measures
other things on other results: :mod:`sstrack_mm.evaluation.vot`."""

USUAL_CONVENTIONS = {'OPE': 'pytracking', 'AO': 'got10k', 'VOT': 'vot2018'}
"""The convention that each group of metrics is published under."""
