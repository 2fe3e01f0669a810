"""Video files, sound and damaged."""

import subprocess
import sys
from pathlib import Path

import av
import av.logging
import numpy as np
import pytest
from made import SIZE_WH, cut, noise, number_of, picture, zero

from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames


def read(path, **options):
    with open_frames(path, **options) as frames:
        return frames, list(frames)


def indices_missing(shown):
    assert [frame.index for frame in shown] == list(range(len(shown)))
    return [frame.index for frame in shown if frame.image is None]


class TestSound:
    @pytest.mark.parametrize(
        ('name', 'codec', 'pix_fmt'),
        [
            ('a.mp4', 'libx264', 'yuv420p'),
            ('a.mp4', 'libx264', 'yuv420p10le'),
            ('a.mp4', 'libx265', 'yuv420p'),
            ('a.mkv', 'libx264', 'yuv444p'),
            ('a.ts', 'libx264', 'yuv420p'),
            ('a.avi', 'mpeg4', 'yuv420p'),
            ('a.avi', 'mjpeg', 'yuvj420p'),
            ('a.webm', 'libvpx', 'yuv420p'),
            ('a.webm', 'libvpx-vp9', 'yuv420p'),
            ('a.gif', 'gif', 'rgb8'),
        ],
    )
    def test_formats(self, write_video, name, codec, pix_fmt):
        log = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
        pictures = [picture(i) for i in range(12)]
        path = write_video(name, pictures, codec, pix_fmt, **log)
        frames, shown = read(path)
        assert frames.size_wh == SIZE_WH and frames.fps == 25
        assert frames.num_frames in (12, None)
        assert frames.duration_s == pytest.approx(0.48, abs=0.01)
        assert not frames.has_audio and not frames.is_live
        assert indices_missing(shown) == [] and frames.report.lines() == []
        times = [frame.time_s for frame in shown]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=2e-3)
        for frame, expected in zip(shown, pictures, strict=True):
            assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
            far = np.abs(frame.image.astype(int) - expected).mean()
            assert far < (20 if codec == 'gif' else 4)

    def test_grey(self, write_video):
        path = write_video('a.mkv', [picture(9)] * 3, 'ffv1', 'gray')
        _, shown = read(path)
        assert np.ptp(shown[0].image, axis=2).max() == 0 and shown[0].image.max() > 100

    def test_16_bit_grey(self, write_video):
        path = write_video('a.mkv', [picture(9)] * 3, 'ffv1', 'gray16le')
        with pytest.raises(DataError, match=r'a\.mkv: its values are uint16.*--value'):
            read(path)
        _, shown = read(path, value_range=(0, 65535))
        _, bright = read(path, value_range=(0, 20000))
        assert bright[0].image.max() == 255 > shown[0].image.max() > 100

    def test_times_come_from_the_stream(self, write_video):
        times_ms = [0, 40, 80, 500, 540, 2000, 2001]
        path = write_video('a.mkv', map(picture, range(7)), times_ms=times_ms)
        _, shown = read(path)
        assert [round(1000 * frame.time_s) for frame in shown] == times_ms
        assert [number_of(frame.image) for frame in shown] == list(range(7))

    @pytest.mark.parametrize(
        ('rotation', 'turn'),
        [
            ((90,), lambda image: np.rot90(image)),
            ((-90,), lambda image: np.rot90(image, -1)),
            ((180,), lambda image: np.rot90(image, 2)),
            ((0, True), lambda image: image[:, ::-1]),
            ((90, True), lambda image: np.rot90(image)[:, ::-1]),
            ((-90, True), lambda image: np.rot90(image, -1)[:, ::-1]),
            ((0, False, True), lambda image: image[::-1]),
        ],
    )
    def test_the_way_a_phone_was_held(self, write_video, rotation, turn):
        path = write_video('a.mp4', [picture(5)] * 3, rotation=rotation)
        frames, shown = read(path)
        expected = turn(picture(5))
        assert frames.size_wh == expected.shape[1::-1]
        assert np.abs(shown[2].image.astype(int) - expected).mean() < 4
        _, raw = read(path, orient=False)
        assert np.abs(raw[2].image.astype(int) - picture(5)).mean() < 4

    def test_size_changes(self, write_video, tmp_path):
        """Later frames are scaled to the first, in whose pixels the boxes are."""
        parts = [
            write_video(f'{i}.h264', [picture(i, size)] * 4, bf='0')
            for i, size in enumerate([SIZE_WH, (192, 128)])
        ]
        path = tmp_path / 'both.h264'
        path.write_bytes(b''.join(Path(part).read_bytes() for part in parts))
        frames, shown = read(path)
        assert [frame.image.shape for frame in shown] == [(64, 96, 3)] * 8
        assert np.abs(shown[-1].image.astype(int) - picture(1)).mean() < 4
        assert frames.report.lines() == [
            '4 of 8 frames have another size than the first and were scaled to it'
        ]

    @pytest.mark.parametrize('codec', ['mpeg2video', 'libx264'])
    def test_two_videos_put_together(self, write_video, codec):
        """Their times jump back, and go on as if they were one."""
        path = Path(write_video('a.ts', map(picture, range(50)), codec, bf='2'))
        _, part = read(path)
        path.write_bytes(2 * path.read_bytes())
        frames, shown = read(path)
        assert indices_missing(shown) == [] and frames.report.lines() == []
        for frame, expected in zip(shown, 2 * part, strict=True):
            np.testing.assert_array_equal(frame.image, expected.image)
        times = [frame.time_s for frame in shown]
        np.testing.assert_allclose(times, np.arange(100) / 25, atol=2e-3)

    def test_a_colon_in_a_relative_path(self, write_video, tmp_path, monkeypatch):
        path = write_video('2024-01-01T12:30.mp4', map(picture, range(3)))
        monkeypatch.chdir(tmp_path)
        _, shown = read(Path(path).name)
        assert len(shown) == 3

    def test_sound_track(self, tmp_path):
        path = str(tmp_path / 'a.mp4')
        with av.open(path, 'w') as container:
            video = container.add_stream('libx264', rate=25)
            video.width, video.height, video.pix_fmt = *SIZE_WH, 'yuv420p'
            audio = container.add_stream('aac', rate=8000, layout='mono')
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.float32), 'fltp', 'mono'
            )
            silence.rate = 8000
            container.mux(audio.encode(silence))
            for i in range(25):
                image = av.VideoFrame.from_ndarray(picture(i), 'rgb24')
                container.mux(video.encode(image))
            container.mux([*video.encode(), *audio.encode()])
        frames, shown = read(path)
        assert frames.has_audio and frames.report.lines() == []
        assert [round(25 * frame.time_s) for frame in shown] == list(range(25))


