"""Targets cut out of other videos."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.transforms import ComposeTarget, composing
from sstrack_mm.errors import DataError

NAN = np.full(4, np.nan)


@pytest.fixture
def clip(tmp_path):
    """A synthesised clip of two grey frames and a colourful donor."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(4):
        path = tmp_path / f'{number}.png'
        cv2.imwrite(str(path), rng.integers(0, 256, (120, 160, 3), np.uint8))
        paths.append(str(path))
    donor = dict(video='donor', frame_paths=paths, init_xywh=NAN)
    return dict(
        rng=np.random.default_rng(3),
        videos=[dict(video='v', frame_paths=['a', 'b'], init_xywh=NAN), donor],
        frames=[np.full((90, 140, 3), level, np.uint8) for level in (40, 80)],
        frame_ids=[5, 9],
        frame_paths=['a', 'b'],
        bboxes_xywh=np.stack([NAN, NAN]),
        roles=dict(template=[0], search=[1], view=[0, 0]),
        synthetic=True,
    )


def test_all_boxes_are_known(clip):
    done = ComposeTarget()(clip)
    bboxes = done['bboxes_xywh']
    assert bboxes.shape == (3, 4) and (bboxes[:, 2:] >= 6).all()
    assert (bboxes[:, :2] >= 0).all()
    assert (bboxes[:, :2] + bboxes[:, 2:] <= (140, 90)).all()
    for frame, level, (x, y, w, h) in zip(
        done['frames'], (40, 80, 40), bboxes, strict=True
    ):
        inside = frame[int(y) : int(y + h), int(x) : int(x + w)].astype(int)
        assert (np.abs(inside - level) > 3).any(axis=-1).mean() > 0.3


def test_views_are_of_another_frame_than_the_template(clip):
    done = ComposeTarget()(clip)
    assert done['roles'] == dict(template=[0], search=[1], view=[2, 2])
    assert (done['frame_ids'], done['frame_paths']) == ([5, 9, 5], ['a', 'b', 'a'])
    assert not np.array_equal(done['bboxes_xywh'][0], done['bboxes_xywh'][2])
    assert not np.array_equal(done['frames'][0], done['frames'][2])


def test_what_it_was_given_stays(clip):
    before = [frame.copy() for frame in clip['frames']]
    ComposeTarget()(clip)
    np.testing.assert_array_equal(clip['frames'], before)
    assert np.isnan(clip['bboxes_xywh']).all() and clip['roles']['view'] == [0, 0]


def test_other_clips_pass(clip):
    clip['synthetic'] = False
    assert ComposeTarget()(clip) is clip


def test_the_same_again(clip):
    one = ComposeTarget()(clip | dict(rng=np.random.default_rng(7)))
    two = ComposeTarget()(clip | dict(rng=np.random.default_rng(7)))
    np.testing.assert_array_equal(one['frames'], two['frames'])


def test_no_place(clip, monkeypatch):
    monkeypatch.setattr(composing, 'LEAST_SIDE', 1000)
    with pytest.raises(DataError, match='no place for a target in the 140x90 frames'):
        ComposeTarget()(clip)
