"""Templates, jittered views and letterboxed search frames."""

import math

import numpy as np
import pytest

from sstrack_mm.datasets.transforms import CropClip, VaryBoxes
from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import crop_full_frame, crop_target

BBOX = np.array([60.0, 40, 32, 18])


def make_clip(seed=0, num_search=2, num_views=2):
    rng = np.random.default_rng(seed)
    frames = list(rng.integers(0, 256, (1 + num_search, 90, 160, 3), dtype=np.uint8))
    bboxes_xywh = np.full((1 + num_search, 4), np.nan)
    bboxes_xywh[0] = BBOX
    return dict(
        rng=rng,
        frames=frames,
        bboxes_xywh=bboxes_xywh,
        roles=dict(
            template=[0], search=list(range(1, 1 + num_search)), view=[0] * num_views
        ),
    )


def test_crops():
    clip = CropClip()(make_clip())
    assert clip['template'].shape == (1, 128, 128, 3)
    assert clip['view'].shape == (2, 256, 256, 3)
    assert clip['search'].shape == (2, 256, 256, 3)
    np.testing.assert_array_equal(
        clip['template'][0], crop_target(clip['frames'][0], BBOX, 2, 128)[0]
    )
    for i in (1, 2):
        np.testing.assert_array_equal(
            clip['search'][i - 1], crop_full_frame(clip['frames'][i], 256)[0]
        )
    assert not np.array_equal(clip['view'][0], clip['view'][1])


def test_shaded_templates():
    clip = make_clip()
    expected, _ = crop_target(clip['frames'][0], BBOX, 2, 128, shade=True)
    shaded = CropClip(shade_context=True)(clip)
    np.testing.assert_array_equal(shaded['template'][0], expected)
    np.testing.assert_array_equal(shaded['view'], CropClip()(make_clip())['view'])


class TestVaryBoxes:
    def test_alike_in_all_frames(self):
        """What a box holds of its target does not change from frame to frame."""
        clip = make_clip()
        before = np.array([BBOX, BBOX * [1, 1, 2, 3], [np.nan] * 4])
        after = VaryBoxes()(clip | dict(bboxes_xywh=before))['bboxes_xywh']
        relative = (after[:2, 2:] / before[:2, 2:]), (after - before)[:2, :2]
        np.testing.assert_allclose(*relative[0])
        np.testing.assert_allclose(*(relative[1] / before[:2, 2:]))
        assert np.isnan(after[2]).all()
        assert not np.isclose(after[0], BBOX).any()

    def test_as_much_as_asked_for(self):
        growth, shift = [], []
        for seed in range(2000):
            (bbox,) = VaryBoxes(0.2, 0.1)(make_clip(seed, num_search=0))['bboxes_xywh']
            growth.append(np.log(bbox[2:] / BBOX[2:]))
            center = bbox[:2] + bbox[2:] / 2
            shift.append((center - BBOX[:2]) / BBOX[2:] - 0.5)
        assert np.mean(growth) == pytest.approx(0, abs=0.02)
        assert np.mean(shift) == pytest.approx(0, abs=0.01)
        assert np.std(growth) == pytest.approx(0.2, rel=0.1)
        assert np.std(shift) == pytest.approx(0.1, rel=0.1)

    def test_nothing_asked_for(self):
        clip = make_clip()
        same = VaryBoxes(0, 0)(clip)['bboxes_xywh']
        np.testing.assert_allclose(same, clip['bboxes_xywh'])


def test_without_a_box():
    clip = make_clip() | dict(videos=[dict(video='name')])
    clip['bboxes_xywh'][0] = np.nan
    with pytest.raises(DataError, match='name: it has no first box .* ProposeTarget'):
        CropClip()(clip)


def test_without_search_frames():
    assert 'search' not in CropClip()(make_clip(num_search=0))


def test_no_jitter_centres_the_target():
    clip = CropClip(center_jitter=0, scale_jitter=0)(make_clip())
    np.testing.assert_array_equal(
        clip['view'][0], crop_target(clip['frames'][0], BBOX, 4, 256)[0]
    )
    x, y, w, h = clip['view_bboxes_xywh_norm'][0]
    assert (x + w / 2, y + h / 2) == pytest.approx((127.5 / 256,) * 2)
    assert w / h == pytest.approx(32 / 18)


def test_view_boxes_bound_the_target():
    """A white target on black is found where its box is."""
    for seed in range(30):
        clip = make_clip(seed)
        clip['frames'] = [np.zeros_like(frame) for frame in clip['frames']]
        clip['frames'][0][40:58, 60:92] = 255
        clip = CropClip(center_jitter=1.5, scale_jitter=0.3)(clip)
        for view, bbox in zip(clip['view'], clip['view_bboxes_xywh_norm'], strict=True):
            rows, columns = np.nonzero(view[..., 0] > 127)
            found = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            scale = bbox[2] * 256 / 32  # a window starts at a whole pixel
            np.testing.assert_allclose(found, bbox * 256, atol=1.5 + scale)


@pytest.mark.parametrize(
    'center_jitter, scale_jitter, factor',
    [(3.0, 0.5, 4.0), (4.5, 1.0, 5.0), (4.5, 0.5, 5.0)],
)
def test_jitter(center_jitter, scale_jitter, factor):
    """Sides times exp(N(0, scale_jitter)), centre by even +- half of center_jitter."""
    transform = CropClip(
        view_factor=factor, center_jitter=center_jitter, scale_jitter=scale_jitter
    )
    rng = np.random.default_rng(0)
    boxes = np.array([transform._jitter(BBOX, rng) for _ in range(8000)])
    stretch = np.log(boxes[:, 2:] / BBOX[2:])
    np.testing.assert_allclose(stretch.mean(axis=0), 0, atol=4 * scale_jitter / 8000**0.5)
    np.testing.assert_allclose(stretch.std(axis=0), scale_jitter, rtol=0.04)
    assert abs(np.corrcoef(stretch.T)[0, 1]) < 0.05
    moves = boxes[:, :2] + boxes[:, 2:] / 2 - (BBOX[:2] + BBOX[2:] / 2)
    moves /= np.sqrt(boxes[:, 2:].prod(axis=1, keepdims=True))
    limit = center_jitter / 2
    assert 0.98 * limit < np.abs(moves).max() <= limit < factor / 2
    np.testing.assert_allclose(moves.std(axis=0), limit / math.sqrt(3), rtol=0.04)


def test_target_stays_in_the_view():
    """The jitter is smaller than the window: the centre never leaves it."""
    transform = CropClip()
    for seed in range(40):
        for x, y, w, h in transform(make_clip(seed))['view_bboxes_xywh_norm']:
            assert 0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 and 0 < h <= 1
            assert x + w / 2 <= 1 and y + h / 2 <= 1


def test_unusable_box():
    clip = make_clip()
    clip['bboxes_xywh'][0, 2] = 0
    with pytest.raises(DataError, match='cannot crop around the box'):
        CropClip()(clip)
