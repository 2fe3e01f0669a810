"""A person's boxes, and what is tracked from them."""

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.page.targets import Found, Segment, Target, check_name, clip


def track(target, up_to):
    """Track every segment up to a frame, as if boxes were numbers of the segment."""
    while (segment := target.due(up_to)) is not None:
        if segment.state is None:
            segment.state = 'started'
        else:
            segment.found.append(Found((segment.start, 0, 1, 1)))


def starts(target):
    """Of each frame, the segment that it was tracked from."""
    return {frame: found.bbox_xywh[0] for frame, found in target if not found.by_person}


def persons(target):
    return [frame for frame, found in target if found.by_person]


@pytest.fixture
def target():
    target = Target('a')
    target.set_box(2, [0, 0, 5, 5])
    track(target, 8)
    return target


def test_tracks_from_the_box_to_the_end(target):
    assert persons(target) == [2]
    assert starts(target) == dict.fromkeys(range(3, 8), 2)
    assert target.due(8) is None
    assert target.due(9).next_frame == 8


def test_what_came_before_a_correction_stays_and_the_rest_is_tracked_anew(target):
    target.set_box(5, [1, 1, 5, 5])
    assert persons(target) == [2, 5]
    assert starts(target) == {3: 2, 4: 2}
    assert target.due(8).next_frame == 5
    track(target, 8)
    assert starts(target) == {3: 2, 4: 2, 6: 5, 7: 5}


def test_correction_reaches_up_to_the_next_box(target):
    target.set_box(6, [1, 1, 5, 5])
    track(target, 8)
    target.set_box(4, [2, 2, 5, 5])
    assert starts(target) == {3: 2, 7: 6}
    track(target, 8)
    assert starts(target) == {3: 2, 5: 4, 7: 6}


def test_box_before_all_others(target):
    target.set_box(0, [2, 2, 5, 5])
    track(target, 8)
    assert persons(target) == [0, 2]
    assert starts(target) == {1: 0, **dict.fromkeys(range(3, 8), 2)}


def test_box_ahead_of_what_is_tracked(target):
    target.set_box(9, [1, 1, 5, 5])
    assert target.due(12).next_frame == 8  # the tracker goes on where it was
    track(target, 12)
    assert starts(target) == {**dict.fromkeys(range(3, 9), 2), 10: 9, 11: 9}


def test_correct_a_correction(target):
    target.set_box(5, [1, 1, 5, 5])
    track(target, 8)
    target.set_box(5, [3, 3, 4, 4])
    assert dict(target)[5].bbox_xywh == (3, 3, 4, 4)
    assert starts(target) == {3: 2, 4: 2}


def test_take_a_box_back(target):
    target.set_box(5, [1, 1, 5, 5])
    track(target, 8)
    target.remove_box(5)
    track(target, 8)
    assert persons(target) == [2]
    assert starts(target) == dict.fromkeys(range(3, 8), 2)


def test_take_back_what_was_not_drawn(target):
    with pytest.raises(KeyError, match=r'no box was drawn in frame 3; there are \[2\]'):
        target.remove_box(3)


def test_a_segment_with_what_was_tracked_ends_at_the_next(target):
    """It is tracked to its end, so that nothing is due."""
    target.set_box(6, [6, 0, 5, 5])
    track(target, 8)
    target.put(Segment(3, Found((3, 3, 3, 3), by_person=True), [Found((9, 9, 9, 9))] * 9))
    assert persons(target) == [2, 3, 6]
    assert starts(target) == {4: 9, 5: 9, 7: 6}
    assert target.due(8) is None


@pytest.mark.parametrize(
    ('bbox_xywh', 'inside'),
    [
        ((0.1, 0.2, 0.3 + 5, 0.7 + 5), (0.1, 0.2, 0.3 + 5, 0.7 + 5)),
        ((-4, 60, 10, 10), (0, 60, 6, 4)),
        ((-1e9, -1e9, 2e9, 2e9), (0, 0, 96, 64)),
    ],
)
def test_clip(bbox_xywh, inside):
    assert clip(bbox_xywh, (96, 64)) == inside


@pytest.mark.parametrize(
    'bbox_xywh',
    [(95, 0, 9, 9), (0, 0, float('nan'), 9), (0, 0, float('inf'), 9), (0, 9, 9, -9)],
)
def test_boxes_that_are_not_inside(bbox_xywh):
    with pytest.raises(DataError, match='has less than 2 pixels a side inside'):
        clip(bbox_xywh, (96, 64))


def test_names():
    check_name('x' * 80)
    with pytest.raises(DataError, match='81 letters'):
        check_name('x' * 81)
    with pytest.raises(DataError, match='needs a name'):
        check_name('  ')


@pytest.mark.parametrize('name', ['\ud83d', 'a\udcffb', 'a\nb', 'a\0', '\x9b'])
def test_names_that_cannot_be_shown(name):
    with pytest.raises(DataError, match='control character, or half of a letter') as info:
        check_name(name)
    assert repr(name) in f'{info.value}'
    f'{info.value}'.encode()


@pytest.mark.parametrize('name', ['Läufer 3', '走者', '👩\u200d🚀', 'a\xa0b'])
def test_names_of_all_languages(name):
    check_name(name)
