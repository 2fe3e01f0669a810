"""What tracking a video gives."""

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.structures.track_result import ResetResult, TrackResult


def test_from_steps():
    steps = [(np.array([1, 2, 3, 4]), 1.0, 0.1), (np.array([2, 3, 4, 5]), 0.5, 0.2)]
    result = TrackResult.from_steps(iter(steps))
    np.testing.assert_array_equal(result.bboxes_xywh, [[1, 2, 3, 4], [2, 3, 4, 5]])
    np.testing.assert_array_equal(result.bboxes_xyxy, [[1, 2, 4, 6], [2, 3, 6, 8]])
    np.testing.assert_array_equal(result.scores, [1, 0.5])
    np.testing.assert_array_equal(result.times, [0.1, 0.2])


def test_no_frames():
    with pytest.raises(DataError, match='no frames'):
        TrackResult.from_steps([])


def test_check_of_trajectories():
    rows = [np.array([1]), np.array([1.0, 2, 3, 4])]
    ResetResult(rows, np.ones(2), np.ones(2)).check(2)
    with pytest.raises(DataError, match=r'\[2, 2, 2\] regions, .* for 3 frames'):
        ResetResult(rows, np.ones(2), np.ones(2)).check(3)
