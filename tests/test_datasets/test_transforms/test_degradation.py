"""What cameras and codecs do to crops."""

import numpy as np
import pytest

from sstrack_mm.datasets.transforms import DegradeCrops

KINDS = ('blur_prob', 'shrink_prob', 'jpeg_prob', 'gain_prob', 'noise_prob')
NONE = dict.fromkeys(KINDS, 0.0)


def make_clip(seed=0):
    pixels = np.random.default_rng(3)
    return dict(
        rng=np.random.default_rng(seed),
        template=pixels.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8),
        view=pixels.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8),
    )


def test_nothing_with_probability_0():
    clip = make_clip()
    done = DegradeCrops(**NONE)(make_clip())
    for key in ('template', 'view'):
        np.testing.assert_array_equal(done[key], clip[key])


@pytest.mark.parametrize('kind', KINDS)
def test_each_changes_each_crop(kind):
    clip = make_clip()
    done = DegradeCrops(**NONE | {kind: 1.0})(make_clip())
    for key in ('template', 'view'):
        assert done[key].shape == clip[key].shape and done[key].dtype == np.uint8
        for before, after in zip(clip[key], done[key], strict=True):
            assert not np.array_equal(before, after)


@pytest.mark.parametrize('kind', ['blur_prob', 'shrink_prob'])
def test_loss_of_detail(kind):
    clip, done = make_clip(), DegradeCrops(**NONE | {kind: 1.0})(make_clip())
    assert done['view'].std() < clip['view'].std()
