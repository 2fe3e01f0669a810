import numpy as np
import pytest

from sstrack_mm.evaluation import metrics


def test_overlaps_by_hand():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0.0]])
    others = np.array([[5, 0, 10, 10], [20, 20, 5, 5], [2, 2, 5, 4], [0, 0, 0, 5.0]])
    np.testing.assert_allclose(metrics.overlaps(boxes, others), [50 / 150, 0, 0.2, 0])


def test_overlaps_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    boxes, others = rng.uniform(0, 50, (2, 200, 4))
    np.testing.assert_array_equal(
        metrics.overlaps(boxes, others), metrics.overlaps(others, boxes)
    )


def test_overlap_with_nan_is_nan():
    boxes = np.array([[0, 0, np.nan, 10]])
    assert np.isnan(metrics.overlaps(boxes, np.ones((1, 4)))).all()


def test_centers_and_errors_by_hand():
    boxes = np.array([[10, 20, 5, 7.0]])
    truth = np.array([[13, 24, 5, 7.0]])
    np.testing.assert_allclose(metrics.box_centers(boxes), [[12, 23]])
    assert metrics.center_errors(boxes, truth) == pytest.approx([5])
    assert metrics.norm_center_errors(boxes, truth) == pytest.approx(
        [np.hypot(3 / 5, 4 / 7)]
    )


def test_success_is_above_a_threshold():
    curve = metrics.success_curve(np.array([0, 0.5, 1, -1]), 5)
    np.testing.assert_allclose(curve, [0.5, 0.5, 0.25, 0.25, 0])


def test_precision_is_at_most_a_threshold():
    curve = metrics.precision_curve(
        np.array([0, 20, 20.1, np.inf, -1]), metrics.PIXEL_THRESHOLDS
    )
    assert curve.shape == (51,)
    np.testing.assert_allclose(curve[[0, 19, 20, 21, 50]], [0.4, 0.4, 0.6, 0.8, 0.8])


def test_clipping_keeps_the_width_of_a_box_moved_in():
    clipped = metrics.clip_boxes(
        np.array([[-5, 90, 20, 30], [95, -3, 20, 5.0]]), (100, 100)
    )
    np.testing.assert_array_equal(clipped, [[0, 90, 20, 10], [95, 0, 5, 5]])
