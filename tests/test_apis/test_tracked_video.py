"""Tracking a video into a folder, with a tracker that only counts."""

import json
import os
import resource
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from sstrack_mm.apis.tracked_video import track_file
from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.structures.target_box import TargetBox, read_jsonl
from sstrack_mm.tracking.state import Status

SIZE_WH = (360, 322)


def image(index, noisy=False):
    width, height = SIZE_WH
    if noisy:
        shape = (height, width, 3)
        return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
    picture = np.full((height, width, 3), 40, np.uint8)
    picture[..., 0] = 5 * index
    return picture


def state_of(bbox_xywh, score):
    return SimpleNamespace(
        bbox_xywh=bbox_xywh, score=score, status=Status.TRACKED, confidence=None
    )


@pytest.fixture
def model():
    """Moves each box by a pixel a frame."""

    def init_state(image_rgb, bbox_xywh):
        if bbox_xywh[0] > image_rgb.shape[1]:
            raise DataError('the box has no area inside the image')
        return state_of(bbox_xywh, 1.0)

    def track_batch(images_rgb, states):
        return [state_of(state.bbox_xywh + [1, 0, 0, 0], 0.5) for state in states]

    return SimpleNamespace(init_state=init_state, track_batch=track_batch)


def start(frame=0, target='a', bbox_xywh=(10, 20, 30, 40)):
    return TargetBox(frame, 0.0, target, bbox_xywh, by_person=True)


def write_video(path, times_s, sound=False, codec='aac', sound_s=0):
    """A video with a tone of a second, where asked for."""
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = *SIZE_WH, 'yuv420p'
        video.codec_context.time_base = Fraction(1, 1000)
        if sound:
            audio = container.add_stream(codec, rate=8000, layout='mono')
            tone = np.sin(np.arange(8000)[None] / 5).astype(np.float32)
            kind = 'fltp' if codec == 'aac' else 's16'
            tone = tone if codec == 'aac' else (tone * 9000).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(tone, kind, 'mono')
            samples.rate = 8000
            if sound_s:
                samples.pts, samples.time_base = 8000 * sound_s, Fraction(1, 8000)
            container.mux(audio.encode(samples))
            container.mux(audio.encode())
        for i, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(image(i), 'rgb24')
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def played(folder):
    with open_frames(folder / 'track.mp4') as frames:
        shown = list(frames)
    assert frames.report.lines() == []
    return shown


class TestBoxes:
    def test_lines(self, model, tmp_path):
        source = open_frames([image(i) for i in range(4)], image_fps=10)
        result = track_file(
            model, source, [start(), start(2, 'b', (5, 6, 7, 8))], tmp_path
        )
        lines = (tmp_path / 'boxes.jsonl').read_text().splitlines()
        assert json.loads(lines[1]) == {
            'frame': 1,
            'time_s': 0.1,
            'target': 'a',
            'bbox_xywh': [11, 20, 30, 40],
            'score': 0.5,
            'confidence': None,
            'state': 'TRACKED',
            'by_person': False,
        }
        boxes = [
            (b.frame, b.target, b.bbox_xywh[0], b.by_person)
            for b in read_jsonl(tmp_path / 'boxes.jsonl')
        ]
        assert boxes == [
            *((0, 'a', 10, True), (1, 'a', 11, False), (2, 'a', 12, False)),
            *((2, 'b', 5, True), (3, 'a', 13, False), (3, 'b', 6, False)),
        ]
        assert result.num_frames == 4 and result.is_whole and result.problems == []

    def test_again_from_a_better_box(self, model, tmp_path):
        source = open_frames([image(i) for i in range(4)])
        track_file(model, source, [start(), start(2, 'a', (90, 0, 9, 9))], tmp_path)
        boxes = list(read_jsonl(tmp_path / 'boxes.jsonl'))
        assert [box.bbox_xywh[0] for box in boxes] == [10, 11, 90, 91]

    def test_frames_that_cannot_be_decoded(self, model, tmp_path):
        """The box is a guess there, and the video keeps its frames' numbers."""
        images = [image(0), image(1), tmp_path / 'gone.png', image(3)]
        result = track_file(model, open_frames(images), [start()], tmp_path)
        boxes = list(read_jsonl(tmp_path / 'boxes.jsonl'))
        assert [(b.frame, b.bbox_xywh[0], b.score, b.state) for b in boxes] == [
            *((0, 10, 1, 'TRACKED'), (1, 11, 0.5, 'TRACKED')),
            *((2, 11, 0, 'LOST'), (3, 12, 0.5, 'TRACKED')),
        ]
        assert result.problems[0].startswith('1 of 4 frames could not be decoded')
        assert len(played(tmp_path)) == 4

    def test_start_that_does_not_come(self, model, tmp_path):
        source = open_frames([image(0), image(1)])
        result = track_file(model, source, [start(), start(7, 'late')], tmp_path)
        assert result.not_started == [start(7, 'late')]

    def test_box_outside(self, model, tmp_path):
        source = open_frames([image(0), image(1), image(2)])
        bad = start(1, 'b', (900, 0, 5, 5))
        with pytest.raises(DataError, match='target b in frame 1: the box has no area'):
            track_file(model, source, [start(), bad], tmp_path)
        assert len(list(read_jsonl(tmp_path / 'boxes.jsonl'))) == 1
        assert len(played(tmp_path)) == 1

    def test_no_box(self, model, tmp_path):
        with pytest.raises(DataError, match='there is no box to start a target from'):
            track_file(model, open_frames([image(0)]), [], tmp_path / 'out')

    def test_formats(self, model, tmp_path):
        source = open_frames([image(0), image(1)])
        result = track_file(model, source, [start()], tmp_path, ['mot', 'csv'])
        assert result.files[2:] == [tmp_path / 'mot.txt', tmp_path / 'boxes.csv']
        assert len((tmp_path / 'mot.txt').read_text().splitlines()) == 2


