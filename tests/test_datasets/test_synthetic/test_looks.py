"""The same scenes through other cameras."""

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import render_video
from sstrack_mm.datasets.synthetic.looks import LOOKS, Fisheye, Night
from sstrack_mm.datasets.synthetic.scene import Scene
from sstrack_mm.errors import DataError

SIZE = (160, 120)


@pytest.fixture(scope='module')
def usual():
    return [render_video(seed, 6, SIZE) for seed in range(6)]


@pytest.fixture(scope='module')
def seen():
    """By look, the same videos."""
    return {
        look: [render_video(seed, 6, SIZE, look=look) for seed in range(6)]
        for look in LOOKS
    }


def test_videos_repeat_and_are_of_the_same_shape(seen, usual):
    for look, videos in seen.items():
        again = render_video(3, 6, SIZE, look=look)
        for first, second in zip(videos[3], again, strict=True):
            np.testing.assert_array_equal(first, second)
        for (frames, _, cover), (plain, _, plain_cover) in zip(
            videos, usual, strict=True
        ):
            assert frames.shape == plain.shape and frames.dtype == np.uint8
            np.testing.assert_array_equal(cover, plain_cover)


def test_night_is_dark_and_nearly_gray_and_nothing_moves(seen, usual):
    for (frames, bboxes, _), (plain, plain_bboxes, _) in zip(
        seen['night'], usual, strict=True
    ):
        np.testing.assert_array_equal(bboxes, plain_bboxes)
        assert frames.mean() < 0.5 * plain.mean()
    # Its noise is another one in each frame.
    night = Night(np.random.default_rng(0), SIZE)
    image, mask = np.full((120, 160, 3), 90, np.uint8), np.zeros((120, 160), bool)
    first, second = (night.develop(image, mask, t)[0].astype(int) for t in (0, 1))
    assert np.abs(first - second).mean() > 2
    colour = np.dstack([np.full((120, 160), value, np.uint8) for value in (200, 90, 40)])
    means = night.develop(colour, mask, 0)[0].mean(axis=(0, 1))
    assert np.ptp(means) < 0.5 * np.ptp([200, 90, 40]) * means.mean() / 110


def test_fisheye_bends_image_and_box_alike():
    """A dot goes where the formula sends it, and its mask with it."""
    camera = Fisheye(np.random.default_rng(0), SIZE)
    for x, y in [(80, 60), (110, 60), (40, 90), (150, 110), (4, 4)]:
        image, mask = np.zeros((120, 160, 3), np.uint8), np.zeros((120, 160), bool)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        mask[y - 3 : y + 4, x - 3 : x + 4] = True
        bent, bent_mask = camera.develop(image, mask, 0)
        offset = np.array([x - 79.5, y - 59.5])
        radius = np.hypot(*offset) / 60
        way = np.arctan(np.tan(camera.angle) * radius) / camera.angle / radius
        expected = np.array([79.5, 59.5]) + way * offset
        for found in (bent[..., 0] > 127, bent_mask):
            centre = np.argwhere(found)[:, ::-1].mean(axis=0)
            np.testing.assert_allclose(centre, expected, atol=1)


def test_fisheye_loses_nothing_of_the_frame():
    image = np.full((120, 160, 3), 200, np.uint8)
    edge = np.ones((120, 160), bool)
    edge[6:-6, 6:-6] = False
    for seed in range(5):
        camera = Fisheye(np.random.default_rng(seed), SIZE)
        bent, mask = camera.develop(image, edge, 0)
        assert not bent[0, 0].any() and not bent[60, 0].any()  # beyond is black
        sides = [mask[:60].any(axis=0), mask[60:].any(axis=0)]
        assert all(side[15:145].all() for side in sides)
        assert mask[60, :60].any() and mask[60, 100:].any()


def test_boxes_through_a_fisheye_are_tight(seen):
    for seed, (_, bboxes, cover) in enumerate(seen['fisheye']):
        rng = np.random.default_rng(seed)
        scene = Scene(rng, 6, SIZE)
        camera = Fisheye(rng, SIZE)
        rendered = scene.render(4)
        _, mask = camera.develop(rendered.image, rendered.target_mask, 4)
        x, y, w, h = bboxes[4].astype(int)
        assert mask[y : y + h, x : x + w].sum() == mask.sum()
        assert cover[0] == 8 and bboxes[0, 2:].min() >= 3


def test_no_such_look():
    with pytest.raises(DataError, match=r"no look 'fog'; there are night, fisheye"):
        render_video(0, 4, SIZE, look='fog')
