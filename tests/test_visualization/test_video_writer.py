"""Video that browsers play."""

import av
import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.visualization.video_writer import VideoWriter, write_video

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]


def plain(color, size_wh=(128, 96)):
    return np.full((*size_wh[::-1], 3), color, np.uint8)


@pytest.mark.parametrize('size_wh', [(128, 96), (127, 95)])
def test_round_trip(tmp_path, size_wh):
    path = tmp_path / 'new' / 'video.mp4'
    write_video(path, (plain(color, size_wh) for color in COLORS), fps=10)
    with open_frames(path) as frames:
        shown = list(frames)
        assert frames.fps == pytest.approx(10)
    assert len(shown) == 3 and frames.report.lines() == []
    for frame, color in zip(shown, COLORS, strict=True):
        assert frame.image.shape == (96, 128, 3)
        np.testing.assert_allclose(frame.image[-1, -1], color, atol=6)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == 'h264'
        assert stream.codec_context.pix_fmt == 'yuv420p'


def test_a_colon_in_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video('a:b/video.mp4', [plain(COLORS[0])])
    with open_frames(tmp_path / 'a:b' / 'video.mp4') as frames:
        assert len(list(frames)) == 1


def test_what_ffmpeg_refuses_is_told(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise av.error.ProtocolNotFoundError(1, 'Protocol not found')

    monkeypatch.setattr(av, 'open', refuse)
    with pytest.raises(DataError, match=r'video\.mp4: cannot be written: Protocol not'):
        write_video(tmp_path / 'video.mp4', [plain(COLORS[0])])


def test_other_sizes_are_scaled(tmp_path):
    path = tmp_path / 'video.mp4'
    write_video(path, [plain(COLORS[0]), plain(COLORS[1], (64, 64))])
    with open_frames(path) as frames:
        assert [frame.image.shape for frame in frames] == [(96, 128, 3)] * 2


def test_times_never_go_back(tmp_path):
    path = tmp_path / 'video.mp4'
    with VideoWriter(path, (128, 96), 25) as writer:
        for time_s in (0, 0.5, 0.2, 1):
            writer.write(plain(COLORS[0]), time_s)
    with open_frames(path) as frames:
        times = [frame.time_s for frame in frames]
    np.testing.assert_allclose(times, [0, 0.5, 0.5, 1], atol=1e-3)


def test_plays_while_it_is_written(tmp_path):
    """As after a SIGKILL: all but the last second or so."""
    random = np.random.default_rng(0)
    path = tmp_path / 'video.mp4'
    with VideoWriter(path, (128, 96), 10) as writer:
        for i in range(120):
            image = random.integers(0, 256, (96, 128, 3), dtype=np.uint8)
            writer.write(image, i / 10)
        killed = tmp_path / 'killed.mp4'
        killed.write_bytes(path.read_bytes())
    with open_frames(killed) as frames:
        good = [frame for frame in frames if frame.image is not None]
    assert len(good) >= 40


def test_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='there are no frames to write'):
        write_video(tmp_path / 'video.mp4', [])
    with pytest.raises(DataError, match=r'file/video\.mp4: cannot be written'):
        write_video(tmp_path / 'file' / 'video.mp4', [plain(COLORS[0])])
