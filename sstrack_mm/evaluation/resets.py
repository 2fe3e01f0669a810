"""Tracking with resets: the run that :mod:`sstrack_mm.evaluation.vot` evaluates."""

import time
from typing import Any

import numpy as np
import torch
from mmtrack.structures.bbox import quad2bbox_cxcywh

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import RESET_LAYOUT
from sstrack_mm.evaluation.runner import Experiment
from sstrack_mm.evaluation.vot import (
    FAILED,
    INITIALISED,
    SKIPPED,
    Trajectory,
    load_regions,
    region_overlap,
)
from sstrack_mm.frames import read_image
from sstrack_mm.structures.track_result import ResetResult

WITH_RESETS = Experiment(load_regions, RESET_LAYOUT)
RESTART_AFTER = 5
"""Frames from a failure to the next start."""


def track_with_resets(
    model: Any, frame_paths: list[str], regions: Trajectory
) -> ResetResult:
    """Track a target; after each failure start again from its true region.

    A failure is a box that has no pixel in common with the true region.

    Args:
        model: The tracker, with ``init_state`` and ``track_step``.
        frame_paths: Files of the N frames; those that are skipped are not read.
        regions: The true regions of the N frames, as
            :func:`~sstrack_mm.evaluation.vot.load_regions` reads them.

    Returns:
        ResetResult: The trajectory, scores and times.
    """
    steps, state, next_start = [], None, 0
    for frame_id, (path, region) in enumerate(zip(frame_paths, regions, strict=True)):
        if frame_id < next_start:
            steps.append((np.array([SKIPPED]), 0.0, 0.0))
            continue
        frame = read_image(path)
        start_time = time.perf_counter()
        if frame_id == next_start:
            state = model.init_state(frame, start_box(region))
            entry = np.array([INITIALISED])
        else:
            state = model.track_step(frame, state)
            entry = state.bbox_xywh
        seconds = time.perf_counter() - start_time
        if frame_id > next_start and _has_failed(entry, region, frame, frame_id):
            entry, next_start = np.array([FAILED]), frame_id + RESTART_AFTER
        steps.append((entry, state.score, seconds))
    trajectory, scores, times = zip(*steps, strict=True)
    return ResetResult(list(trajectory), np.array(scores), np.array(times))


def _has_failed(
    bbox_xywh: np.ndarray, region: np.ndarray, frame: np.ndarray, frame_id: int
) -> bool:
    if not np.isfinite(bbox_xywh).all():
        raise DataError(
            f'the tracker gave a box that is not finite in frame {frame_id} (counted '
            f'from 0): {bbox_xywh}'
        )
    return region_overlap(bbox_xywh, region, (frame.shape[1], frame.shape[0])) == 0


def start_box(region: np.ndarray) -> np.ndarray:
    """The box that a tracker of boxes is started from.

    Args:
        region: (4,) ``x, y, w, h``, or (8,) the corners of a polygon.

    Returns:
        np.ndarray: (4,) ``x, y, w, h``; of a polygon, the axis-aligned box around its
        mean corner, as large as the polygon, as PySOT and mmtrack start from it.
    """
    if len(region) == 4:
        return region
    cx, cy, w, h = quad2bbox_cxcywh(torch.from_numpy(region)).tolist()
    return np.array([cx - w / 2, cy - h / 2, w, h])
