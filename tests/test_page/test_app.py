"""The server, by what a page sends and gets."""

import asyncio
import io
import json
import os
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from stand_ins import NUM_FRAMES, SIZE_WH, FakeTracker
from starlette.websockets import WebSocketDisconnect

from sstrack_mm.errors import DataError
from sstrack_mm.frames.seek import SeekableVideo
from sstrack_mm.page.sessions import Sessions

BOX_A, BOX_B, BETTER = [10, 8, 24, 20], [50, 30, 20, 18], [40, 20, 22, 22]
SOURCE = 'deep/waves.mp4'


@pytest.fixture
def page(serve, visit):
    return visit(serve())


@pytest.fixture
def opened(page):
    page.say('open', source=SOURCE)
    return page


def upload(page, path, name='my waves.mp4'):
    url = f'{page.url}/video'
    return page.client.put(url, params={'name': name}, content=path.read_bytes())


def test_upload(page, video_path):
    assert upload(page, video_path).status_code == 204
    video = page.until('video')
    assert (video['name'], video['width'], video['height']) == ('my waves.mp4', *SIZE_WH)
    np.testing.assert_allclose(video['times_s'], np.arange(NUM_FRAMES) / 10)
    assert not video['growing']


def test_upload_that_is_refused(page, video_path, tmp_path):
    (tmp_path / 'a.mp4').write_text('text')
    reply = upload(page, tmp_path / 'a.mp4')
    assert reply.status_code == 400
    assert 'its content does not' in reply.json()['problem']


def test_upload_that_is_too_large(serve, video_path, visit):
    page = visit(serve(max_bytes=1000))
    reply = upload(page, video_path)
    assert reply.status_code == 413
    assert 'larger than' in reply.json()['problem']


