"""The video with its boxes; how the command writes it is tested with the command."""

import threading

import numpy as np
import pytest

from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.frames import Frame, open_frames
from sstrack_mm.structures.target_box import TargetBox
from sstrack_mm.visualization.draw import BOX_COLORS, draw_boxes
from sstrack_mm.visualization.drawn_video import DrawnVideo
from sstrack_mm.visualization.video_writer import VideoWriter

SIZE_WH = (480, 360)
IMAGES = [np.full((360, 480, 3), value, np.uint8) for value in (40, 90, 140)]


def box(frame, target, state='TRACKED', score=0.5):
    x = {'a': 100.0, 'b': 300.0}[target]
    return TargetBox(frame, frame / 10, target, (x, 200, 60, 40), score, state=state)


def write(path, boxes, images=IMAGES):
    with DrawnVideo(path, SIZE_WH, 10, None) as video:
        for index, image in enumerate(images):
            frame = Frame(index, index / 10, image)
            video.write(frame, [box for box in boxes if box.frame == index])
    with open_frames(path) as frames:
        return [frame.image for frame in frames]


def check(shown, expected):
    """As near as a video shows it."""
    assert np.abs(shown.astype(int) - expected).mean() < 1.5


def test_state_and_score_are_written(tmp_path):
    boxes = [box(0, 'a'), box(0, 'b'), box(1, 'a', 'LOST', 0.1), box(1, 'b')]
    shown = write(tmp_path / 'a.mp4', boxes)
    places = np.array(boxes[0].bbox_xywh), np.array(boxes[1].bbox_xywh)
    lost = dict(zip(('a LOST', 'b'), places, strict=True))
    check(shown[1], draw_boxes(IMAGES[1], lost, score=0.1, frame_id=1))
    tracked = dict(zip('ab', places, strict=True))
    assert np.abs(shown[1] - draw_boxes(IMAGES[1], tracked).astype(int)).mean() > 0.5


def test_a_target_keeps_its_colour(tmp_path):
    """Also where one before it is not there any more."""
    shown = write(tmp_path / 'a.mp4', [box(0, 'a'), box(0, 'b'), box(2, 'b')])
    place = {'b': np.array(box(2, 'b').bbox_xywh)}
    first, second = (
        np.abs(shown[2] - draw_boxes(IMAGES[2], place, colors).astype(int)).sum()
        for colors in (BOX_COLORS, BOX_COLORS[1:])
    )
    assert second < first


def test_what_could_not_be_decoded_shows_the_frame_before(tmp_path):
    shown = write(tmp_path / 'a.mp4', [], [IMAGES[0], None, IMAGES[2]])
    assert len(shown) == 3
    check(shown[1][100:], IMAGES[0][100:])


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / 'a').write_text('no folder')
    with pytest.raises(DataError, match='cannot be written'):
        write(tmp_path / 'a' / 'a.mp4', [])


def test_the_disk_fills_while_the_file_is_closed(tmp_path, monkeypatch):
    """The error is raised; nothing waits for more frames."""

    def close(writer):
        raise FullDiskError('the disk is full')

    def run():
        try:
            write(tmp_path / 'a.mp4', [])
        except FullDiskError as error:
            raised.append(error)

    raised = []
    monkeypatch.setattr(VideoWriter, 'close', close)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive() and len(raised) == 1