class TestDamage:
    @pytest.fixture
    def pictures(self):
        return [noise(i) for i in range(60)]

    @pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts', 'a.webm'])
    @pytest.mark.parametrize('place', [0.3, 0.5, 0.7])
    def test_middle(self, write_video, name, place):
        """Frames after the damage have the numbers and times that they had before."""
        pictures = [np.where(noise(i) > 40, picture(i), noise(i)) for i in range(60)]
        codec = 'libvpx' if name == 'a.webm' else 'libx264'
        path = write_video(name, pictures, codec)
        _, sound = read(path)
        zero(path, place, place + 0.05)
        frames, shown = read(path)
        assert len(shown) == 60
        missing, report = indices_missing(shown), frames.report
        assert 0 < len(missing) + report.patched <= 20
        assert report.missing == len(missing) and report.read == 60 - len(missing)
        assert len(report.lines()) == (report.missing > 0) + (report.patched > 0)
        np.testing.assert_allclose(
            [frame.time_s for frame in shown],
            [frame.time_s for frame in sound],
            atol=0.03,
        )
        for index in (*range(10), *range(57, 60)):
            np.testing.assert_array_equal(shown[index].image, sound[index].image)

    @pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.avi'])
    @pytest.mark.parametrize('part', [0.3, 0.5, 0.9])
    def test_end(self, write_video, pictures, name, part):
        path = write_video(
            name,
            pictures,
            'mjpeg' if name == 'a.avi' else 'libx264',
            'yuvj420p' if name == 'a.avi' else 'yuv420p',
            container_options={'movflags': 'faststart'} if name == 'a.mp4' else None,
        )
        cut(path, part)
        frames, shown = read(path)
        assert 5 < len(shown) < 60 and shown[4].image is not None
        assert frames.report.lines()[-1].startswith('is cut off: ')
        if name == 'a.mp4':
            lost = 60 - len(shown)
            assert f'{lost} of 60 frames are missing at its end' in frames.report.cut

    def test_index_is_missing(self, write_video, pictures):
        path = write_video('a.mp4', pictures)
        cut(path, 0.5)
        with pytest.raises(DataError, match=r'a\.mp4: cannot be decoded .*complete\?'):
            read(path)

    def test_lost_without_a_time(self, write_video, pictures):
        """An avi file counts its frames: what is lost cannot be placed, but is said."""
        path = write_video('a.avi', pictures, 'mjpeg', 'yuvj420p')
        zero(path, 0.5, 0.55)
        frames, shown = read(path)
        lost = 60 - len(shown)
        assert lost > 0 and frames.report.cut == (
            f'lacks {lost} of 60 frames where it is damaged; the numbers of the frames '
            'after that are too low'
        )

    def test_nothing_left(self, write_video, pictures):
        path = write_video('a.mp4', pictures, container_options={'movflags': 'faststart'})
        data = Path(path).read_bytes()
        zero(path, (data.index(b'mdat') + 4) / len(data), 1)
        with pytest.raises(DataError, match=r'a\.mp4: none of its 60 frames can be'):
            read(path)