def test_upload_that_is_broken(page, video_path, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(video_path.read_bytes()[:600])
    reply = upload(page, tmp_path / 'a.mp4')
    assert reply.status_code == 400
    assert 'my waves.mp4' in reply.json()['problem']


@pytest.mark.parametrize('what', ['boxes?name=b.csv', 'video?name=a.mp4'])
def test_upload_that_the_disk_has_no_room_for(page, monkeypatch, what):
    def open_full(path, mode):
        return open('/dev/full', mode, buffering=0)

    monkeypatch.setattr('pathlib.Path.open', open_full)
    reply = page.client.put(f'{page.url}/{what}', content=b'0,a,1,2,3,4')
    assert reply.status_code == 507
    assert 'the disk of the server is full (No space' in reply.json()['problem']


def test_upload_that_is_broken_off(page):
    """It is no error of the server; what came of it is removed."""
    session = page.client.app.state.sessions.get(page.welcome['session'])
    messages = [
        {'type': 'http.request', 'body': bytes(9), 'more_body': True},
        {'type': 'http.disconnect'},
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {
        'type': 'http',
        'method': 'PUT',
        'path': f'{page.url}/video',
        'query_string': b'name=a.mp4',
        'headers': [(b'host', b'127.0.0.1:8765')],
    }
    page.client.portal.call(page.client.app, scope, receive, send)
    assert sent[0]['status'] == 400
    assert list(session.folder.iterdir()) == []


@pytest.mark.parametrize(
    'source',
    ['../secret.mp4', 'deep/../../secret.mp4', '/etc/passwd', 'file:///etc/passwd'],
)
def test_no_way_out_of_the_folder(page, source):
    assert page.welcome['library'] == [SOURCE]
    assert 'neither a video of the folder, nor a camera' in page.fail(
        'open', source=source
    )


def test_links_do_not_lead_out_of_the_folder(serve, video_folder, visit):
    link = video_folder / 'link.mp4'
    link.symlink_to(video_folder.parent / 'secret.mp4')
    try:
        page = visit(serve())
        assert page.welcome['library'] == [SOURCE]
    finally:
        link.unlink()


def test_as_many_videos_as_are_listed(serve, video_folder, visit, monkeypatch):
    """The first by their names; the others are counted, and open all the same."""
    names = ['a.mp4', 'deep/b.mp4', 'z.mp4']
    for name in names:
        shutil.copy(video_folder / SOURCE, video_folder / name)
    monkeypatch.setattr('sstrack_mm.page.offer.MAX_LIBRARY', 2)
    try:
        page = visit(serve())
        assert page.welcome['library'] == names[:2]
        assert page.welcome['more'] == 2
        page.say('open', source='z.mp4')
    finally:
        for name in names:
            (video_folder / name).unlink()


def test_the_folder_is_looked_through_in_a_thread(serve, visit, monkeypatch):
    """A large one takes a while, in which nobody has to wait."""
    threads = []

    def library(folder):
        threads.append(threading.current_thread())
        return {}

    async def find_thread():
        return threading.current_thread()

    monkeypatch.setattr('sstrack_mm.page.offer.list_library', library)
    client = serve()
    visit(client)
    assert threads and client.portal.call(find_thread) not in threads


def test_a_name_in_the_folder_that_is_no_text(serve, video_folder, visit):
    path = Path(os.fsdecode(os.fsencode(video_folder) + b'/\xff.mp4'))
    shutil.copy(video_folder / SOURCE, path)
    try:
        page = visit(serve())
        assert page.welcome['library'] == ['\\xff.mp4', SOURCE]
        page.socket.send_json({'type': 'open', 'source': '\\xff.mp4'})
        assert page.until('video')['name'] == '\\xff.mp4'
    finally:
        path.unlink()


def test_streams_that_are_not_allowed(serve, visit):
    page = visit(serve(streams=False))
    text = page.fail('open', source='http://127.0.0.1:1/a')
    assert 'streams are not allowed' in text


def read_jpeg(reply):
    assert reply.headers['content-type'] == 'image/jpeg'
    return cv2.imdecode(np.frombuffer(reply.content, np.uint8), cv2.IMREAD_COLOR)


def test_frames(opened):
    whole = [read_jpeg(opened.client.get(f'{opened.url}/frames/{i}')) for i in (11, 3, 4)]
    assert whole[0].shape == (*SIZE_WH[::-1], 3)
    assert np.abs(whole[1].astype(int) - whole[2]).mean() > 1
    small = read_jpeg(opened.client.get(f'{opened.url}/frames/3?width=48'))
    assert small.shape == (32, 48, 3)
    reply = opened.client.get(f'{opened.url}/frames/{NUM_FRAMES}')
    assert reply.status_code == 400
    assert reply.json()['problem'] == f'no frame {NUM_FRAMES}; there are {NUM_FRAMES}'


def test_widths_of_frames(opened):
    for width, expected in ((0, 16), (-9, 16), (10**9, SIZE_WH[0])):
        reply = opened.client.get(f'{opened.url}/frames/3?width={width}')
        assert read_jpeg(reply).shape[1] == expected
    for width in ('abc', ''):
        reply = opened.client.get(f'{opened.url}/frames/3?width={width}')
        assert reply.status_code == 400
        assert f'the width {width!r} is no number' in reply.json()['problem']
    assert 'the width inf is no number' in opened.fail('ready', width=float('inf'))


def test_track_two_targets_and_correct_one(opened):
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    b = opened.say('box', target=None, frame=2, bbox_xywh=BOX_B)
    opened.track()
    assert sorted(opened.rows[a]) == list(range(NUM_FRAMES))
    assert sorted(opened.rows[b]) == list(range(2, NUM_FRAMES))
    before = {number: dict(rows) for number, rows in opened.rows.items()}
    assert before[a][0] == [*BOX_A, 1, 'TRACKED', True]

    opened.say('box', target=a, frame=5, bbox_xywh=BETTER)
    assert sorted(opened.rows[a]) == list(range(6))
    opened.track()
    assert opened.rows[b] == before[b]
    assert {f: opened.rows[a][f] for f in range(5)} == {f: before[a][f] for f in range(5)}
    assert opened.rows[a][5] == [*BETTER, 1, 'TRACKED', True]
    assert all(opened.rows[a][f] != before[a][f] for f in range(5, NUM_FRAMES))

    opened.say('undo')
    assert opened.rows == before


def test_a_correction_is_tracked_as_a_target_of_its_own(opened):
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    opened.track()
    opened.say('box', target=a, frame=5, bbox_xywh=BETTER)
    b = opened.say('box', target=None, frame=5, bbox_xywh=BETTER)
    opened.track()
    for frame in range(5, NUM_FRAMES):
        np.testing.assert_allclose(
            opened.rows[a][frame][:5], opened.rows[b][frame][:5], atol=1e-2
        )


HALF_A_LETTER = (
    '{"frame": %d, "time_s": 0, "target": "\\ud83d", "bbox_xywh": [1, 2, 9, 9]}'
)


@pytest.mark.parametrize('damaged', [{2}, {2, 3}, set(range(2, NUM_FRAMES))])
def test_a_box_in_a_frame_that_cannot_be_decoded(opened, damaged):
    """The target starts in the next one that can be, and the others go on."""
    session = opened.client.app.state.sessions.get(opened.welcome['session'])
    read = session.video.read

    def read_some(index):
        if index in damaged:
            raise DataError(f'frame {index} cannot be decoded')
        return read(index)

    session.video.read = read_some
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    b = opened.say('box', target=None, frame=2, bbox_xywh=BOX_B)
    start = max(damaged) + 1
    opened.socket.send_json({'type': 'start'})
    while (message := opened.until('running'))['running']:
        pass
    assert message['problem'].startswith(f'{len(damaged)} frames could not be decoded')
    assert sorted(opened.rows[a]) == list(range(NUM_FRAMES))
    assert opened.rows[b][2] == [*BOX_B, 1, 'TRACKED', True]
    for frame in range(3, start):
        assert opened.rows[b][frame] == [*BOX_B, 0, 'LOST', False]
    if start < NUM_FRAMES:
        assert opened.rows[b][start] == [*BOX_B, 1, 'TRACKED', False]
        c = opened.say('box', target=None, frame=start, bbox_xywh=BOX_B)
        opened.track()
        for frame in range(start + 1, NUM_FRAMES):
            assert opened.rows[b][frame] == opened.rows[c][frame]
    assert sorted(opened.rows[b]) == list(range(2, NUM_FRAMES))


def test_name_that_cannot_be_sent(opened):
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    assert "the name '\\ud83d' of" in opened.fail('rename', target=a, name='\ud83d')
    opened.say('rename', target=a, name='left')
    reply = load(opened, HALF_A_LETTER % 0, 'b.jsonl')
    assert reply.status_code == 400
    assert "'\\ud83d'" in reply.json()['problem']


def test_all_that_is_told_can_be_sent(opened):
    opened.socket.send_json({'type': '\ud83d'})
    while 'no such' not in (text := opened.socket.receive()['text']):
        pass
    assert json.loads(text.encode())['text'] == 'no such command: \ud83d'
    reply = load(opened, HALF_A_LETTER % 99, 'b.jsonl')
    assert "'\\ud83d'" in reply.json()['problem']


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_bug_in_what_is_sent_ends_the_connection(opened, monkeypatch):
    """The page connects anew, and is told all."""

    def encode(image, width):
        raise ZeroDivisionError('no such thing')

    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    monkeypatch.setattr('sstrack_mm.page.socket.encode', encode)
    opened.socket.send_json({'type': 'start'})
    while (message := opened.socket.receive())['type'] != 'websocket.close':
        pass
    assert message['code'] == 1011


def test_names_and_leaving(opened):
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    opened.say('rename', target=a, name='  left one ')
    opened.say('delete', target=a)
    opened.say('undo')
    assert opened.rows[a][0][:4] == BOX_A
    opened.say('unbox', target=a, frame=0)
    assert 'draw a box around a target first' in opened.fail('start')


def test_take_everything_away(opened):
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    opened.say('rename', target=a, name='left')
    opened.say('box', target=None, frame=2, bbox_xywh=BOX_B)
    opened.track()
    opened.say('box', target=a, frame=5, bbox_xywh=BETTER)
    opened.track()
    contents = {}
    for offered in opened.welcome['formats']:
        export = opened.say('export', format=offered['format'])
        assert export == {'file': offered['file'], 'problems': []}
        name = export['file']
        reply = opened.client.get(f'{opened.url}/files/{name}')
        assert reply.status_code == 200
        contents[offered['format']] = reply.content
    assert sorted(contents) == [
        'coco', 'csv', 'cvat', 'jsonl', 'label-studio', 'mot', 'mp4', 'yolo'
    ]  # fmt: skip
    boxes = [json.loads(line) for line in contents['jsonl'].splitlines()]
    assert len(boxes) == 2 * NUM_FRAMES - 2
    persons = [box for box in boxes if box['by_person']]
    assert [(box['frame'], box['target']) for box in persons] == [
        (0, 'left'), (2, 'Target 2'), (5, 'left')
    ]  # fmt: skip
    assert persons[-1]['bbox_xywh'] == BETTER
    with av.open(io.BytesIO(contents['mp4'])) as container:
        assert len(list(container.decode(video=0))) == NUM_FRAMES
    with zipfile.ZipFile(io.BytesIO(contents['yolo'])) as archive:
        assert sum(name.endswith('.txt') for name in archive.namelist()) >= NUM_FRAMES


def load(page, content, name='boxes.csv'):
    """Upload a file of boxes; the targets are told before the reply comes."""
    return page.client.put(f'{page.url}/boxes', params={'name': name}, content=content)


def test_load_boxes_to_start_from(opened):
    text = (
        'frame,target,x,y,w,h\n0,left,10,8,24,20\n2,right,50,30,20,18\n6,left,1,2,9,9\n'
    )
    assert load(opened, text).json() == {'targets': 2, 'boxes': 3}
    names = [opened.until('target')['name'] for _ in range(2)]
    assert names == ['left', 'right']
    assert opened.rows == {
        1: {0: [*BOX_A, 1, 'TRACKED', True], 6: [1, 2, 9, 9, 1, 'TRACKED', True]},
        2: {2: [*BOX_B, 1, 'TRACKED', True]},
    }
    opened.track()
    assert [sorted(rows) for rows in opened.rows.values()] == [
        list(range(NUM_FRAMES)),
        list(range(2, NUM_FRAMES)),
    ]
    opened.say('undo')
    assert 'nothing to take back' in opened.fail('undo')
    assert 'draw a box around a target first' in opened.fail('start')


def test_load_boxes_to_correct(opened):
    """By its name; what was tracked before the box stays, and what came after goes."""
    a = opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    opened.track()
    before = dict(opened.rows[a])
    load(opened, '5,Target 1,40,20,22,22\n')
    opened.until('target')
    assert opened.rows == {
        a: {**{f: before[f] for f in range(5)}, 5: [*BETTER, 1, 'TRACKED', True]}
    }
    opened.say('undo')
    assert opened.rows == {a: before}


def test_load_boxes_while_it_is_tracked(serve, visit):
    page = visit(serve(model=SlowTracker()))
    page.say('open', source=SOURCE)
    a = page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    page.say('start')
    page.until('rows')
    load(page, '1,Target 1,40,20,22,22\n1,b,50,30,20,18\n')
    while len(page.rows) < 2 or sum(map(len, page.rows.values())) < 2 * NUM_FRAMES - 1:
        page.until('rows', 'target')
    assert page.rows[a][1] == [*BETTER, 1, 'TRACKED', True]
    page.say('stop')


@pytest.mark.parametrize('format', ['cvat', 'jsonl', 'csv'])
def test_what_was_taken_away_is_brought_in_again(serve, visit, format):
    """In another session the boxes are the same, and nothing is left to be tracked."""
    client = serve()
    one, two = visit(client), visit(client)
    for page in (one, two):
        page.say('open', source=SOURCE)
    a = one.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    one.say('rename', target=a, name='left')
    b = one.say('box', target=None, frame=2, bbox_xywh=BOX_B)
    one.say('box', target=a, frame=5, bbox_xywh=BETTER)
    one.track()
    name = one.say('export', format=format)['file']
    content = client.get(f'{one.url}/files/{name}').content
    assert load(two, content, name).json() == {'targets': 2, 'boxes': 3}
    assert [two.until('target')['name'] for _ in range(2)] == ['left', 'Target 2']
    confidence = 4
    for number in (a, b):
        assert two.rows[number].keys() == one.rows[number].keys()
        for frame, row in two.rows[number].items():
            expected = one.rows[number][frame]
            if format == 'cvat':  # which knows no numbers for it
                assert row[confidence] == 1
                row = [*row[:confidence], expected[confidence], *row[confidence + 1 :]]
            assert row == pytest.approx(expected, abs=0.011)
    loaded = {number: dict(rows) for number, rows in two.rows.items()}
    two.track()
    assert two.rows == loaded


def test_a_new_target_has_a_name_of_its_own(opened):
    """An export would make one of two of the same name."""
    load(opened, '0,Target 2,10,8,24,20\n')
    assert opened.until('target')['name'] == 'Target 2'
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_B)
    name = opened.say('export', format='csv')['file']
    lines = opened.client.get(f'{opened.url}/files/{name}').text.splitlines()
    assert [line.split(',')[2] for line in lines[1:]] == ['Target 2', 'Target 3']


@pytest.mark.parametrize(
    ('content', 'name', 'status', 'problem'),
    [
        ('0,new,1,2,3,4\n12,a,1,2,3,4\n', 'b.csv', 400, 'a has a box in frame 12'),
        ('0,new,1,2,3,4\n0,a,95,2,3,4\n', 'b.csv', 400, 'a, frame 0: the box 95, 2'),
        (
            '0,a,1,2\n',
            '../../b.csv',
            400,
            "b.csv, line 1: expected frame,target,x,y,w,h: no 'w'",
        ),
        ('', 'b.csv', 400, 'b.csv: there is no box in it'),
        (
            ''.join(f'0,{n},1,2,3,4\n' for n in range(32)),
            'b.csv',
            400,
            'with its 32 targets there would be 33; there can be 32 at most',
        ),
        ('<a/>', 'b.xml', 400, 'b.xml: no CVAT file, but <a>'),
        ('{}', 'b.json', 400, 'b.json: cannot be read as Label Studio'),
        ('PK', 'b.zip', 400, 'b.zip: not a file of boxes; these are: .csv, .json, '),
        (bytes(2 << 20), 'b.csv', 413, 'b.csv: larger than 1 MiB'),
    ],
)
def test_boxes_that_are_refused(serve, visit, content, name, status, problem):
    """Nothing of them is taken, nor left on the disk, and there is nothing to undo."""
    page = visit(serve(max_bytes=1 << 20))
    page.say('open', source=SOURCE)
    page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    session = page.client.app.state.sessions.get(page.welcome['session'])
    kept, rows = sorted(session.folder.rglob('*')), dict(page.rows)
    reply = load(page, content, name)
    assert reply.status_code == status
    assert reply.json()['problem'].startswith(('b.csv', 'b.json', 'b.xml', 'b.zip'))
    assert problem in reply.json()['problem']
    assert sorted(session.folder.rglob('*')) == kept
    page.say('stop')
    assert page.rows == rows
    page.say('undo')  # the box
    assert 'nothing to take back' in page.fail('undo')


def test_files_of_boxes_are_removed(opened):
    session = opened.client.app.state.sessions.get(opened.welcome['session'])
    kept = sorted(session.folder.rglob('*'))
    assert load(opened, '0,a,1,2,3,4\n').status_code == 200
    assert sorted(session.folder.rglob('*')) == kept


def test_boxes_without_a_video(page):
    reply = load(page, '0,a,1,2,3,4\n')
    assert (reply.status_code, reply.json()['problem'][:16]) == (400, 'no video is open')


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_bug_ends_the_tracking_and_is_told(serve, visit):
    class Broken(FakeTracker):
        def track_batch(self, images_rgb, states):
            raise AttributeError('no such thing')

    page = visit(serve(model=Broken()))
    page.say('open', source=SOURCE)
    page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    page.socket.send_json({'type': 'start'})
    while (message := page.until('running'))['running']:
        pass
    assert message['problem'] == 'AttributeError: no such thing'


def test_a_bug_ends_an_export_and_is_told(opened, monkeypatch):
    def write_export(*args):
        raise ZeroDivisionError('no such thing')

    monkeypatch.setattr('sstrack_mm.page.session.write_export', write_export)
    assert opened.fail('export', format='csv') == 'ZeroDivisionError: no such thing'
    monkeypatch.undo()
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    opened.say('export', format='csv')


@pytest.mark.parametrize('name', ['../../secret.mp4', '%2e%2e%2fvideo', '.', 'a.csv'])
def test_files_that_were_not_made(opened, name):
    assert opened.client.get(f'{opened.url}/files/{name}').status_code == 404


@pytest.mark.parametrize(
    ('command', 'fields', 'problem'),
    [
        (
            'box',
            dict(target=None, frame=99, bbox_xywh=BOX_A),
            'no frame 99; there are 12',
        ),
        ('box', dict(target=7, frame=0, bbox_xywh=BOX_A), 'no target 7'),
        (
            'box',
            dict(target=None, frame=0, bbox_xywh=[95, 0, 9, 9]),
            'less than 2 pixels',
        ),
        ('box', dict(target=None, frame=0, bbox_xywh=[0, 0, float('nan'), 9]), 'nan'),
        ('box', dict(target=None, frame='0', bbox_xywh=BOX_A), "'<=' not supported"),
        ('box', dict(frame=0), 'missing'),
        ('unbox', dict(target=7, frame=0), 'no target 7'),
        ('delete', dict(target=7), 'no target 7'),
        ('undo', {}, 'nothing to take back'),
        ('export', dict(format='gif'), "no format 'gif'; there are mp4, jsonl, csv"),
        ('sing', {}, 'no such command: sing'),
    ],
)
def test_commands_that_cannot_be(opened, command, fields, problem):
    assert problem in opened.fail(command, **fields)
    assert opened.rows == {}


@pytest.mark.parametrize(
    ('command', 'fields', 'problem'),
    [
        ('box', dict(target=7, frame=0, bbox_xywh=BOX_A), 'no target 7'),
        ('unbox', dict(target=1, frame=3), 'no box was drawn in frame 3'),
        ('unbox', dict(target=7, frame=0), 'no target 7'),
        ('delete', dict(target=7), 'no target 7'),
    ],
)
def test_what_was_refused_is_not_undone(opened, command, fields, problem):
    """It changed nothing: what is taken back is the change before."""
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    assert problem in opened.fail(command, **fields)
    opened.say('undo')
    assert 'nothing to take back' in opened.fail('undo')


def test_targets_that_are_too_many_are_not_undone(opened, monkeypatch):
    monkeypatch.setattr('sstrack_mm.page.session.MAX_TARGETS', 1)
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    problem = opened.fail('box', target=None, frame=0, bbox_xywh=BOX_B)
    assert problem == 'there can be 1 targets at most'
    opened.say('undo')
    assert 'nothing to take back' in opened.fail('undo')


def test_bytes_are_no_command(opened):
    opened.socket.send_bytes(b'sing')
    assert 'Expecting value' in opened.until('problem', 'done')['text']
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)


