"""What is laid over the frames of a clip."""

import numpy as np
import pytest

from sstrack_mm.datasets.composed.scene import cut_sprites, draw_place, lay_target
from sstrack_mm.errors import DataError

NUM_FRAMES = 3


def red_sprites():
    """An opaque red square in a transparent margin, in each frame."""
    sprite = np.zeros((24, 24, 4), np.uint8)
    sprite[4:-4, 4:-4] = (200, 0, 0, 255)
    return [sprite] * NUM_FRAMES, None


@pytest.mark.parametrize('seed', range(8))
def test_box_holds_the_target(seed):
    """In the first frame nothing hides it: its middle is red, and it fills the box."""
    frames = [np.full((120, 160, 3), 90, np.uint8) for _ in range(NUM_FRAMES)]
    bboxes = lay_target(np.random.default_rng(seed), frames, red_sprites)
    assert bboxes.shape == (NUM_FRAMES, 4)
    x, y, w, h = bboxes[0].astype(int)
    red = frames[0][y : y + h, x : x + w, 0].astype(int) > 100
    assert red[h // 2, w // 2] and red.any(axis=0).mean() > 0.8
    assert red.any(axis=1).mean() > 0.8


def test_target_moves_and_turns():
    frames = [np.full((240, 320, 3), 90, np.uint8) for _ in range(NUM_FRAMES)]
    bboxes = np.stack(
        [
            lay_target(
                np.random.default_rng(seed), [f.copy() for f in frames], red_sprites
            )
            for seed in range(30)
        ]
    )
    assert (np.abs(np.diff(bboxes, axis=1)) > 1).any(axis=-1).mean() > 0.8


def test_sprites_show_the_place_they_were_cut_out_of():
    rng = np.random.default_rng(0)
    frames = [np.full((60, 80, 3), level, np.uint8) for level in (100, 200)]
    sprites, twins = cut_sprites(rng, frames)
    for group in (sprites, twins):
        assert [sprite.shape == group[0].shape for sprite in group] == [True, True]
        for sprite, level in zip(group, (100, 200), strict=True):
            inside = sprite[sprite[..., 3] == 255][:, :3]
            assert len(inside) and (np.abs(inside.astype(int) - level) <= 1).all()


def test_place_with_most_to_see():
    """Nearly always where there is anything to see at all."""
    frame = np.full((100, 200, 3), 90, np.uint8)
    frame[:, 100:] = np.random.default_rng(0).integers(0, 255, (100, 100, 3))
    places = [draw_place(np.random.default_rng(i), frame, (12, 30)) for i in range(40)]
    assert np.mean([x + w > 100 for x, _, w, _ in places]) > 0.75


@pytest.mark.parametrize('side', [32, 40, 47])
def test_small_frames(side):
    """Their half is less than the least side in a larger one."""
    frames = [np.random.default_rng(0).integers(0, 255, (side, 96, 3), np.uint8)]
    for seed in range(10):
        sprites, _ = cut_sprites(np.random.default_rng(seed), frames)
        assert (sprites[0][..., 3] == 255).any()


def test_frames_that_are_too_small():
    frames = [np.zeros((40, 31, 3), np.uint8)]
    with pytest.raises(DataError, match='31x40 pixels is too small'):
        cut_sprites(np.random.default_rng(0), frames)