class TestVideo:
    def test_times_and_sound_of_the_source(self, model, tmp_path):
        times_s = [0, 0.04, 0.08, 0.5, 0.54, 1.2]
        path = write_video(tmp_path / 'in.mp4', times_s, sound=True)
        result = track_file(model, open_frames(path), [start()], tmp_path / 'out')
        shown = played(tmp_path / 'out')
        np.testing.assert_allclose([f.time_s for f in shown], times_s, atol=1e-3)
        assert result.is_whole
        with av.open(str(path)) as before, av.open(str(result.files[1])) as after:
            samples = [
                np.concatenate([f.to_ndarray()[0] for f in c.decode(audio=0)])
                for c in (before, after)
            ]
        np.testing.assert_array_equal(*samples)

    def test_sound_that_mp4_does_not_take(self, model, tmp_path):
        path = write_video(tmp_path / 'in.mkv', [0, 0.5, 1], True, 'pcm_s16le')
        track_file(model, open_frames(path), [start()], tmp_path / 'out')
        with av.open(str(tmp_path / 'out' / 'track.mp4')) as container:
            assert container.streams.audio[0].codec_context.name == 'aac'
            sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        assert 7000 < len(sound) < 11000 and np.abs(sound).max() > 0.1

    @pytest.mark.parametrize('codec', ['aac', 'pcm_s16le'])
    def test_sound_that_starts_later(self, model, tmp_path, codec):
        path = write_video(tmp_path / 'in.mkv', [0, 0.5, 1, 1.5, 2], True, codec, 1)
        track_file(model, open_frames(path), [start()], tmp_path / 'out')
        with av.open(str(tmp_path / 'out' / 'track.mp4')) as container:
            times = [
                frame.time
                for frame in container.decode(audio=0)
                if np.abs(frame.to_ndarray()).max() > 0.1
            ]
        assert times[0] == pytest.approx(1, abs=0.05)

    def test_two_videos_put_together(self, model, tmp_path):
        """The sound goes on with the frames."""
        path = write_video(tmp_path / 'in.ts', np.arange(50) / 25, sound=True)
        path.write_bytes(2 * path.read_bytes())
        result = track_file(model, open_frames(path), [start()], tmp_path / 'out')
        assert result.num_frames == len(played(tmp_path / 'out')) == 100
        with av.open(str(result.files[1])) as container:
            sound = [frame.time for frame in container.decode(audio=0)]
        assert sound == sorted(sound) and sound[-1] > 1.8

    def test_shows_the_boxes(self, model, tmp_path):
        track_file(model, open_frames([image(0)] * 3), [start()], tmp_path)
        red, green, _ = played(tmp_path)[0].image[40, 10].astype(int)
        assert red > 150 and green > 130

    def test_own_input(self, model, tmp_path):
        path = write_video(tmp_path / 'track.mp4', [0, 0.04])
        data = path.read_bytes()
        with pytest.raises(DataError, match=r'track\.mp4: this is the video itself'):
            track_file(model, open_frames(path), [start()], tmp_path)
        assert path.read_bytes() == data