def test_bytes_are_no_beginning(serve):
    with serve().websocket_connect('ws://127.0.0.1:8765/socket') as socket:
        socket.send_bytes(b'{}')


def test_no_video_yet(page):
    assert 'no video is open' in page.fail('box', target=None, frame=0, bbox_xywh=BOX_A)
    assert page.client.get(f'{page.url}/frames/0').status_code == 400


def test_two_people_do_not_see_each_other(serve, video_path, visit):
    client = serve()
    one, two = visit(client), visit(client)
    assert one.url != two.url
    assert len(one.url.rpartition('/')[2]) >= 22  # 128 bits
    upload(one, video_path)
    one.until('video')
    assert client.get(f'{two.url}/frames/0').status_code == 400
    assert client.get('/sessions/guessed/frames/0').status_code == 404


def test_as_many_people_as_there_may_be(serve, visit):
    client = serve(max_sessions=1)
    visit(client)
    with client.websocket_connect('ws://127.0.0.1:8765/socket') as socket:
        socket.send_json({'session': None})
        message = socket.receive()
    assert message['code'] == 1013
    assert 'as many as it takes' in message['reason']


class SlowTracker(FakeTracker):
    """A tracker that takes its time."""

    steps = 0
    pause_s = 0.05

    def track_batch(self, images_rgb, states):
        self.steps += 1
        time.sleep(self.pause_s)
        return super().track_batch(images_rgb, states)


