"""What the page gives to take away is what the command writes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import av
import numpy as np
import pytest
from stand_ins import NUM_FRAMES, FakeTracker, damage, write_noise

from sstrack_mm.apis.tracked_video import track_file
from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page.session import Session
from sstrack_mm.structures.target_box import TargetBox

STATES = ['TRACKED', 'UNCERTAIN', 'LOST', 'TRACKED']
BOXES = {'Target 1': (2, (60.0, 40.0, 30.0, 20.0)), 'Target 2': (0, (9.0, 8.0, 7.0, 6.0))}
"""By name, frame and box; the first target is the second that starts."""


class MoodyTracker(FakeTracker):
    """Goes through all states, each target at its own pace."""

    def init_state(self, image_rgb, bbox_xywh):
        return SimpleNamespace(**vars(super().init_state(image_rgb, bbox_xywh)), age=0)

    def track_batch(self, images_rgb, states):
        found = super().track_batch(images_rgb, states)
        for new, old in zip(found, states, strict=True):
            new.age = old.age + 1
            new.status = SimpleNamespace(name=STATES[new.age % len(STATES)])
        return found


@pytest.fixture
def by_page(serve, visit):
    """Gives what the page exports of a video: the file, and what is said of it."""

    def export(path, format='mp4'):
        page = visit(serve(model=MoodyTracker()))
        url = f'{page.url}/video'
        page.client.put(url, params={'name': path.name}, content=path.read_bytes())
        page.until('video')
        for frame, bbox_xywh in BOXES.values():
            page.say('box', target=None, frame=frame, bbox_xywh=bbox_xywh)
        page.socket.send_json({'type': 'start'})
        for running in (True, False):
            while page.until('running')['running'] != running:
                pass
        export = page.say('export', format=format)
        content = page.client.get(f'{page.url}/files/{export["file"]}').content
        return content, export['problems']

    return export


@pytest.fixture
def by_command(tmp_path):
    """The same of the command."""

    def track(path):
        starts = [
            TargetBox(frame, 0.0, name, bbox_xywh, by_person=True)
            for name, (frame, bbox_xywh) in BOXES.items()
        ]
        out = tmp_path / 'out'
        result = track_file(MoodyTracker(), open_frames(path), starts, out)
        return (out / 'track.mp4').read_bytes(), result.problems

    return track


def test_times_sound_and_picture_of_the_command(by_page, by_command, tmp_path):
    times_ms = [0, 40, 80, 500, 540, 1200, 1300]
    path = write_noise(tmp_path / 'a.mp4', 'libx264', 'yuv420p', True, times_ms)
    content, problems = by_page(path)
    assert (content, problems) == by_command(path)
    assert problems == []
    (tmp_path / 'track.mp4').write_bytes(content)
    with open_frames(tmp_path / 'track.mp4') as frames:
        shown_ms = [1000 * frame.time_s for frame in frames]
    np.testing.assert_allclose(shown_ms, times_ms, atol=1)
    with av.open(str(path)) as before, av.open(str(tmp_path / 'track.mp4')) as after:
        samples = [
            np.concatenate([f.to_ndarray()[0] for f in c.decode(audio=0)])
            for c in (before, after)
        ]
    np.testing.assert_array_equal(*samples)


def test_frames_that_cannot_be_decoded(by_page, by_command, tmp_path):
    path = write_noise(tmp_path / 'a.mov', 'mjpeg', 'yuvj420p')
    damage(path)
    content, problems = by_page(path)
    assert (content, problems) == by_command(path)
    assert problems[0].startswith('2 of 12 frames could not be decoded (first at 0.')
    (tmp_path / 'track.mp4').write_bytes(content)
    with open_frames(tmp_path / 'track.mp4') as frames:
        shown = [frame.image for frame in frames]
    assert len(shown) == 12
    place = slice(300, 380), slice(400, 500)  # away from boxes and texts
    steps = [
        np.abs(a[place].astype(int) - b[place]).mean()
        for a, b in zip(shown, shown[1:], strict=False)
    ]
    assert sum(step < 3 for step in steps) == 2


def test_a_video_that_is_closed_meanwhile(video_path, tmp_path):
    """Its frames cannot be read any more; the export does not go on without them."""
    session, read_frames = Session(FakeTracker(), tmp_path, threading.Lock()), []
    video = open_seekable(video_path)
    read = video.read

    def read_and_close(index):
        read_frames.append(index)
        if index == 3:
            session.close_video()
        return read(index)

    video.read = read_and_close
    session.open(video, session.new_folder())
    session.set_box(None, 0, [1, 2, 30, 40])
    with pytest.raises(DataError, match='the video was closed; nothing is exported'):
        session.export('mp4')
    assert read_frames == [0, 1, 2, 3]


def test_two_at_a_time(video_path, tmp_path):
    """Each file that is said to be done plays, whatever is made after it."""
    session = Session(FakeTracker(), tmp_path, threading.Lock())
    video, reads = open_seekable(video_path), []
    read, second_waits = video.read, threading.Event()

    def read_slowly(index):
        reads.append(index)
        second_waits.wait(0.5)
        return read(index)

    video.read = read_slowly
    session.open(video, session.new_folder())
    session.set_box(None, 0, [1, 2, 30, 40])
    with ThreadPoolExecutor(2) as pool:
        exports = [pool.submit(session.export, 'mp4') for _ in range(2)]
        time.sleep(0.2)
        second_waits.set()
    assert [export.result()['file'] for export in exports] == ['track.mp4'] * 2
    assert reads == [*range(NUM_FRAMES), *range(NUM_FRAMES)]
    assert [path.name for path in session.exports.iterdir()] == ['track.mp4']
    with open_frames(session.exports / 'track.mp4') as frames:
        assert len(list(frames)) == NUM_FRAMES
    session.close()


def test_a_file_that_is_fetched_while_it_is_made_anew(video_path, tmp_path):
    session = Session(FakeTracker(), tmp_path, threading.Lock())
    session.open(open_seekable(video_path), session.new_folder())
    session.set_box(None, 0, [1, 2, 30, 40])
    path = session.exports / session.export('mp4')['file']
    content = path.read_bytes()
    with path.open('rb') as fetched:
        session.set_box(None, 0, [40, 20, 30, 40])
        session.export('mp4')
        assert fetched.read() == content != path.read_bytes()
    session.close()


def test_a_video_is_read_apart_from_the_tracking(video_path, tmp_path):
    """The tracking's decoder stays where it is."""
    session, reads = Session(FakeTracker(), tmp_path, threading.Lock()), []
    video = open_seekable(video_path)
    read = video.read
    video.read = lambda index: reads.append(index) or read(index)
    session.open(video, session.new_folder(), video_path)
    session.set_box(None, 0, [1, 2, 30, 40])
    session.export('mp4')
    assert reads == []
    with open_frames(session.exports / 'track.mp4') as frames:
        assert len(list(frames)) == NUM_FRAMES
    session.read(3)
    assert reads == [3]
    session.close()
