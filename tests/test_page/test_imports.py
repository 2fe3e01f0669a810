"""What can be read from a file into the targets of a page."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.formats import write_format
from sstrack_mm.page.imports import read_segments
from sstrack_mm.structures.target_box import TargetBox, VideoFacts

VIDEO = SimpleNamespace(times_s=[i / 10 for i in range(12)], size_wh=(96, 64))
FACTS = VideoFacts('a.mp4', VIDEO.size_wh, 10, 12)


def box(frame, target='a', state='TRACKED', by_person=False, **values):
    place = (4.0 + frame, 8.0, 20.0, 16.5)
    values = {'bbox_xywh': place, 'score': 0.75, 'confidence': 0.5, **values}
    return TargetBox(frame, 0.0, target, state=state, by_person=by_person, **values)


BOXES = [
    box(1, by_person=True),
    box(2),
    box(3, state='UNCERTAIN', confidence=0.25),
    box(4, state='LOST', confidence=0.125),
    box(5),
    box(6, by_person=True),
    box(8),
    box(9),
]
"""A person's boxes in frames 1 and 6; frame 7 lacks."""


@pytest.fixture
def read(tmp_path):
    """Reads boxes through a file of a format."""

    def read(boxes, format='jsonl'):
        path = tmp_path / 'boxes.jsonl'
        if format == 'jsonl':
            path.write_text(''.join(f'{b.to_json()}\n' for b in boxes))
        else:
            path = write_format(format, tmp_path, boxes, FACTS)
        return read_segments(path, f'my boxes{path.suffix}', VIDEO)

    return read


def frames(segments):
    """The frame of each person's box, and how many were tracked from it."""
    return [(segment.start, len(segment.found)) for segment in segments]


def test_boxes_of_a_person_and_what_was_tracked(read):
    (segments,) = read(BOXES).values()
    assert frames(segments) == [(1, 4), (6, 0), (8, 1)]
    for segment in segments:
        assert segment.state is None
        assert (segment.box.by_person, segment.box.confidence) == (True, 1)
        for found, given in zip(
            segment.found, [b for b in BOXES if b.frame > segment.start], strict=False
        ):
            assert found == (
                *(given.bbox_xywh, given.score, given.confidence, given.state, False),
            )


@pytest.mark.parametrize(
    ('format', 'expected'),
    [
        ('csv', [(1, 4), (6, 0), (8, 1)]),
        ('cvat', [(1, 4), (6, 0), (8, 1)]),
        ('label-studio', [(1, 2), (5, 1), (8, 1)]),  # no marks; lost is not there
        ('mot', [(1, 2), (5, 1), (8, 1)]),
    ],
)
def test_formats(read, format, expected):
    (segments,) = read(BOXES, format).values()
    assert frames(segments) == expected
    for segment in segments:
        x, y, w, h = segment.box.bbox_xywh
        assert (x, y, w, h) == pytest.approx((4 + segment.start, 8, 20, 16.5))


def test_how_sure_it_is_where_the_file_does_not_tell(read):
    (segments,) = read(BOXES, 'cvat').values()
    told = [(found.state, found.confidence) for found in segments[0].found]
    assert told == [('TRACKED', 1), ('UNCERTAIN', 0.5), ('LOST', 0), ('TRACKED', 1)]
    (segments,) = read([replace(b, confidence=None) for b in BOXES]).values()
    assert [found.confidence for found in segments[0].found] == [0.75, 0.5, 0, 0.75]


def test_lost_before_the_first_box_and_after_a_gap(read):
    lost = [box(frame, state='LOST') for frame in (0, 4, 5)]
    (segments,) = read([*lost, box(2), box(6)]).values()
    assert frames(segments) == [(2, 0), (6, 0)]


def test_lost_up_to_the_end_of_the_video_stays(read):
    lost = [box(frame, state='LOST') for frame in (10, 11)]
    (segments,) = read([box(9), *lost]).values()
    assert frames(segments) == [(9, 2)]


def test_what_is_outside_is_cut_off(read):
    (segments,) = read(
        [
            box(0, bbox_xywh=(-5.0, 50.0, 20.0, 20.0)),
            box(1, bbox_xywh=(90.0, 0.0, 20.0, 20.0)),
            box(2, bbox_xywh=(200.0, 0.0, 20.0, 20.0), state='LOST'),
            box(3),
        ]
    ).values()
    assert segments[0].box.bbox_xywh == (0, 50, 15, 14)
    assert [found.bbox_xywh for found in segments[0].found[:2]] == [
        (90, 0, 6, 20),
        (200, 0, 20, 20),
    ]


@pytest.mark.parametrize(
    ('boxes', 'problem'),
    [
        (
            [box(0), box(12)],
            'target a has a box in frame 12, counted from 0; there are 12',
        ),
        (
            [box(0), box(3, bbox_xywh=(95.0, 0.0, 9.0, 9.0))],
            'target a, frame 3: the box 95, 0, 9 x 9 has less than 2 pixels',
        ),
        (
            [box(0, bbox_xywh=(9.0, 9.0, -5.0, 9.0))],
            'target a, frame 0: the box 9, 9, -5 x 9',
        ),
        ([box(0), box(0, 'b'), box(0)], 'target a has two boxes in frame 0'),
        ([box(0, ' ')], 'a target needs a name'),
        ([box(0, 'x' * 81)], 'the name x{80}... of a target has 81 letters; 80 at most'),
        ([box(0, state='LOST'), box(1, state='LOST')], 'the targets are lost in all'),
        ([], 'there is no box in it'),
    ],
)
def test_what_cannot_be(read, boxes, problem):
    with pytest.raises(DataError, match=rf'^my boxes\.jsonl: {problem}'):
        read(boxes)


def test_the_person_is_told_the_name_of_the_file(tmp_path):
    (tmp_path / 'boxes.csv').write_text('0,a,1,2,3\n')
    with pytest.raises(DataError, match=r'^mine\.csv, line 1: expected frame,target'):
        read_segments(tmp_path / 'boxes.csv', 'mine.csv', VIDEO)