def wait_for(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.025)
    raise AssertionError('it did not happen in 10 s')


def test_a_closed_tab_stops_its_work_and_comes_back_to_it(serve, visit):
    slow = SlowTracker()
    slow.pause_s = 1  # a busy machine takes a while to see that the tab is closed
    client = serve(model=slow, keep_s=60)
    page = visit(client)
    page.say('open', source=SOURCE)
    a = page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    page.say('start')
    page.until('rows')
    page.close()
    session = client.app.state.sessions.get(page.welcome['session'])
    wait_for(lambda: not session.running)
    assert slow.steps < NUM_FRAMES - 1

    slow.pause_s = 0
    again = visit(client, page.welcome['session'])
    assert again.url == page.url
    assert again.until('video')['resumed']
    again.track()
    assert sorted(again.rows[a]) == list(range(NUM_FRAMES))


def test_a_closed_tab_stops_its_work_when_its_task_is_cancelled(tmp_path):
    """Also where the threads that would do it are all busy."""

    async def leave_and_cancel():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
        sessions = Sessions(FakeTracker(), tmp_path, max_sessions=1, keep_s=60)
        name, session = await sessions.join(None, page)
        session.stop = stopped.set
        busy = loop.run_in_executor(None, time.sleep, 0.2)
        leaving = asyncio.create_task(sessions.leave(name, page))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await busy
        await asyncio.to_thread(stopped.wait, 10)
        del session.stop
        await sessions.end_all()

    page, stopped = object(), threading.Event()
    asyncio.run(leave_and_cancel())
    assert stopped.is_set()


