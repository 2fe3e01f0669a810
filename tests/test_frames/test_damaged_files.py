"""Images and videos with a tenth of their bytes damaged: a right result or one error."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from made import noise, zero

from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames, read_image

PARTS = [i / 10 for i in range(10)]
NUM_FRAMES = 20
VIDEOS = {
    'a.mp4': ('libx264', 'yuv420p', {}),
    'fast.mp4': ('libx264', 'yuv420p', {'movflags': 'faststart'}),
    'pieces.mp4': ('libx264', 'yuv420p', {'movflags': 'frag_keyframe+empty_moov'}),
    'a.mkv': ('libx264', 'yuv420p', {}),
    'a.ts': ('libx264', 'yuv420p', {}),
    'a.webm': ('libvpx', 'yuv420p', {}),
    'a.avi': ('mjpeg', 'yuvj420p', {}),
    'mpeg4.avi': ('mpeg4', 'yuv420p', {}),
    'a.gif': ('gif', 'rgb8', {}),
    'a.h264': ('libx264', 'yuv420p', {}),
    'a.mov': ('libx264', 'yuv444p', {}),
    'h265.mp4': ('libx265', 'yuv420p', {}),
    'ten_bit.mkv': ('libx264', 'yuv420p10le', {}),
    'grey.mkv': ('libx264', 'gray', {}),
    'vp9.webm': ('libvpx-vp9', 'yuv420p', {}),
}


def scramble(path, start, stop, kind):
    """Damage a part of a file: zeros, noise, or taken out."""
    data = bytearray(Path(path).read_bytes())
    begin, end = int(start * len(data)), int(stop * len(data))
    if kind == 'zeros':
        zero(path, start, stop)
        return
    random = np.random.default_rng(begin)
    data[begin:end] = random.bytes(end - begin) if kind == 'noise' else b''
    Path(path).write_bytes(data)


@pytest.mark.parametrize('kind', ['zeros', 'noise', 'taken out'])
@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.bmp', 'a.webp', 'a.tif'])
def test_images(tmp_path, name, kind):
    path = tmp_path / name
    results = []
    for part in PARTS:
        cv2.imwrite(str(path), noise(0))
        scramble(path, part, part + 0.1, kind)
        try:
            image = read_image(path)
        except DataError as error:
            assert str(error).startswith(f'{path}: ') and '\n' not in str(error)
            results.append(None)
        else:
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
            results.append(image.shape)
    # The first tenth has the header.
    assert results[0] in (None, noise(0).shape)


@pytest.mark.parametrize('kind', ['zeros', 'taken out'])
@pytest.mark.parametrize('name', VIDEOS)
def test_videos(write_video, name, kind):
    codec, pix_fmt, options = VIDEOS[name]
    pictures = [noise(i) for i in range(NUM_FRAMES)]
    path = write_video(name, pictures, codec, pix_fmt, container_options=options)
    sound = Path(path).read_bytes()
    told = 0
    for part in PARTS:
        Path(path).write_bytes(sound)
        scramble(path, part, part + 0.1, kind)
        try:
            with open_frames(path) as frames:
                shown = list(frames)
        except DataError as error:
            assert str(error).startswith(f'{path}: ') and '\n' not in str(error)
            told += 1
            continue
        assert [frame.index for frame in shown] == list(range(len(shown)))
        sizes = {frame.image.shape for frame in shown if frame.image is not None}
        assert len(sizes) == 1
        report = frames.report
        assert report.read + report.missing == len(shown)
        told += bool(report.lines())
    # These two have neither checksums nor times to tell damage by.
    assert told >= (1 if name in ('a.gif', 'a.h264') else 6)
