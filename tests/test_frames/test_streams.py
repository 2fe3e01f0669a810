"""Addresses, served on loopback, and pipes and cameras."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest
from made import cut, number_of, picture

from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.frames.containers import hide_password


@pytest.fixture
def serve():
    """Serves a function of the handler and returns the address."""
    servers = []

    def start(respond):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                respond(self)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_port}'

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def video(write_video):
    """A video that can be read from its start to its end without going back."""
    path = write_video(
        'a.mp4',
        map(picture, range(30)),
        container_options={'movflags': 'faststart'},
    )
    return Path(path).read_bytes()


def send(handler, data, start=0, stop=None):
    """Answer with a part of a file, from where it is asked for."""
    wanted = handler.headers.get('Range', f'bytes={start}-')
    start = int(wanted.removeprefix('bytes=').split('-')[0])
    handler.send_response(206 if 'Range' in handler.headers else 200)
    handler.send_header('Content-Length', str(len(data) - start))
    handler.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
    handler.send_header('Accept-Ranges', 'bytes')
    handler.end_headers()
    handler.wfile.write(data[start:stop])


def send_pictures(handler, numbers, pause_s=0.0):
    """Answer as many a network camera does: JPEG after JPEG."""
    handler.send_response(200)
    handler.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
    handler.end_headers()
    for number in numbers:
        jpeg = cv2.imencode('.jpg', picture(number)[..., ::-1])[1].tobytes()
        head = (
            f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n'
        )
        handler.wfile.write(head.encode() + jpeg + b'\r\n')
        time.sleep(pause_s)


class TestFileOnTheNetwork:
    def test_whole(self, serve, video):
        address = serve(lambda handler: send(handler, video))
        with open_frames(f'{address}/a.mp4', timeout_s=5) as frames:
            assert frames.num_frames == 30 and not frames.is_live
            shown = list(frames)
        assert [number_of(frame.image) for frame in shown] == list(range(30))
        assert frames.report.lines() == []

    def test_goes_on_where_it_broke(self, serve, video):
        asked = []

        def respond(handler):
            asked.append(handler.headers.get('Range'))
            send(handler, video, stop=len(video) // 2 if len(asked) == 1 else None)
            handler.close_connection = True

        with open_frames(f'{serve(respond)}/a.mp4', timeout_s=5) as frames:
            assert len(list(frames)) == 30 and len(asked) > 1

    @pytest.mark.parametrize(
        ('code', 'message'),
        [
            (404, r'the server has nothing at this address \(404\)'),
            (401, r'the server wants a name and a password'),
            (500, r'the server refuses: Server returned 5XX'),
        ],
    )
    def test_refused(self, serve, code, message):
        address = serve(lambda handler: handler.send_error(code))
        with pytest.raises(DataError, match=rf'^{address}/a\.mp4: {message}'):
            open_frames(f'{address}/a.mp4', timeout_s=5)

    @pytest.mark.parametrize('scheme', ['http', 'rtsp'])
    def test_nobody_there(self, scheme):
        with pytest.raises(DataError, match=r'nothing answers there \(connection ref'):
            open_frames(f'{scheme}://127.0.0.1:1/a', timeout_s=5)

    def test_no_answer(self, serve):
        begun = time.monotonic()
        address = serve(lambda handler: time.sleep(5))
        with pytest.raises(DataError, match='no data came in time'):
            open_frames(f'{address}/a.mp4', timeout_s=0.5)
        assert time.monotonic() - begun < 4

    def test_stall(self, serve, video):
        """What came before is there; then it is an error, and no end."""

        def respond(handler):
            send(handler, video, stop=len(video) * 3 // 4)
            handler.wfile.flush()
            time.sleep(5)

        shown = []
        with open_frames(f'{serve(respond)}/a.mp4', timeout_s=0.5) as frames:
            with pytest.raises(DataError, match='no data came in time'):
                for frame in frames:
                    shown.append(frame.index)
        assert 5 < len(shown) < 30 and shown == list(range(len(shown)))

    @pytest.mark.parametrize(
        ('url', 'shown'),
        [
            ('rtsp://user:p@ss@host/x', 'rtsp://host/x'),
            ('rtsp://user:pass@[::1]:554/x@y', 'rtsp://[::1]:554/x@y'),
            ('http://host?mail=a@b', 'http://host?mail=a@b'),
            (
                'http://host/x?user=me&PWD=a&apikey=b&n=1#end',
                'http://host/x?user=me&PWD=***&apikey=***&n=1#end',
            ),
            ('srt://host:9?passphrase=a=b&mode=x', 'srt://host:9?passphrase=***&mode=x'),
        ],
    )
    def test_hide_password(self, url, shown):
        assert hide_password(url) == shown

    def test_password_is_not_shown(self, serve):
        address = serve(lambda handler: handler.send_error(404))
        address = address.replace('://', '://me:secret@')
        with pytest.raises(DataError) as caught:
            open_frames(f'{address}/a.mp4', timeout_s=5)
        assert 'secret' not in str(caught.value)


class TestLive:
    def test_connects_again(self, serve):
        """The numbers and times of the frames go on."""
        connections = []

        def respond(handler):
            connections.append(handler)
            if len(connections) > 2:
                handler.send_error(404)
                return
            send_pictures(handler, range(5), pause_s=0.1)
            handler.close_connection = True

        shown = []
        with open_frames(serve(respond), live=True, timeout_s=2, reconnects=2) as frames:
            assert frames.is_live
            with pytest.raises(DataError, match=r'\(404\) \(given up after 2 attempts'):
                for frame in frames:
                    shown.append(frame)
        assert frames.report.reconnects == 1 and frames.report.read == 10
        indices, times = [f.index for f in shown], [f.time_s for f in shown]
        assert indices[-1] == 9 and indices == sorted(indices)
        assert times[0] < 0.5 < times[-1] and times == sorted(times)
        assert frames.report.dropped == 10 - len(shown)

    def test_newest_first(self, serve):
        address = serve(lambda handler: send_pictures(handler, range(40), pause_s=0.02))
        indices = []
        with open_frames(address, live=True, timeout_s=2) as frames:
            for frame in frames:
                assert number_of(frame.image) == frame.index
                indices.append(frame.index)
                time.sleep(0.1)
                if len(indices) == 4:
                    frames.stop()
        assert len(indices) == 4 and indices[-1] > 4
        assert 'came too late and were dropped' in frames.report.lines()[-1]

    def test_stops_at_once(self, serve):
        """Also while it waits for a frame."""
        address = serve(lambda handler: send_pictures(handler, [1, 2, 3], pause_s=1))
        with open_frames(address, live=True, timeout_s=2) as frames:
            threading.Timer(0.3, frames.stop).start()
            begun = time.monotonic()
            assert len(list(frames)) <= 2
            assert time.monotonic() - begun < 1


class TestPipe:
    @pytest.fixture
    def pipe(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe')
        return tmp_path / 'pipe'

    def test_frames(self, pipe, write_video):
        data = Path(write_video('a.ts', map(picture, range(20)))).read_bytes()
        thread = threading.Thread(target=pipe.write_bytes, args=[data])
        thread.start()
        with open_frames(pipe, timeout_s=5) as frames:
            shown = list(frames)
        thread.join()
        assert [number_of(frame.image) for frame in shown] == list(range(20))

    def test_nobody_writes(self, pipe):
        with pytest.raises(DataError, match='pipe: no data came in time'):
            open_frames(pipe, timeout_s=0.3)

    def test_cut_off(self, pipe, write_video):
        path = write_video('a.mkv', map(picture, range(20)))
        cut(path, 0.7)
        data = Path(path).read_bytes()
        thread = threading.Thread(target=pipe.write_bytes, args=[data])
        thread.start()
        with open_frames(pipe, timeout_s=5) as frames:
            assert 3 < len(list(frames)) < 20
        thread.join()


class TestCamera:
    @pytest.mark.parametrize('source', [97, '97', '/dev/video97'])
    def test_not_there(self, source):
        with pytest.raises(DataError, match='/dev/video97: there is no such'):
            open_frames(source)

    def test_no_camera(self):
        with pytest.raises(DataError, match='/dev/null: cannot be read'):
            open_frames('/dev/null')


@pytest.mark.parametrize('timeout_s', [0, -1, float('nan'), float('inf')])
def test_no_timeout(tmp_path, timeout_s):
    """A pipe was waited for without an end."""
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(DataError, match='a timeout is above 0 seconds, but got'):
        open_frames(tmp_path / 'pipe', timeout_s=timeout_s)
