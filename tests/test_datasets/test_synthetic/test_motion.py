"""Paths stay inside, at their speed."""

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic.motion import confine, smooth_curve


def test_confined_paths_start_right_stay_inside_and_are_no_faster():
    for seed in range(20):
        curve = 5 * smooth_curve(np.random.default_rng(seed), 500)
        path = confine(10.0, curve, 2.0, 90.0)
        assert path[0] == pytest.approx(10)
        assert path.min() >= 2 and path.max() <= 90
        assert (np.abs(np.diff(path)) <= np.abs(np.diff(curve)).max() + 1e-9).all()


def test_smooth_curves_have_unit_speed():
    speeds = [
        np.diff(smooth_curve(np.random.default_rng(seed), 3000)).std()
        for seed in range(10)
    ]
    np.testing.assert_allclose(speeds, 1, atol=0.1)
