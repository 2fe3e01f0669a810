"""A stand-in for the tracker, a short video, and a page that talks to the server."""

import contextlib
import json

import av
import numpy as np
import pytest
from browser import HAS_BROWSER
from stand_ins import NUM_FRAMES, SIZE_WH, FakeTracker
from starlette.testclient import TestClient

from sstrack_mm.page.app import create_app
from sstrack_mm.page.offer import Settings

collect_ignore = [] if HAS_BROWSER else ['test_browser.py']


@pytest.fixture(scope='session')
def model():
    return FakeTracker()


def write_video(path, num_frames=NUM_FRAMES, rate=10):
    """A video of waves that move."""
    width, height = SIZE_WH
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.options = {'g': '5'}
        t, y, x, c = np.ogrid[:num_frames, :height, :width, :3]
        waves = np.sin((x + 2 * t) / 9 + c) + np.cos((y - t) / 7 + c)
        for image in np.round(127 + 60 * waves).astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope='session')
def video_folder(tmp_path_factory):
    """A folder with a video, beside which there is one that is nobody's business."""
    folder = tmp_path_factory.mktemp('server') / 'videos'
    (folder / 'deep').mkdir(parents=True)
    write_video(folder / 'deep' / 'waves.mp4')
    write_video(folder.parent / 'secret.mp4')
    return folder


@pytest.fixture(scope='session')
def video_path(video_folder):
    return video_folder / 'deep' / 'waves.mp4'


@pytest.fixture
def serve(model, video_folder):
    """Starts the server with settings of its own."""
    clients = []

    def start(model=model, **settings):
        app = create_app(model, Settings(videos=video_folder, **settings))
        client = TestClient(app, base_url='http://127.0.0.1:8765')
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


class Page:
    """What a browser does, without one."""

    def __init__(self, client, session=None):
        self.client = client
        self.context = contextlib.ExitStack()
        socket = client.websocket_connect('ws://127.0.0.1:8765/socket')
        self.socket = self.context.enter_context(socket)
        self.socket.send_json({'session': session})
        self.welcome = self.until('welcome')
        self.url = f'/sessions/{self.welcome["session"]}'
        self.rows = {}

    def until(self, *kinds):
        """The next message of some kinds; rows before it are kept."""
        while True:
            message = self.socket.receive()
            if message['type'] == 'websocket.close':
                raise AssertionError(f'closed before {kinds}: {message}')
            if message.get('text') is None:
                continue
            message = json.loads(message['text'])
            if message['type'] in ('target', 'rows'):
                if message['type'] == 'target':
                    self.rows[message['target']] = {}
                for number, frame, *rest in message['rows']:
                    self.rows[number][frame] = rest
            if message['type'] in kinds:
                return message
            assert message['type'] != 'problem', message

    def say(self, kind, **fields):
        """Send a command and wait until it is done."""
        self.socket.send_json({'type': kind, **fields})
        while (done := self.until('done'))['command'] != kind:
            pass
        return done['result']

    def fail(self, kind, **fields):
        """Send a command that must fail, and return what is said."""
        self.socket.send_json({'type': kind, **fields})
        while True:
            message = self.until('problem', 'done')
            if message['type'] == 'problem':
                return message['text']
            assert message['command'] != kind, f'{kind} did not fail'

    def track(self):
        """Track to the end."""
        self.socket.send_json({'type': 'start'})
        for running in (True, False):
            while self.until('running')['running'] != running:
                pass

    def close(self):
        """Close the tab."""
        self.context.close()


@pytest.fixture
def visit(serve):
    """Opens a page of a server, which is closed at the end."""
    pages = []

    def open_page(client, session=None):
        pages.append(Page(client, session))
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()
