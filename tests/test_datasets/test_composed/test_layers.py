"""Layers: where they are drawn, with which boxes."""

import numpy as np
import pytest

from sstrack_mm.datasets.composed.layers import (
    Course,
    Layer,
    bent,
    cut_out,
    near,
    random_course,
    random_source_box,
    recoloured,
)
from sstrack_mm.datasets.synthetic.sprites import ellipse_outline

SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])


def red_sprite(width=20, height=10, margin=4):
    """An opaque red rectangle in a transparent margin."""
    sprite = np.zeros((height + 2 * margin, width + 2 * margin, 4), np.uint8)
    sprite[margin:-margin, margin:-margin] = (200, 0, 0, 255)
    return sprite


def place(xy, size, angle=0.0, squeeze=1.0):
    """A layer of one frame with a 20 x 10 rectangle."""
    course = Course(
        np.array([xy], float), np.array([size]), np.array([angle]), np.array([squeeze])
    )
    sprite = red_sprite()
    wh = np.array(sprite.shape[1::-1])
    return Layer([sprite], course.affines(np.array([20, 10]), wh), [0.0])


@pytest.mark.parametrize('scale', [1, 2])
def test_box_is_where_it_was_drawn(scale):
    image = np.full((80, 100, 3), 50, np.uint8)
    bbox = place((50, 40), scale * 200**0.5).draw(image, 0)
    np.testing.assert_allclose(bbox[2:], (20 * scale, 10 * scale), atol=1)
    np.testing.assert_allclose(bbox[:2] + bbox[2:] / 2, (50, 40), atol=1)
    x, y, w, h = bbox.astype(int)
    inside = image[y + 1 : y + h - 1, x + 1 : x + w - 1]
    assert (inside == (200, 0, 0)).all()
    image[y - 1 : y + h + 1, x - 1 : x + w + 1] = 50
    assert (image == 50).all()


def test_turned_box():
    image = np.zeros((80, 100, 3), np.uint8)
    bbox = place((50, 40), 200**0.5, angle=np.pi / 2).draw(image, 0)
    np.testing.assert_allclose(bbox[2:], (10, 20), atol=1)


def test_box_is_cut_at_the_image_and_empty_outside():
    image = np.zeros((40, 40, 3), np.uint8)
    bbox = place((0, 20), 200**0.5).draw(image, 0)
    assert bbox[0] == 0 and 8 <= bbox[2] <= 11
    assert place((-50, 20), 200**0.5).draw(image, 0)[2:].tolist() == [0, 0]


def test_blur_spreads():
    sharp, soft = (np.zeros((80, 100, 3), np.uint8) for _ in range(2))
    layer = place((50, 40), 200**0.5)
    layer.draw(sharp, 0)
    Layer(layer.sprites, layer.affines, [2.0]).draw(soft, 0)
    assert (soft > 0).sum() > (sharp > 0).sum() and soft.max() < sharp.max()


def test_course_stays_in_the_image():
    rng = np.random.default_rng(0)
    for _ in range(200):
        course = random_course(rng, (160, 120), 3)
        assert (course.xy >= 0).all() and (course.xy <= (160, 120)).all()
        assert (course.size > 0).all() and course.size[0] <= 40


def test_neighbours_keep_their_distance():
    rng = np.random.default_rng(0)
    for _ in range(50):
        course = random_course(rng, (160, 120), 3)
        other = near(rng, course, (0.8, 2.0), 0.5)
        distance = np.linalg.norm(other.xy - course.xy, axis=1) / course.size
        assert (distance >= 0.8 - 1e-9).all() and (distance <= 2 + 1e-9).all()
        np.testing.assert_allclose(other.size, 0.5 * course.size)


def test_cut_out():
    image = np.random.default_rng(0).integers(1, 255, (40, 50, 3), dtype=np.uint8)
    sprite = cut_out(image, np.array([10, 12, 16, 14]), SQUARE, 0.0)
    assert sprite.shape == (18, 20, 4)
    np.testing.assert_array_equal(sprite[6:12, 6:14, :3], image[16:22, 14:22])
    assert (sprite[6:12, 6:14, 3] == 255).all()
    assert (sprite[[0, -1], :, 3] == 0).all() and (sprite[:, [0, -1], 3] == 0).all()
    ellipse = cut_out(image, np.array([10, 12, 16, 14]), ellipse_outline(), 0.0)
    assert ellipse[3, 3, 3] < 60 and ellipse[9, 10, 3] == 255


def test_source_boxes_lie_inside():
    rng = np.random.default_rng(0)
    for _ in range(300):
        x, y, w, h = random_source_box(rng, (100, 60), (12, 50))
        assert x >= 2 and y >= 2 and x + w <= 98 and y + h <= 58 and min(w, h) >= 12


def test_look_alikes():
    sprite = red_sprite()
    sprite[:, :10] //= 2
    brighter = recoloured([sprite], np.array([2.0, 1, 1]), mirror=False)[0]
    assert brighter[8, 16].tolist() == [255, 0, 0, 255]  # never above alpha
    mirrored = recoloured([sprite], np.ones(3), mirror=True)[0]
    np.testing.assert_array_equal(mirrored, sprite[:, ::-1])


def test_bent_keeps_the_whole_shape():
    sprite = red_sprite()
    shapes = [bent(np.random.default_rng(seed), sprite, 0.08) for seed in range(20)]
    assert len({shape.shape for shape in shapes}) == 1  # frames of a clip fit together
    assert len({shape.tobytes() for shape in shapes}) == 20
    for shape in shapes:
        solid = shape[..., 3] > 100
        assert 0.5 * 200 < solid.sum() < 2 * 200
        border = np.concatenate([solid[0], solid[-1], solid[:, 0], solid[:, -1]])
        assert not border.any()
        assert (shape[solid][:, 0] > 70).all() and not shape[..., 1:3].any()


def test_bent_by_nothing():
    sprite = red_sprite()
    np.testing.assert_array_equal(bent(np.random.default_rng(0), sprite, 0.0), sprite)
