"""Boxes in other tools' formats, and back."""

import codecs
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.formats import FORMATS, read_boxes, read_starts, write_format
from sstrack_mm.formats.cvat import read_cvat
from sstrack_mm.formats.label_studio import read_label_studio
from sstrack_mm.structures.target_box import TargetBox, VideoFacts, read_jsonl

VIDEO = VideoFacts('clip.mp4', (200, 100), 25.0, 6)


def box(frame, target='left', state='TRACKED', by_person=False, x=10.5):
    bbox_xywh = (x + frame, 20.25, 30.0, 40.0)
    return TargetBox(
        frame, frame / 25, target, bbox_xywh, 0.75, 0.5, state, by_person=by_person
    )


BOXES = [
    box(0, by_person=True),
    box(1),
    box(2, state='UNCERTAIN'),
    box(2, 'right', by_person=True),
    box(3, state='LOST'),
    box(3, 'right'),
    box(4),
]
"""The first target is lost for a frame; both end before the video does."""


def places(boxes):
    return [
        (b.target, b.frame, b.state, np.round(b.bbox_xywh, 3).tolist()) for b in boxes
    ]


def by_name(boxes):
    return sorted(boxes, key=lambda b: (b.target, b.frame))


@pytest.fixture
def write(tmp_path):
    def write(name, boxes=BOXES, video=VIDEO):
        return write_format(name, tmp_path, boxes, video)

    return write


def test_jsonl(tmp_path):
    path = tmp_path / 'boxes.jsonl'
    path.write_text(''.join(b.to_json() + '\n' for b in BOXES))
    assert list(read_jsonl(path)) == BOXES


@pytest.mark.parametrize('name', ['jsonl', 'csv', 'mot', 'cvat', 'label-studio'])
def test_with_a_byte_order_mark(write, tmp_path, name):
    """As editors of Windows write it, with their ends of lines."""
    if name == 'jsonl':
        path = tmp_path / 'boxes.jsonl'
        path.write_text(''.join(b.to_json() + '\n' for b in BOXES))
    else:
        path = write(name)
    expected = read_boxes(path, VIDEO.size_wh)
    text = path.read_bytes().replace(b'\n', b'\r\n')
    path.write_bytes(codecs.BOM_UTF8 + text + b'\r\n')
    assert read_boxes(path, VIDEO.size_wh) == expected


class TestCVAT:
    def test_there_and_back(self, write):
        found = list(read_cvat(write('cvat')))
        assert places(by_name(found)) == places(by_name(BOXES))
        assert [b.by_person for b in found] == [b.by_person for b in by_name(BOXES)]

    def test_frames_that_were_not_tracked(self, write):
        """CVAT shows nothing there; read back, there is nothing either."""
        boxes = [box(0), box(5), box(6, state='LOST'), box(9)]
        path = write('cvat', boxes, VIDEO._replace(num_frames=10))
        keys = [
            (b.get('frame'), b.get('outside'))
            for b in ElementTree.parse(path).iter('box')
        ]
        assert keys == [('0', '0'), ('1', '1'), ('5', '0'), ('6', '1'), ('9', '0')]
        assert places(read_cvat(path)) == places(boxes)

    @pytest.mark.parametrize(
        ('name', 'expected'),
        [
            ('a\x07b', r'a\x07b'),
            ('\ufffe', r'\ufffe'),
            ('\ud800', r'\ud800'),
            *[(name, name) for name in ('a\nb', 'a\rb', 'a\x85b', '<"&', 'é 🦊')],
        ],
    )
    def test_any_name(self, write, name, expected):
        path = write('cvat', [box(0, name)], VIDEO._replace(name=name))
        assert {found.target for found in read_cvat(path)} == {expected}

    def test_as_cvat_reads_it(self, write):
        root = ElementTree.parse(write('cvat')).getroot()
        assert root.findtext('version') == '1.1'
        assert root.findtext('meta/task/size') == '6'
        assert root.findtext('meta/task/original_size/width') == '200'
        labels = [label.text for label in root.iterfind('meta/task/labels/label/name')]
        left, right = root.iter('track')
        assert {left.get('label'), right.get('label')} <= set(labels)
        flags = [
            tuple(b.get(key) for key in ('frame', 'keyframe', 'outside', 'occluded'))
            for b in left
        ]
        assert flags == [
            *(('0', '1', '0', '0'), ('1', '1', '0', '0'), ('2', '1', '0', '1')),
            *(('3', '1', '1', '0'), ('4', '1', '0', '0'), ('5', '1', '1', '0')),
        ]
        assert float(left[0].get('xbr')) == pytest.approx(40.5)

    def test_drawn_in_cvat(self, tmp_path):
        """Its key frames are a person's, and what lies between is left out."""
        path = tmp_path / 'a.xml'
        path.write_text(
            '<annotations><version>1.1</version><track id="3" label="car" '
            'source="manual">'
            + ''.join(
                f'<box frame="{frame}" keyframe="{key}" outside="{out}" occluded="0" '
                'xtl="1" ytl="2" xbr="11" ybr="22" z_order="0"/>'
                for frame, key, out in ((4, 1, 0), (5, 0, 0), (8, 1, 0), (9, 1, 1))
            )
            + '</track></annotations>'
        )
        starts = read_starts(path, (200, 100))
        assert [(b.frame, b.target, b.bbox_xywh) for b in starts] == [
            (4, '4', (1, 2, 10, 20)),
            (8, '4', (1, 2, 10, 20)),
        ]

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('no xml', 'cannot be read as a CVAT file'),
            ('<html/>', 'no CVAT file, but <html>'),
            ('<?xml version="1.0" encoding="x"?><a/>', 'cannot be read as .*encoding: x'),
            (
                '<annotations><track id="x"><box keyframe="1"/></track></annotations>',
                'the id of a track is no number',
            ),
            (
                '<annotations><track id="0"><box frame="0" keyframe="1"/></track>'
                '</annotations>',
                "a box lacks 'xtl'",
            ),
            (
                '<annotations><track id="0"><box frame="0" keyframe="1" xtl="nan" '
                'ytl="0" xbr="1" ybr="1"/></track></annotations>',
                'no box',
            ),
        ],
    )
    def test_something_else(self, tmp_path, text, message):
        (tmp_path / 'a.xml').write_text(text)
        with pytest.raises(DataError, match=rf'a\.xml: {message}'):
            list(read_cvat(tmp_path / 'a.xml'))


