import numpy as np
import pytest

from sstrack_mm.visualization.draw import draw_boxes, filmstrip

RED, BLUE = (255, 0, 0), (0, 0, 255)
GRAY_FRAME = np.full((400, 600, 3), 128, dtype=np.uint8)


def test_box_is_where_it_belongs():
    frame = GRAY_FRAME.copy()
    drawn = draw_boxes(frame, {'a': [100, 200, 60, 40]}, [RED], legend=False)
    for x, y in ((100, 220), (160, 220), (130, 200), (130, 240)):
        assert tuple(drawn[y, x]) == RED
    np.testing.assert_array_equal(drawn[205:236, 105:156], frame[205:236, 105:156])
    drawn[194:247, 94:167] = 128
    np.testing.assert_array_equal(drawn, frame)
    np.testing.assert_array_equal(frame, GRAY_FRAME)


def test_colors_are_given_in_turn_and_again():
    boxes = {name: [100 * place, 100, 50, 50] for place, name in enumerate('abc', 1)}
    drawn = draw_boxes(GRAY_FRAME, boxes, [RED, BLUE], legend=False)
    assert [tuple(drawn[125, x]) for x in (100, 200, 300)] == [RED, BLUE, RED]


@pytest.mark.parametrize(
    'size, scale', [((400, 600), 1), ((319, 600), 2), ((100, 80), 4), ((96, 128), 4)]
)
def test_small_frames_are_enlarged(size, scale):
    frame = np.full((*size, 3), 128, dtype=np.uint8)
    drawn = draw_boxes(frame, {'a': [20, 30, 40, 20]}, [RED], legend=False)
    assert drawn.shape == (size[0] * scale, size[1] * scale, 3)
    assert tuple(drawn[40 * scale, 20 * scale]) == RED


def test_given_scale():
    drawn = draw_boxes(
        GRAY_FRAME, {'a': [100, 200, 60, 40]}, [RED], scale=0.5, legend=False
    )
    assert drawn.shape == (200, 300, 3)
    assert tuple(drawn[110, 50]) == RED


@pytest.mark.parametrize('bbox_xywh', [[np.nan, 1, 2, 3], [5, 5, 0, 10], [5, 5, 9, -1]])
def test_boxes_that_are_none_are_not_drawn(bbox_xywh):
    drawn = draw_boxes(GRAY_FRAME, {'a': bbox_xywh}, legend=False)
    np.testing.assert_array_equal(drawn, GRAY_FRAME)


def test_huge_box():
    drawn = draw_boxes(GRAY_FRAME, {'a': [-1e12, 100, 2e12, 1e12]}, [RED], legend=False)
    assert tuple(drawn[100, 300]) == RED
    assert tuple(drawn[300, 300]) == (128, 128, 128)


def test_what_is_written_on_the_frame():
    def changed(**kwargs):
        drawn = draw_boxes(GRAY_FRAME, {'true': [400, 300, 50, 50]}, [RED], **kwargs)
        return (drawn[:200] != 128).any(axis=2)

    assert not changed(legend=False).any()
    legend, note = changed(), changed(legend=False, frame_id=7)
    both = changed(frame_id=7, score=0.5)
    assert legend.any() and note.any()
    assert both.sum() > max(legend.sum(), note.sum())
    named = draw_boxes(GRAY_FRAME, {'true': [400, 300, 50, 50]}, [RED])
    assert (named[:100, :200] == RED).all(axis=2).any()


def test_filmstrip():
    frames = [np.full((100, 200, 3), 10, np.uint8), np.full((50, 50, 3), 20, np.uint8)]
    strip = filmstrip(frames, height=50, gap=6)
    assert strip.shape == (50, 100 + 6 + 50, 3)
    assert (strip[:, :100] == 10).all()
    assert (strip[:, 100:106] == 255).all()
    assert (strip[:, 106:] == 20).all()
