"""Spells in which nothing of the target can be seen."""

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import render_video
from sstrack_mm.datasets.synthetic.absence import (
    Spell,
    cover_path,
    leave_image,
    plan_spells,
)
from sstrack_mm.errors import DataError

SIZE_WH = (160, 120)


def spells_of(cover):
    """Lengths of the runs in which nothing is seen."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], cover == 0, [0]])))
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize('seed', range(4))
def test_target_is_away_twice(seed):
    """And is seen in full at first, and again after each spell."""
    _, bboxes_xywh, cover = render_video([31, seed], 160, SIZE_WH, absences=2)
    assert cover[0] == 8
    assert len([length for length in spells_of(cover) if length >= 4]) >= 2
    assert cover[-20:].max() >= 4 and cover[70:80].max() >= 4
    assert (bboxes_xywh[cover > 0][:, 2:] > 0).all()


def test_without_any_nothing_differs():
    """The videos of a seed stay what they were."""
    frames, *_ = render_video(3, 4, SIZE_WH)
    again, *_ = render_video(3, 4, SIZE_WH, absences=0)
    np.testing.assert_array_equal(frames, again)


@pytest.mark.parametrize(('num_frames', 'number'), [(70, 1), (180, 2), (500, 3)])
def test_plan(num_frames, number):
    """Each spell leaves the target in view before and after."""
    for seed in range(20):
        spells = plan_spells(np.random.default_rng(seed), num_frames, number)
        assert len(spells) == number
        ends = [0]
        for spell in spells:
            assert spell.start - spell.ramp >= ends[-1] + (20 if ends == [0] else 40)
            assert spell.start < spell.end
            ends.append(spell.end + spell.ramp)
        assert ends[-1] <= num_frames - 20


def test_share():
    away = Spell(10, 14, 5, True).share(30)
    np.testing.assert_array_equal(away[10:14], 1)
    assert (away[:6] == 0).all() and (away[18:] == 0).all()
    assert ((away[6:10] > 0) & (away[6:10] < 1)).all()


def test_leaves_the_image():
    xy = np.full((40, 2), [20.0, 60])
    for seed in range(6):
        spell = Spell(15, 25, 5, False)
        path = leave_image(np.random.default_rng(seed), xy, spell, SIZE_WH, 30)
        inside = ((path > [-30, -30]) & (path < [190, 150])).all(axis=1)
        assert not inside[15:25].any()
        np.testing.assert_array_equal(path[15:20], np.tile([-30, 60], (5, 1)))
        np.testing.assert_array_equal(path[:10], xy[:10])
        np.testing.assert_array_equal(path[31:], xy[31:])


def test_cover_stays_in_front():
    xy = np.random.default_rng(0).uniform(0, 100, (40, 2))
    path = cover_path(np.random.default_rng(1), xy, Spell(15, 25, 5, True), 50)
    np.testing.assert_array_equal(path[15:25], xy[15:25])
    distance = np.linalg.norm(path - xy, axis=1)
    np.testing.assert_allclose(distance[[5, 10, 29, 34]], [100, 50, 50, 100])


def test_too_short():
    with pytest.raises(DataError, match='away once in 70 frames, not 2 times in 100'):
        render_video(0, 100, SIZE_WH, absences=2)