class TestLabelStudio:
    def test_there_and_back(self, write):
        path = write('label-studio')
        found = list(read_label_studio(path, VIDEO.size_wh))
        # It knows a target or none, and no doubt.
        expected = [replace(b, state='TRACKED') for b in BOXES if b.state != 'LOST']
        assert places(by_name(found)) == places(by_name(expected))

    def test_as_label_studio_shows_it(self, write):
        """A box is shown up to the next, or where it is disabled in its frame alone."""
        (task,) = json.loads(write('label-studio').read_text())
        region = task['predictions'][0]['result'][0]
        assert region['type'] == 'videorectangle'
        assert region['value']['framesCount'] == 6
        sequence = region['value']['sequence']
        first = {key: sequence[0][key] for key in ('x', 'y', 'width', 'height')}
        assert first == {'x': 5.25, 'y': 20.25, 'width': 15, 'height': 40}
        shown = []
        for frame in range(1, 7):
            last = [s for s in sequence if s['frame'] <= frame][-1]
            if last['enabled'] or last['frame'] == frame:
                shown.append(frame)
        assert shown == [1, 2, 3, 5]

    def test_predictions_beside_no_annotation(self, write):
        path = write('label-studio')
        (task,) = json.loads(path.read_text())
        path.write_text(json.dumps([{**task, 'annotations': []}]))
        assert not any(b.by_person for b in read_label_studio(path, VIDEO.size_wh))

    @pytest.mark.parametrize(
        'text', ['no json', '3', '[]', '[{"annotations": [3]}]', 100_000 * '[']
    )
    def test_something_else(self, tmp_path, text):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(DataError, match=r'a\.json: cannot be read as Label Studio'):
            list(read_label_studio(tmp_path / 'a.json', (9, 9)))


def test_coco(write, tmp_path):
    """Read back by pycocotools."""
    from pycocotools.coco import COCO

    coco = COCO(str(write('coco')))
    assert [image['frame_id'] for image in coco.loadImgs(coco.getImgIds())] == list(
        range(6)
    )
    entries = coco.loadAnns(coco.getAnnIds(imgIds=[3]))
    assert [(e['track_id'], e['bbox']) for e in entries] == [
        (1, [12.5, 20.25, 30, 40]),
        (2, [12.5, 20.25, 30, 40]),
    ]
    assert [e['occluded'] for e in entries] == [True, False]
    assert len(coco.getAnnIds()) == 6  # not where it is lost
    assert coco.loadCats(coco.getCatIds())[0]['name'] == 'target'


def test_mot(write):
    """Read back by motmetrics."""
    import motmetrics

    table = motmetrics.io.loadtxt(str(write('mot')), fmt='mot15-2D')
    assert list(table.index) == [(1, 1), (2, 1), (3, 1), (3, 2), (4, 2), (5, 1)]
    row = table.loc[(3, 1)]
    # motmetrics takes away the 1 that MATLAB's pixels begin with.
    assert [row.X + 1, row.Y + 1, row.Width, row.Height] == [12.5, 20.25, 30, 40]
    assert row.Confidence == 0.75


