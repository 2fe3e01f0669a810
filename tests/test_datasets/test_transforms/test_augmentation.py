"""Changes that all frames of a clip share."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.transforms import FlipClip, GrayscaleClip

DRAWS = 1000


def make_clip(rng=None):
    """Two frames of different widths, with a known and an unknown box."""
    pixels = np.random.default_rng(3)
    frames = [pixels.integers(0, 256, (6, width, 3), dtype=np.uint8) for width in (9, 8)]
    return dict(
        rng=rng or np.random.default_rng(0),
        frames=frames,
        bboxes_xywh=np.array([[1.0, 2, 3, 2], [np.nan] * 4]),
    )


@pytest.mark.parametrize('transform', [GrayscaleClip, FlipClip])
@pytest.mark.parametrize('prob', [0.0, 0.05, 0.5, 1.0])
def test_probability(transform, prob):
    """Of the whole clip: all its frames change, or none."""
    rng, number = np.random.default_rng(0), 0
    before = make_clip()['frames']
    for _ in range(DRAWS):
        clip = transform(prob=prob)(make_clip(rng))
        changed = [
            not np.array_equal(old, new)
            for old, new in zip(before, clip['frames'], strict=True)
        ]
        assert len(set(changed)) == 1
        number += changed[0]
    assert number / DRAWS == pytest.approx(prob, abs=0.04)


def test_grayscale():
    frames = make_clip()['frames']
    gray_frames = GrayscaleClip(prob=1)(make_clip())['frames']
    for old, new in zip(frames, gray_frames, strict=True):
        assert (new == new[..., :1]).all() and new.shape == old.shape
        np.testing.assert_array_equal(new[..., 0], cv2.cvtColor(old, cv2.COLOR_RGB2GRAY))


def test_flip():
    clip = make_clip()
    flipped = FlipClip(prob=1)(clip)
    np.testing.assert_array_equal(
        flipped['bboxes_xywh'], [[9 - 1 - 3, 2, 3, 2], [np.nan] * 4]
    )
    # The pixels in the box stay the target's.
    old, new = clip['frames'][0], flipped['frames'][0]
    np.testing.assert_array_equal(new[2:4, 5:8], old[2:4, 1:4][:, ::-1])
    np.testing.assert_array_equal(clip['bboxes_xywh'][0], [1, 2, 3, 2])
    back = FlipClip(prob=1)(flipped)
    np.testing.assert_array_equal(back['bboxes_xywh'], clip['bboxes_xywh'])
    np.testing.assert_array_equal(back['frames'][1], clip['frames'][1])
