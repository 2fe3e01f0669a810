"""From a predicted box to the next one."""

import numpy as np
import pytest

from sstrack_mm.tracking import TrackSettings
from sstrack_mm.tracking.policy import (
    clip_to_image,
    correct_box,
    damp_size,
    measure_error,
    update_box,
)


class TestUpdateBox:
    LAST = np.array([100.0, 80, 20, 20])  # its search window: 80 pixels, from (70, 50)

    def update(self, bbox_cxcywh_norm, **settings):
        return update_box(
            np.array(bbox_cxcywh_norm),
            self.LAST,
            256,
            (320, 240),
            TrackSettings(**settings),
        )

    def test_centre_of_the_window_is_the_last_box(self):
        np.testing.assert_allclose(self.update([0.5, 0.5, 0.25, 0.25]), self.LAST)

    def test_moved_and_grown(self):
        box = self.update([0.75, 0.25, 0.5, 0.25])
        np.testing.assert_allclose(box, [130 - 20, 70 - 10, 40, 20])

    def test_settings(self):
        """A window twice as large, and a size that stays."""
        box = self.update([0.75, 0.25, 0.5, 0.25], search_factor=8.0, size_lr=0.0)
        np.testing.assert_allclose(box, [150 - 10, 50 - 10, 20, 20])

    def test_clipped(self):
        box = update_box(
            np.array([0.0, 0.0, 0.5, 0.5]),
            np.array([10.0, 10, 20, 20]),
            256,
            (320, 240),
            TrackSettings(),
        )
        np.testing.assert_allclose(box, [0, 0, 10, 10])


class TestDampSize:
    LAST = np.array([5.0, 5, 10, 40])

    @pytest.mark.parametrize('lr', [0, 0.3, 1])
    def test_is_a_geometric_mean(self, lr):
        x, y, w, h = damp_size(np.array([20.0, 30, 20, 10]), self.LAST, lr)
        assert (w, h) == pytest.approx((10 * 2**lr, 40 * 0.25**lr))
        assert (x + w / 2, y + h / 2) == pytest.approx((30, 35))

    def test_one_changes_nothing(self):
        bbox = np.array([0.1, 0.2, 1 / 3, 1 / 7])
        np.testing.assert_array_equal(damp_size(bbox, self.LAST, 1.0), bbox)


class TestClipToImage:
    def test_inside_stays(self):
        np.testing.assert_array_equal(
            clip_to_image(np.array([20.0, 30, 40, 50]), (100, 100)), [20, 30, 40, 50]
        )

    @pytest.mark.parametrize(
        'bbox_xywh, expected',
        [
            ((-30, 10, 40, 20), (0, 10, 10, 20)),
            ((-100, 10, 40, 20), (0, 10, 10, 20)),
            ((95, 90, 40, 20), (90, 80, 10, 10)),
            ((200, 10, 40, 20), (90, 10, 10, 20)),
            ((50, 50, 2, 3), (50, 50, 10, 10)),
            ((-10, -10, 300, 300), (0, 0, 100, 90)),
        ],
    )
    def test_limits(self, bbox_xywh, expected):
        clipped = clip_to_image(np.array(bbox_xywh, float), (100, 90))
        np.testing.assert_array_equal(clipped, expected)


class TestCalibration:
    FOUND = np.array([100.0, 80, 20, 40])

    def test_correction_undoes_the_error(self):
        true = np.array([103.0, 84, 30, 32])
        error = measure_error(self.FOUND, true)
        np.testing.assert_allclose(error[:2], (0.3, 0))  # 8 of 20, bounded
        np.testing.assert_allclose(error[2:], np.log([1.5, 0.8]))
        near = np.array([99.0, 76, 24, 50])
        np.testing.assert_allclose(
            correct_box(self.FOUND, measure_error(self.FOUND, near)), near
        )

    def test_bounds(self):
        error = measure_error(self.FOUND, np.array([80.0, 80, 100, 40]))
        np.testing.assert_allclose(error, [0.3, 0, np.log(2), 0])

    def test_found_elsewhere(self):
        assert not measure_error(self.FOUND, np.array([200.0, 80, 20, 40])).any()

    def test_share_that_is_corrected(self):
        error = np.array([0, 0, np.log(2), 0])
        last = np.array([100.0, 80, 20, 20])
        for share, width in ((0.0, 20), (0.5, 20 * 2**0.5), (1.0, 40)):
            box = update_box(
                np.array([0.5, 0.5, 0.25, 0.25]),
                last,
                256,
                (320, 240),
                TrackSettings(calibration=share),
                error,
            )
            assert box[2] == pytest.approx(width)
            assert box[0] + box[2] / 2 == pytest.approx(110)