def test_a_closed_tab_stops_its_export(serve, visit, monkeypatch):
    client = serve(keep_s=60)
    page = visit(client)
    page.say('open', source=SOURCE)
    page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    session = client.app.state.sessions.get(page.welcome['session'])
    read, reads = SeekableVideo.read, []

    def read_slowly(video, index):
        reads.append(index)
        time.sleep(0.5)
        return read(video, index)

    monkeypatch.setattr(SeekableVideo, 'read', read_slowly)
    for _ in range(2):  # the second waits for the first
        page.socket.send_json({'type': 'export', 'format': 'mp4'})
    wait_for(lambda: reads)
    page.close()
    wait_for(lambda: not session._exporting.locked())
    assert len(reads) < NUM_FRAMES
    assert list(session.exports.iterdir()) == []


def test_exports_go_with_their_video(opened):
    opened.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    url = f'{opened.url}/files/{opened.say("export", format="csv")["file"]}'
    assert opened.client.get(url).status_code == 200
    opened.say('open', source=SOURCE)
    assert opened.client.get(url).status_code == 404
    opened.say('export', format='csv')
    assert opened.client.get(url).status_code == 200


def test_an_export_keeps_nobody_waiting(serve, visit, monkeypatch):
    """Nor does it where there is but one thread for all that is done quickly."""
    enough, ended = threading.Event(), threading.Event()

    def write_export(*args):
        enough.wait(5)
        ended.set()
        raise DataError('enough')

    async def have_one_thread():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))

    monkeypatch.setattr('sstrack_mm.page.session.write_export', write_export)
    client = serve()
    client.portal.call(have_one_thread)
    one, two = visit(client), visit(client)
    for page in (one, two):
        page.say('open', source=SOURCE)
    one.socket.send_json({'type': 'export', 'format': 'mp4'})
    for page in (one, two):
        page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    assert not ended.is_set()
    enough.set()
    assert one.until('problem')['text'] == 'enough'