def test_csv(write):
    import pandas

    table = pandas.read_csv(write('csv'))
    assert table.frame.tolist() == [b.frame for b in BOXES]
    assert table.state.tolist() == [b.state for b in BOXES]
    np.testing.assert_allclose(table[list('xywh')], [b.bbox_xywh for b in BOXES])


def test_yolo(write):
    wide = replace(box(1), bbox_xywh=(-20.0, 50.0, 40.0, 80.0))
    folder = write('yolo', [*BOXES, replace(wide, target='wide')])
    assert (folder / 'classes.txt').read_text().split() == ['left', 'wide', 'right']
    assert len(list(folder.glob('0*.txt'))) == 6
    assert (folder / '000005.txt').read_text() == ''
    rows = np.loadtxt(folder / '000001.txt')
    expected = [[0, 26.5 / 200, 0.4025, 0.15, 0.4], [1, 10 / 200, 0.75, 0.1, 0.5]]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


@pytest.mark.parametrize(
    'bbox_xywh', [(-50, 20, 40, 20), (50, 100, 10, 10), (5, 5, 0, 9), (5, 5, 9, 0)]
)
def test_yolo_without_area(write, bbox_xywh):
    folder = write('yolo', [replace(box(0), bbox_xywh=bbox_xywh)])
    assert (folder / '000000.txt').read_text() == ''


def test_yolo_names_are_lines(write):
    """A class for each line, whatever ends a line, and none of them twice."""
    names = ['a b', 'a\nb', 'a\rb', 'a\x85b', 'a\u2028b', 'é']
    folder = write('yolo', [box(0, name) for name in names])
    text = (folder / 'classes.txt').read_text(encoding='utf-8')
    assert text.splitlines() == ['a b', r'a\nb', r'a\rb', r'a\x85b', r'a\u2028b', 'é']


def test_yolo_after_a_longer_video(write):
    folder = write('yolo')
    (folder / 'notes.txt').touch()
    assert write('yolo', BOXES[:2], VIDEO._replace(num_frames=3)) == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        *('000000.txt', '000001.txt', '000002.txt', 'classes.txt', 'notes.txt')
    ]


def test_yolo_in_any_locale(write, monkeypatch):
    monkeypatch.setattr(io, 'text_encoding', lambda name, *_: name or 'ascii')
    folder = write('yolo', [box(0, 'löwe')])
    assert (folder / 'classes.txt').read_bytes().decode() == 'löwe\n'


def test_unknown(write):
    with pytest.raises(DataError, match=r"no format 'voc'; there are csv, mot,"):
        write('voc')


class TestTables:
    def test_own_there_and_back(self, write):
        found = read_boxes(write('csv'), VIDEO.size_wh)
        assert found == [replace(box, time_s=0.0) for box in BOXES]

    @pytest.mark.parametrize(
        'name', ['a\nb', 'a\rb', 'a\r\nb', 'a\x85b', 'a\u2028b', 'a,"b"', '007', 'é']
    )
    def test_any_name(self, write, name):
        boxes = [box(0, name, by_person=True), box(1, name)]
        found = read_boxes(write('csv', boxes), VIDEO.size_wh)
        assert found == [replace(box, time_s=0.0) for box in boxes]

    @pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
    def test_as_other_systems_write_it(self, tmp_path, end):
        """With a byte-order mark, other ends of lines, and empty ones after the last."""
        lines = ['\ufeffframe,target,x,y,w,h', '3,a,1,2,3,4', '0,b,1,2,3,4', '', '']
        (tmp_path / 'a.csv').write_bytes(end.join(lines).encode())
        found = read_boxes(tmp_path / 'a.csv', VIDEO.size_wh)
        assert [(b.frame, b.target) for b in found] == [(0, 'b'), (3, 'a')]

    def test_mot_there_and_back(self, write):
        """Names, marks and lost targets are not in it; frames count from 1."""
        found = read_boxes(write('mot'), VIDEO.size_wh)
        numbers = {'left': '1', 'right': '2'}
        assert by_name(found) == [
            TargetBox(b.frame, 0.0, numbers[b.target], b.bbox_xywh, b.score)
            for b in by_name(BOXES)
            if b.state != 'LOST'
        ]

    def test_mot_of_others(self, tmp_path):
        """Of ground truth, with a class and how much is seen; of detections."""
        path = tmp_path / 'gt.txt'
        path.write_text('1,7,9,8,20,10,1,1,0.5\n2,7,9,8,20,10,37.5,1,0.5\n')
        first, second = read_boxes(path, VIDEO.size_wh)
        assert first == TargetBox(0, 0.0, '7', (9, 8, 20, 10))
        assert second.score == 1

    def test_a_header_makes_it_no_mot(self, tmp_path):
        path = tmp_path / 'a.csv'
        path.write_text('frame,target,x,y,w,h,a,b,c\n0,1,9,8,20,10,1,1,1\n')
        assert read_boxes(path, VIDEO.size_wh) == [
            TargetBox(0, 0.0, '1', (9, 8, 20, 10), by_person=True)
        ]