class TestEnds:
    """All boxes so far are there, and the video plays, whatever ends it."""

    def check(self, folder, at_least):
        boxes = list(read_jsonl(folder / 'boxes.jsonl'))
        assert [box.frame for box in boxes] == list(range(len(boxes)))
        shown = played(folder)
        assert len(boxes) >= at_least and len(boxes) - 6 <= len(shown) <= len(boxes)

    def test_stop(self, model, tmp_path):
        source = open_frames(image(i) for i in range(1000))

        def on_frame(frame):
            if frame.index == 20:
                source.stop()

        result = track_file(model, source, [start()], tmp_path, ['csv'], on_frame)
        assert 21 <= result.num_frames < 40 and not result.is_whole
        assert (tmp_path / 'boxes.csv').is_file()
        self.check(tmp_path, result.num_frames)

    @pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, DataError('lost')])
    def test_interrupt(self, model, tmp_path, error):
        def frames():
            for i in range(30):
                yield image(i)
            if isinstance(error, DataError):
                raise error

        def on_frame(frame):
            if frame.index == 29 and not isinstance(error, DataError):
                raise error

        with pytest.raises(error if isinstance(error, type) else DataError):
            track_file(model, open_frames(frames()), [start()], tmp_path, (), on_frame)
        self.check(tmp_path, 30)

    def test_error_in_mid_stream(self, model, tmp_path):
        """It is raised when the formats are written and all is told."""

        def frames():
            yield from map(image, range(5))
            raise DataError('the stream is lost')

        images, told = [image(0), tmp_path / 'gone.png', image(2), image(3)], []
        bad = start(3, 'b', (900, 0, 5, 5))
        for source, starts, message, num_frames in (
            (frames(), [start()], 'the stream is lost', 5),
            (images, [start(), bad], 'target b in frame 3: the box has no area', 3),
        ):
            folder = tmp_path / str(num_frames)
            with pytest.raises(DataError, match=message):
                track_file(
                    *(model, open_frames(source), starts, folder, ['csv']),
                    on_end=told.append,
                )
            assert told[-1].num_frames == num_frames and not told[-1].is_whole
            assert told[-1].files[2:] == [folder / 'boxes.csv']
            lines = (folder / 'boxes.csv').read_text().splitlines()
            assert len(lines) == 1 + num_frames
        assert told[-1].problems[0].startswith('1 of 4 frames could not be decoded')

    def test_full_disk(self, model, tmp_path):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        source = open_frames(image(i, noisy=True) for i in range(200))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, limits[1]))
            with pytest.raises(FullDiskError, match=r'track\.mp4: the disk is full'):
                track_file(model, source, [start()], tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        boxes = list(read_jsonl(tmp_path / 'boxes.jsonl'))
        shown = played(tmp_path)
        assert 10 < len(shown) <= len(boxes) < 200

    def test_full_disk_of_the_boxes(self, model, tmp_path, monkeypatch):
        """No line is there in part."""
        from sstrack_mm.apis import tracked_video as module

        opened = []

        class Full:
            def __init__(self, *args, **options):
                self.file = open(*args, **options)
                opened.append(self)

            def write(self, data):
                room = 1000 - self.file.tell()
                if room <= 0:
                    raise OSError(28, 'No space left on device')
                return self.file.write(data[:room])

            def __getattr__(self, name):
                return getattr(self.file, name)

        monkeypatch.setattr(module, 'open', Full, raising=False)
        with pytest.raises(FullDiskError, match=r'boxes\.jsonl: the disk is full'):
            track_file(model, open_frames([image(0)] * 30), [start()], tmp_path)
        boxes = list(read_jsonl(tmp_path / 'boxes.jsonl'))
        assert 3 < len(boxes) < 9 and opened


def test_stages_run_side_by_side(tmp_path, model):
    """While one frame is tracked, the next ones are read, a bounded number of them."""
    read, ahead = [], []

    def frames():
        for i in range(40):
            read.append(i)
            yield image(i)

    def on_frame(frame):
        ahead.append(len(read) - 1 - frame.index)

    track_file(model, open_frames(frames()), [start()], tmp_path, (), on_frame)
    assert max(ahead) > 0 and max(ahead) <= 6


def test_a_name_that_is_no_utf8(model, tmp_path):
    """All formats are written; they failed after the last frame."""
    path = os.fsdecode(os.fsencode(tmp_path) + b'/a\xff.mp4')
    write_video(path, [0, 0.04])
    formats = ['csv', 'mot', 'coco', 'cvat', 'label-studio', 'yolo']
    with open_frames(path) as source:
        result = track_file(model, source, [start()], tmp_path / 'out', formats)
    assert len(result.files) == 2 + len(formats)
    assert json.dumps('a\\xff.mp4') in (tmp_path / 'out' / 'coco.json').read_text()