class TestRefused:
    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match=r'none\.mp4: no such video file or folder'):
            open_frames(tmp_path / 'none.mp4')

    @pytest.mark.parametrize('name', ['a.mp4', 'a.txt', 'a.ans'])
    def test_text(self, tmp_path, name):
        (tmp_path / name).write_text('no video\n' * 99)
        with pytest.raises(DataError, match=f'{name}: .*cannot be decoded as a video'):
            open_frames(tmp_path / name)

    def test_sound_only(self, tmp_path):
        path = str(tmp_path / 'a.wav')
        with av.open(path, 'w') as container:
            audio = container.add_stream('pcm_s16le', rate=8000, layout='mono')
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.int16), 's16', 'mono'
            )
            frame.rate = 8000
            container.mux(audio.encode(frame))
        with pytest.raises(DataError, match=r'a\.wav: there is no video in it'):
            open_frames(path)

    def test_no_decoder(self, write_video):
        path = Path(write_video('a.mp4', [picture(0)] * 3))
        path.write_bytes(path.read_bytes().replace(b'avc1', b'zzzz'))
        with pytest.raises(DataError, match=r'a\.mp4: FFmpeg has no decoder for its'):
            open_frames(path)

    def test_too_large(self, write_video, monkeypatch):
        path = write_video('a.mp4', [picture(0)] * 3)
        monkeypatch.setattr('sstrack_mm.frames.video.MAX_PIXELS', 64 * 64)
        with pytest.raises(DataError, match=r'a\.mp4: none of its 3 frames can be'):
            open_frames(path)

    def test_playlist_that_leads_elsewhere(self, tmp_path):
        """A stranger's file must not make us ask the network."""
        (tmp_path / 'a.m3u8').write_text(
            '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n'
        )
        with pytest.raises(DataError, match=r'a\.m3u8'):
            open_frames(tmp_path / 'a.m3u8')

    def test_live_file(self, write_video):
        with pytest.raises(DataError, match='a file waits; only cameras, pipes and'):
            open_frames(write_video('a.mp4', [picture(0)] * 3), live=True)


def test_no_thread_of_the_decoder_waits_for_python(write_video):
    """As it would where FFmpeg's messages go to Python's log (torchvision 0.21)."""
    path = write_video('a.mp4', map(picture, range(3)))
    av.logging.set_level(av.logging.ERROR)
    with open_frames(path) as frames:
        assert av.logging.get_level() is None
        assert len(list(frames)) == 3


def test_a_forked_process_leaves_its_parents_garbage_alone(write_video):
    """It has not the threads of the decoder, and would wait for their end for ever."""
    path = write_video('a.mp4', [picture(i) for i in range(12)])
    script = (
        'import gc, os, sys; from sstrack_mm.frames import open_frames;'
        'gc.disable(); frames = open_frames(sys.argv[1]); next(iter(frames));'
        'frames.itself = frames; del frames;'
        'child = os.fork();'
        'child or (gc.collect(), os._exit(0));'
        'sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))'
    )
    command = [sys.executable, '-c', script, path]
    assert subprocess.run(command, timeout=30, check=False).returncode == 0