class TestStarts:
    @pytest.mark.parametrize('header', ['', 'frame,target,x,y,w,h\n'])
    def test_lines(self, tmp_path, header):
        path = tmp_path / 'starts.csv'
        path.write_text(header + '7, a, 1, 2, 3, 4\n\n0,b,1.5,2,3,4\n')
        starts = read_starts(path, (9, 9))
        assert [(b.frame, b.target, b.bbox_xywh) for b in starts] == [
            (0, 'b', (1.5, 2, 3, 4)),
            (7, 'a', (1, 2, 3, 4)),
        ]

    @pytest.mark.parametrize('name', ['jsonl', 'csv', 'cvat', 'label-studio'])
    def test_first_of_each_and_those_of_a_person(self, write, tmp_path, name):
        boxes = [*BOXES[:-1], replace(box(4), by_person=name != 'label-studio')]
        if name == 'jsonl':
            path = tmp_path / 'boxes.jsonl'
            path.write_text(''.join(b.to_json() + '\n' for b in boxes))
        else:
            path = write(name, boxes)
        starts = [(b.frame, b.target) for b in read_starts(path, VIDEO.size_wh)]
        again = [] if name == 'label-studio' else [(4, 'left')]
        assert starts == [(0, 'left'), (2, 'right'), *again]

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('', 'there is no box in it'),
            ('0,a,1,2,3\n', r"line 1: expected frame,target,x,y,w,h: no 'h'"),
            ('0,a,1,2,3,4\nx,a,1,2,3,4\n', 'line 2: expected'),
            ('0,a,1,2,3,nan\n', 'line 1: expected .*no box'),
            ('-1,a,1,2,3,4\n', 'line 1: expected .*no box'),
            ('1,1,9,9,9,9,1,-1,-1\n0,1,9,9,9,9,1,-1,-1\n', 'line 2: .*from 1, this is 0'),
            ('1.5,1,9,9,9,9,1,-1,-1\n', r"line 1: expected MOTChallenge: .*'1\.5'"),
            ('frame,target,x,y,w,h,by_person\n0,a,1,2,3,4,no\n', '0 or 1, not no'),
            ('frame,target,x,y,w,h,state\n0,a,1,2,3,4,GONE\n', 'line 2: .*GONE'),
            (f'0,{"a" * 200_000},1,2,3,4\n', 'cannot be read: field larger'),
        ],
    )
    def test_bad_lines(self, tmp_path, text, message):
        (tmp_path / 'a.csv').write_text(text)
        with pytest.raises(DataError, match=rf'a\.csv.*{message}'):
            read_starts(tmp_path / 'a.csv', (9, 9))

    def test_missing(self, tmp_path):
        for name in ('a.csv', 'a.xml', 'a.json', 'a.jsonl'):
            with pytest.raises(DataError, match=name):
                read_starts(tmp_path / name, (9, 9))

    def test_bad_jsonl(self, tmp_path):
        path = tmp_path / 'a.jsonl'
        for bad in ('{', '3', '{"frame": 0}', BOXES[0].to_json().replace('30.0', 'NaN')):
            path.write_text(f'{BOXES[0].to_json()}\n{bad}\n')
            with pytest.raises(DataError, match=r'a\.jsonl, line 2: '):
                list(read_jsonl(path))


@pytest.mark.parametrize('name', list(FORMATS))
def test_names_that_are_no_text(write, name):
    """As of a file whose name is not UTF-8."""
    path = write(name, [box(0, 'a\ud800')], VIDEO._replace(name='\udce9.mp4'))
    if path.suffix in ('.csv', '.xml') or name == 'label-studio':
        assert read_boxes(path, VIDEO.size_wh)[0].target == r'a\ud800'
    if name == 'coco':
        content = json.loads(path.read_text())
        names = [content[key][0]['name'] for key in ('videos', 'tracks')]
        assert names == [r'\udce9.mp4', r'a\ud800']


def test_names_that_are_no_text_are_not_read(tmp_path):
    """No box file could be written with them."""
    path = tmp_path / 'a.jsonl'
    path.write_text(box(0).to_json().replace('left', r'\ud800'))
    with pytest.raises(DataError, match=r'no box of a target: .*ud800'):
        list(read_jsonl(path))


def test_every_format_without_a_box(write):
    """A video in which nothing was found is no error."""
    for name in FORMATS:
        assert write(name, []).exists()
