"""Streams, which are recorded to go back in them."""

import functools
import http.server
import threading

import cv2
import numpy as np
import pytest
from stand_ins import NUM_FRAMES

from sstrack_mm.errors import DataError
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page.recording import Recording


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing on the screen."""


@pytest.fixture
def address(video_path):
    """The address of the video on loopback."""
    handler = functools.partial(QuietHandler, directory=video_path.parent)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}/{video_path.name}'
        server.shutdown()
        thread.join()


def record(address, folder, max_bytes=1 << 20):
    """Record to the end."""
    ended = threading.Event()

    def look():
        if not recording.growing:
            ended.set()

    begun = threading.Event()
    recording = Recording(address, folder, max_bytes, lambda: begun.wait() and look())
    begun.set()
    assert ended.wait(20)
    return recording


def test_what_was_sent_can_be_gone_back_to(address, video_path, tmp_path):
    recording = record(address, tmp_path)
    video = open_seekable(video_path)
    assert recording.times_s == pytest.approx(video.times_s)
    assert recording.size_wh == video.size_wh and not recording.notes
    for index in (NUM_FRAMES - 1, 2, 5):
        difference = recording.read(index).astype(int) - video.read(index)
        assert np.abs(difference).mean() < 4
    recording.close()


def test_full(address, tmp_path):
    recording = record(address, tmp_path, max_bytes=1)
    assert len(recording.times_s) == 1
    assert recording.notes == ['The recording is full, so it ended.']


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
@pytest.mark.parametrize(
    ('error', 'note'),
    [
        (cv2.error('no such thing'), 'The recording ended: error: no such thing'),
        (
            OSError(28, 'No space left on device', '/tmp/secret/3.jpg'),
            'The recording ended: No space left on device',
        ),
    ],
)
@pytest.mark.parametrize('num_frames', [0, 3])
def test_frames_that_cannot_be_kept(
    address, tmp_path, monkeypatch, error, note, num_frames
):
    """The recording ends, whatever it was; what was kept before is there."""
    imencode, encoded = cv2.imencode, []

    def fail(*args):
        encoded.append(args)
        if len(encoded) > num_frames:
            raise error
        return imencode(*args)

    monkeypatch.setattr('cv2.imencode', fail)
    if not num_frames:
        with pytest.raises(DataError, match=f'nothing is recorded; {note}'):
            Recording(address, tmp_path, 1 << 20, lambda: None)
        return
    recording = record(address, tmp_path)
    assert recording.notes == [note]
    assert len(recording.times_s) == num_frames
    recording.close()


def test_nobody_there(tmp_path):
    with pytest.raises(DataError, match='http://127.0.0.1:1/a.mp4: nothing answers'):
        Recording('http://127.0.0.1:1/a.mp4', tmp_path, 1, lambda: None)


def test_track_on_a_stream(serve, visit, address):
    page = visit(serve())
    page.socket.send_json({'type': 'open', 'source': address})
    frames = len(page.until('video')['times_s'])
    while frames < NUM_FRAMES:
        frames += len(page.until('length')['times_s'])
    a = page.say('box', target=None, frame=3, bbox_xywh=[10, 8, 24, 20])
    page.track()
    assert sorted(page.rows[a]) == list(range(3, NUM_FRAMES))
