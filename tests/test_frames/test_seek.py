"""Frames in any order are the frames in their order."""

import random
import weakref
from pathlib import Path

import numpy as np
import pytest
from made import noise, number_of, picture, zero

from sstrack_mm.errors import DataError
from sstrack_mm.frames import ReadReport, open_frames
from sstrack_mm.frames.seek import open_seekable, read_all

NUM_FRAMES = 30


def check_any_order(path):
    """Read every frame, in any order and a few in their own."""
    with open_frames(path) as frames:
        expected = list(frames)
    video = open_seekable(path)
    np.testing.assert_allclose(video.times_s, [frame.time_s for frame in expected])
    assert video.size_wh == frames.size_wh
    order = list(range(len(expected)))
    random.Random(0).shuffle(order)
    for index in (*order, 5, 6, 7, 3, len(expected) - 1, 0):
        np.testing.assert_array_equal(video.read(index), expected[index].image)
    video.close()


@pytest.mark.parametrize(
    ('name', 'codec', 'options'),
    [
        ('a.mp4', 'libx264', dict(bf='3')),
        ('a.mkv', 'libx264', {'bf': '3', 'x264-params': 'open-gop=1'}),
        ('a.avi', 'mpeg4', dict(bf='2')),
        ('a.ts', 'libx264', dict(bf='2')),
        ('a.mpg', 'mpeg2video', dict(bf='2')),
        ('a.webm', 'libvpx', {'auto-alt-ref': '1', 'lag-in-frames': '10'}),
    ],
)
def test_any_order(name, codec, options, write_video):
    images = map(picture, range(NUM_FRAMES))
    check_any_order(write_video(name, images, codec, gop=8, **options))


def test_turned_and_at_odd_times(write_video):
    times_ms = [100 * i + 30 * (i % 3) for i in range(NUM_FRAMES)]
    images = map(picture, range(NUM_FRAMES))
    path = write_video('a.mp4', images, times_ms=times_ms, rotation=(90,))
    check_any_order(path)


def test_damaged_frames_have_their_places(write_video):
    path = write_video('a.mov', map(noise, range(NUM_FRAMES)), 'mjpeg', 'yuvj420p')
    zero(path, 0.4, 0.45)
    with open_frames(path) as frames:
        missing = [frame.index for frame in frames if frame.image is None]
    assert 0 < len(missing) < 4
    video = open_seekable(path, 'waves')
    assert len(video.times_s) == NUM_FRAMES
    for index in reversed(range(NUM_FRAMES)):
        if index in missing:
            with pytest.raises(
                DataError, match=f'waves: frame {index} cannot be decoded'
            ):
                video.read(index)
        else:
            video.read(index)
    report = ReadReport()
    found = [frame.index for frame in read_all(video, report) if frame.image is None]
    assert found == missing
    assert report.lines() == frames.report.lines()


def test_ends_where_it_is_damaged(write_video):
    path = Path(write_video('a.y4m', map(picture, range(6)), 'rawvideo'))
    data = path.read_bytes()
    path.write_bytes(b'XXXXX'.join(data.rsplit(b'FRAME', 1)))
    video = open_seekable(path)
    assert [number_of(video.read(index)) for index in (4, 1)] == [4, 1]
    assert len(video.times_s) == 5


def test_damaged_while_it_is_open(write_video):
    """The frames were listed while the file was whole."""
    path = Path(write_video('a.y4m', map(picture, range(6)), 'rawvideo'))
    video = open_seekable(path)
    path.write_bytes(b'XXXXX'.join(path.read_bytes().rsplit(b'FRAME', 1)))
    with pytest.raises(DataError, match='frame 5 cannot be decoded'):
        video.read(5)


def test_closed(write_video):
    """The frames after the one that was read last lie ready in FFmpeg's memory."""
    video = open_seekable(write_video('a.mp4', map(picture, range(NUM_FRAMES))), 'waves')
    video.read(4)
    video.close()
    with pytest.raises(DataError, match='waves: the video is closed'):
        video.read(5)


@pytest.mark.parametrize(('room', 'kept'), [(3, 3), (0.5, 1), (100, 8)])
def test_large_frames_are_not_kept(write_video, monkeypatch, room, kept):
    video = open_seekable(write_video('a.mp4', map(picture, range(NUM_FRAMES))))
    room = int(room * video.read(0).nbytes)
    monkeypatch.setattr('sstrack_mm.frames.seek._CACHE_BYTES', room)
    images = [weakref.ref(video.read(index)) for index in range(12)]
    assert sum(image() is not None for image in images) == kept


def test_folder_of_images(tmp_path):
    from PIL import Image

    for index in range(12):
        Image.fromarray(picture(index)).save(tmp_path / f'{index}.png')
    video = open_seekable(tmp_path)
    assert [number_of(video.read(index)) for index in (11, 2, 10)] == [11, 2, 10]
    assert video.times_s[10] == 0.4


def test_images_of_other_sizes(tmp_path):
    from PIL import Image

    for index, size_wh in enumerate([(96, 64), (192, 128)]):
        Image.fromarray(picture(index, size_wh)).save(tmp_path / f'{index}.png')
    video = open_seekable(tmp_path)
    assert video.size_wh == (96, 64) and video.read(1).shape == (64, 96, 3)
    with open_frames(tmp_path) as frames:
        np.testing.assert_array_equal([f.image for f in frames][1], video.read(1))


def test_times_that_jump_back(write_video):
    path = write_video('a.ts', map(picture, range(NUM_FRAMES)))
    data = Path(path).read_bytes()
    Path(path).write_bytes(2 * data)
    with pytest.raises(DataError, match=r'a\.ts: its times jump back, .*: ffmpeg -'):
        open_seekable(path)


def test_no_video(tmp_path):
    (tmp_path / 'a.mp4').write_text('no video')
    with pytest.raises(DataError, match='my video: '):
        open_seekable(tmp_path / 'a.mp4', 'my video')
