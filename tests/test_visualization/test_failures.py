from dataclasses import replace

import cv2
import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.visualization.draw import BOX_COLORS
from sstrack_mm.visualization.failures import draw_failure, find_loss, visible_overlaps

NAN = np.nan


@pytest.mark.parametrize(
    'overlaps, expected',
    [
        ([1, 0.5, 0.2, 0.9], (2, 0)),
        ([1, 0, 0.5, 0, 0, 0.2], (3, 2)),
        ([1, 0.5, 0, 0, 0], (2, 3)),
        ([1, 0, NAN, 0, 1, 0, 0], (1, 2)),
        ([NAN, NAN, 0, NAN, 0, 0], (2, 3)),
        ([1, NAN, 0, NAN], (2, 1)),
        ([NAN, 0.5, 0.3, NAN], (2, 0)),
        ([NAN, NAN], (0, 0)),
    ],
)
def test_find_loss(overlaps, expected):
    assert find_loss(np.array(overlaps, dtype=np.float64)) == expected


def test_overlap_where_the_target_can_be_seen(make_sequence):
    sequence = make_sequence('a', 4)
    sequence.visible[1] = False
    sequence.gt_xywh[2] = [5, 5, 0, 10]
    sequence.gt_xywh[3] = NAN
    overlaps = visible_overlaps(sequence.gt_xywh + [15, 0, 0, 0], sequence)
    np.testing.assert_allclose(overlaps, [1 / 3, NAN, NAN, NAN])


def test_picture(make_sequence, tmp_path):
    """The target is lost in frame 15 of 40, and cannot be seen in frame 25."""
    sequence = make_sequence('a', 40)
    sequence.visible[25] = False
    predicted = sequence.gt_xywh.copy()
    predicted[15:, :2] = 0, 70
    scores = np.linspace(1, 0, 40)
    path = tmp_path / 'new' / 'a.jpg'
    failure = draw_failure('t', predicted, scores, sequence, path)
    assert (failure.tracker, failure.sequence) == ('t', 'a')
    assert (failure.lost_at, failure.lost_for) == (15, 24)
    assert failure.frames == [5, 15, 25, 39]
    assert failure.overlaps == [1, 0, None, 0]
    assert failure.scores == scores[[5, 15, 25, 39]].tolist()

    strip = cv2.imread(str(path))[..., ::-1].astype(int)
    assert strip.shape == (240, 4 * 320 + 3 * 4, 3)
    # Frame 15 at 2.5 times its size: the true box is at 85, 20, the other at 0, 70.
    frame = strip[:, 324:644]
    for (x, y), color in (((213, 100), BOX_COLORS[0]), ((40, 175), BOX_COLORS[1])):
        np.testing.assert_allclose(frame[y, x], color, atol=60)


def test_short_sequence(make_sequence, tmp_path):
    sequence = make_sequence('a', 2)
    failure = draw_failure('t', sequence.gt_xywh, None, sequence, tmp_path / 'a.jpg')
    assert failure.frames == [0, 1]
    assert failure.lost_for == 0 and failure.scores is None


def test_bad_files(make_sequence, tmp_path):
    sequence = make_sequence('a', 2)
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='file/a.jpg: the picture cannot be written'):
        draw_failure('t', sequence.gt_xywh, None, sequence, tmp_path / 'file' / 'a.jpg')
    missing = replace(sequence, frame_paths=['nowhere/1.png', 'nowhere/2.png'])
    with pytest.raises(DataError, match='nowhere/1.png'):
        draw_failure('t', sequence.gt_xywh, None, missing, tmp_path / 'a.jpg')
