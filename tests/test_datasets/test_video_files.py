"""Single frames of video files."""

import numpy as np
import pytest

from sstrack_mm.datasets.video_files import (
    VideoFrame,
    read_table,
    read_video_frames,
    sample_span,
)
from sstrack_mm.errors import DataError


def turn_upside(path, quarters):
    """Write a rotation into the track header of an .mp4 file, as phones do."""
    one, minus, zero = ((value << 16) & 0xFFFFFFFF for value in (1, -1, 0))
    matrix = {1: (zero, one, minus, zero), 2: (minus, zero, zero, minus)}[quarters]
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[start + place : start + place + 4] = value.to_bytes(4, 'big')
    path.write_bytes(data)


def place(path, table, index, image_wh=None):
    keys = np.flatnonzero(table.key[: index + 1])
    pts, key_pts = int(table.pts[index]), int(table.pts[keys[-1]])
    return VideoFrame(str(path), index, pts, key_pts, image_wh or table.image_wh)


CODECS = {
    'a.mp4': dict(codec='libx264'),
    'b.mkv': dict(codec='mpeg4'),
    'c.avi': dict(codec='mjpeg'),
    'bf.avi': dict(codec='mpeg4', bf='2'),
    'no_b.avi': dict(codec='libx264', bf='0'),
    'no_b.mp4': dict(codec='libx264', bf='0'),
    'd.ts': dict(codec='libx264', bf='3'),
    'e.m2ts': dict(codec='mpeg2video', bf='2'),
    'f.mpg': dict(codec='mpeg2video', bf='2'),
}


class TestFrames:
    @pytest.mark.parametrize('name', CODECS)
    def test_frames_are_those_asked_for(self, name, scene, write_film, tmp_path):
        """In any order, across keyframes, each as a pass through the file has it."""
        frames = scene(40, step=2)
        path = write_film(tmp_path / name, frames, **CODECS[name])
        table = read_table(path)
        assert len(table.pts) == 40 and table.image_wh == (96, 64) and table.key[0]
        wanted = [place(path, table, i) for i in (39, 3, 25, 26, 0)]
        images = read_video_frames(wanted)
        for one in wanted:
            errors = np.abs(frames.astype(int) - images[one]).mean(axis=(1, 2, 3))
            assert errors.argmin() == one.index and errors.min() < 12

    def test_scaled(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.mp4', scene(4))
        wanted = place(path, read_table(path), 2, (48, 32))
        assert read_video_frames([wanted])[wanted].shape == (32, 48, 3)

    @pytest.mark.parametrize('quarters', [1, 2])
    def test_rotation(self, quarters, scene, write_film, tmp_path):
        frames = scene(4)
        path = write_film(tmp_path / 'a.mp4', frames)
        turn_upside(path, quarters)
        table = read_table(path)
        assert table.image_wh == ((64, 96) if quarters == 1 else (96, 64))
        wanted = place(path, table, 2)
        upright = np.rot90(frames[2], -quarters).astype(int)
        assert (
            np.abs(read_video_frames([wanted])[wanted] - upright.astype(int)).mean() < 9
        )

    def test_frame_that_is_gone(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.mp4', scene(30))
        wanted = place(path, read_table(path), 25)
        write_film(path, scene(10))
        with pytest.raises(DataError, match='a.mp4, frame 25: it is not there'):
            read_video_frames([wanted])

    def test_frames_without_times(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.h264', scene(30))
        with pytest.raises(DataError, match='a.h264: its frames have no times; put it'):
            read_table(path)

    def test_frames_shown_in_another_order_than_stored(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.avi', scene(30), bf='2')
        with pytest.raises(DataError, match='a.avi: AVI does not say in which order'):
            read_table(path)

    def test_samples_of_a_span(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.mp4', scene(30), gop=10)
        table = read_table(path)
        samples = list(sample_span(path, int(table.pts[10]), int(table.pts[20])))
        times = [sample.pts for sample in samples]
        assert times[0] == table.pts[10] and times == sorted(times)
        assert sum(time >= table.pts[20] for time in times) == 3
        assert all(sample.thumbnail.shape == (64, 96, 3) for sample in samples)
