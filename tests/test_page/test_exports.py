"""What the page gives to take away is what the command writes."""

from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from stand_ins import FakeTracker

from sstrack_mm.apis.tracked_video import track_file
from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page.exports import write_export
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


def write_video(path, codec, pix_fmt, sound=False, times_ms=range(0, 1200, 100)):
    """A video of noise, whose frames take many bytes, and a tone of a second."""
    with av.open(str(path), 'w') as container:
        video = container.add_stream(codec, rate=10, width=128, height=96)
        video.pix_fmt, video.codec_context.time_base = pix_fmt, Fraction(1, 1000)
        if sound:
            audio = container.add_stream('aac', rate=8000, layout='mono')
            tone = np.sin(np.arange(8000)[None] / 5).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone, 'fltp', 'mono')
            samples.rate = 8000
            container.mux([*audio.encode(samples), *audio.encode()])
        for i, time_ms in enumerate(times_ms):
            noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), np.uint8)
            image = cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC)
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def damage(path):
    """Zero a part in the middle."""
    data = bytearray(path.read_bytes())
    start, stop = int(0.36 * len(data)), int(0.48 * len(data))
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)


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
    path = write_video(tmp_path / 'a.mp4', 'libx264', 'yuv420p', True, times_ms)
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
    path = write_video(tmp_path / 'a.mov', 'mjpeg', 'yuvj420p')
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
    video = open_seekable(video_path)
    asked = []

    def is_open():
        asked.append(True)
        return len(asked) < 4

    boxes = [TargetBox(0, 0.0, 'a', (1, 2, 30, 40))]
    with pytest.raises(DataError, match='the video was closed; nothing is exported'):
        write_export('mp4', tmp_path, boxes, video, is_open)
    video.close()
    assert len(asked) == 4
