"""The camera blurs, and finds its way back."""

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic.camera import Camera, smear


def test_smear_keeps_brightness_and_direction():
    picture = np.zeros((41, 41), np.float32)
    picture[20, 20] = 100
    smeared = smear(picture, np.array([10.0, 0.0]))
    assert smeared.sum() == pytest.approx(100, rel=1e-3)
    rows, columns = np.nonzero(smeared > 1)
    assert np.ptp(columns) in (9, 10, 11) and np.ptp(rows) <= 2
    assert smear(picture, np.array([0.5, 0.5])) is picture


def test_camera_finds_its_way_back_to_the_world():
    camera = Camera(np.random.default_rng(3), 20, (160, 120), (256, 192))
    place = camera.to_world(np.array([30.0, 40.0]), 7)
    np.testing.assert_allclose(camera.from_world[7] @ [*place, 1], [30, 40])
    np.testing.assert_array_equal(camera.shake[0], 0)
