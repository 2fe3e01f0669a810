"""What is in procedural videos, and that they repeat."""

from dataclasses import replace

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import render_video
from sstrack_mm.datasets.synthetic.scene import Scene
from sstrack_mm.datasets.synthetic.video import bbox_of_mask, cover_level
from sstrack_mm.errors import DataError


@pytest.fixture(scope='module')
def videos() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Twenty short videos."""
    return [render_video(seed, num_frames=12, size=(160, 120)) for seed in range(20)]


def test_a_video_repeats_and_another_seed_differs(videos):
    again = render_video(3, num_frames=12, size=(160, 120))
    for first, second in zip(videos[3], again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (videos[4][0] != videos[3][0]).any()


def test_a_frame_does_not_depend_on_those_before():
    scene = Scene(np.random.default_rng(5), 12, (160, 120))
    alone = scene.render(9).image
    np.testing.assert_array_equal(
        alone, render_video(5, num_frames=12, size=(160, 120))[0][9]
    )


def test_shapes_and_types(videos):
    frames, bboxes_xywh, cover = videos[0]
    assert frames.shape == (12, 120, 160, 3) and frames.dtype == np.uint8
    assert bboxes_xywh.shape == (12, 4) and bboxes_xywh.dtype == np.float64
    assert cover.shape == (12,) and cover.dtype.kind == 'i'


def test_boxes_are_inside_the_image_and_the_first_frame_shows_all(videos):
    for _, bboxes_xywh, cover in videos:
        assert (bboxes_xywh >= 0).all()
        assert (bboxes_xywh[:, :2] + bboxes_xywh[:, 2:] <= (160, 120)).all()
        assert cover[0] == 8 and bboxes_xywh[0, 2:].min() >= 5
        assert ((cover >= 0) & (cover <= 8)).all()


def test_boxes_are_tight_around_the_targets_mask():
    for seed in range(10):
        mask = Scene(np.random.default_rng(seed), 5, (160, 120)).render(2).target_mask
        x, y, w, h = bbox_of_mask(mask).astype(int)
        inside = mask[y : y + h, x : x + w]
        assert inside.sum() == mask.sum()
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert edge.any()


def test_boxes_hold_what_changes_when_the_target_is_taken_away():
    overlaps = []
    for seed in range(20):
        scene = Scene(np.random.default_rng(seed), 5, (320, 240))
        scene.camera.shutter = 0.0
        image, mask, _ = scene.render(0)
        x, y, w, h = bbox_of_mask(mask).astype(int)
        track = scene.target.track
        scene.target = replace(scene.target, track=replace(track, xy=track.xy + 1e4))
        change = np.abs(image.astype(float) - scene.render(0).image).max(axis=-1)
        changed = bbox_of_mask(change > 0.2 * change.max())
        label_mask = np.zeros_like(mask)
        label_mask[y : y + h, x : x + w] = True
        change_mask = np.zeros_like(mask)
        x, y, w, h = changed.astype(int)
        change_mask[y : y + h, x : x + w] = True
        overlaps.append(
            (label_mask & change_mask).sum() / (label_mask | change_mask).sum()
        )
    assert np.median(overlaps) > 0.92 and min(overlaps) > 0.6


def test_videos_move_and_vary(videos):
    way = [np.abs(np.diff(bboxes_xywh, axis=0)).max() for _, bboxes_xywh, _ in videos]
    assert np.median(way) > 1
    sizes = [np.sqrt(bboxes_xywh[0, 2:].prod()) for _, bboxes_xywh, _ in videos]
    assert max(sizes) > 3 * min(sizes)
    assert len({tuple(cover) for _, _, cover in videos}) > 3


def test_hidden_and_cut_targets_occur():
    shares = np.concatenate(
        [
            [frame.visible_share for frame in map(scene.render, range(0, 40, 4))]
            for scene in (
                Scene(np.random.default_rng(seed), 40, (96, 96)) for seed in range(25)
            )
        ]
    )
    assert 0.02 < (shares < 0.9).mean() < 0.5


@pytest.mark.parametrize(
    'share, level',
    [
        (0.0, 0),
        (0.004, 0),
        (0.01, 1),
        (0.15, 1),
        (0.16, 2),
        (0.9, 6),
        (0.91, 7),
        (0.99, 7),
        (1.0, 8),
    ],
)
def test_cover_levels(share, level):
    assert cover_level(share) == level


def test_bbox_of_mask():
    mask = np.zeros((10, 20), bool)
    np.testing.assert_array_equal(bbox_of_mask(mask), [0, 0, 0, 0])
    mask[3, 5] = mask[6, 18] = True
    np.testing.assert_array_equal(bbox_of_mask(mask), [5, 3, 14, 4])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_frames=1), 'at least 2 frames, not 1'),
        (dict(size=(320, 20)), '320 x 20'),
    ],
)
def test_bad_videos_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        render_video(0, **arguments)