def test_files_are_removed(serve, video_path, visit):
    client = serve(keep_s=0)
    page = visit(client)
    upload(page, video_path)
    folder = client.app.state.sessions.get(page.welcome['session']).folder
    uploaded = list(folder.rglob('video'))
    upload(page, video_path)
    assert not uploaded[0].exists()
    assert len(list(folder.rglob('video'))) == 1
    page.close()
    wait_for(lambda: not folder.exists())


def test_files_are_removed_when_the_server_ends(model, video_path, visit):
    from starlette.testclient import TestClient

    from sstrack_mm.page.app import create_app
    from sstrack_mm.page.offer import Settings

    app = create_app(model, Settings())
    with TestClient(app, base_url='http://127.0.0.1:8765') as client:
        page = visit(client)
        upload(page, video_path)
        folder = app.state.sessions.get(page.welcome['session']).folder
        assert folder.exists()
        page.close()
    assert not folder.parent.exists()


def test_second_window_takes_over(serve, visit):
    client = serve()
    first = visit(client)
    second = visit(client, first.welcome['session'])
    assert first.socket.receive()['code'] == 4001
    assert second.url == first.url
    second.say('open', source=SOURCE)


@pytest.mark.parametrize('error', [WebSocketDisconnect(1006), RuntimeError('closed')])
def test_a_page_takes_over_from_one_that_is_gone(tmp_path, error):
    """After a reload, the socket of the old page may be dead and nobody know it."""

    class Gone:
        async def close(self, code, reason):
            raise error

    async def reload():
        sessions = Sessions(FakeTracker(), tmp_path, max_sessions=1, keep_s=0)
        name, session = await sessions.join(None, Gone())
        page = object()
        assert await sessions.join(name, page) == (name, session)
        await sessions.leave(name, page)
        while sessions.get(name) is not None:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(reload(), 10))


