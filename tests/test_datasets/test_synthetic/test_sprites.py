"""Sprites are drawn where they belong."""

import numpy as np

from sstrack_mm.datasets.synthetic.sprites import draw


def test_draw_lays_a_sprite_where_the_map_says_and_clips_it():
    sprite = np.full((5, 4, 4), 255, np.float32)
    sprite[..., :3] = 200
    canvas = np.zeros((20, 30, 3), np.float32)
    draw(canvas, sprite, np.array([[1.0, 0, 7], [0, 1, 3]]))
    draw(canvas, sprite, np.array([[1.0, 0, -2], [0, 1, 18]]))
    draw(canvas, sprite, np.array([[1.0, 0, 300], [0, 1, 3]]))
    expected = np.zeros((20, 30, 3), np.float32)
    expected[3:8, 7:11] = 200
    expected[18:, :2] = 200
    np.testing.assert_allclose(canvas, expected, atol=1e-3)