def test_a_session_whose_page_cannot_be_welcomed_is_left(serve, visit, monkeypatch):
    client = serve(keep_s=0, max_sessions=1)
    sessions = client.app.state.sessions

    def offer(settings):
        raise OSError('no such folder')

    monkeypatch.setattr('sstrack_mm.page.socket.describe_offer', offer)
    with (
        pytest.raises(OSError, match='no such folder'),
        client.websocket_connect('ws://127.0.0.1:8765/socket') as socket,
    ):
        socket.send_json({'session': None})
        socket.receive()
    monkeypatch.undo()
    wait_for(lambda: not sessions._sessions)
    visit(client)


def test_edit_while_it_is_tracked(serve, visit):
    page = visit(serve(model=SlowTracker()))
    page.say('open', source=SOURCE)
    a = page.say('box', target=None, frame=0, bbox_xywh=BOX_A)
    page.say('start')
    page.until('rows')
    b = page.say('box', target=None, frame=1, bbox_xywh=BOX_B)
    page.say('box', target=a, frame=1, bbox_xywh=BETTER)
    while len(page.rows[a]) + len(page.rows[b]) < 2 * NUM_FRAMES - 1:
        page.until('rows')
    assert sorted(page.rows[a]) == list(range(NUM_FRAMES))
    assert sorted(page.rows[b]) == list(range(1, NUM_FRAMES))
    assert page.rows[a][1] == [*BETTER, 1, 'TRACKED', True]
    page.say('stop')
