"""Reading in a thread."""

import threading
import time

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.frames import ReadAhead, open_frames

IMAGE = np.zeros((4, 6, 3), np.uint8)


def images(count, given):
    for i in range(count):
        given.append(i)
        yield IMAGE


def test_all_in_order_and_not_too_far_ahead():
    given = []
    with ReadAhead(open_frames(images(20, given)), depth=3) as frames:
        assert frames.size_wh == (6, 4)
        for frame in frames:
            time.sleep(0.002)
            assert len(given) <= frame.index + 1 + 3 + 1
    assert frame.index == 19 and frames.report.read == 20


def test_error_comes_after_what_was_read():
    seen = []
    with ReadAhead(open_frames([IMAGE, IMAGE, None])) as frames:
        with pytest.raises(DataError, match='frame 2'):
            for frame in frames:
                seen.append(frame.index)
    assert seen == [0, 1]


def test_closed_early():
    """The thread ends, though it waits for room."""
    threads, given = threading.active_count(), []
    with ReadAhead(open_frames(images(100, given)), depth=2) as frames:
        next(iter(frames))
    assert threading.active_count() == threads and len(given) < 10


def test_late_frames_are_dropped():
    release = threading.Event()

    def camera():
        for i in range(10):
            yield np.full((4, 6, 3), i, np.uint8)
        release.set()
        time.sleep(0.2)
        yield np.full((4, 6, 3), 10, np.uint8)

    with ReadAhead(open_frames(camera()), depth=1, drop_late=True) as frames:
        release.wait(5)
        shown = [(frame.index, frame.image[0, 0, 0]) for frame in frames]
    assert shown == [(0, 0), (9, 9), (10, 10)]
    assert frames.report.dropped == 8 and frames.is_live


@pytest.mark.parametrize('depth', [1, 3])
def test_the_first_frame_stays(depth):
    """A person draws a box in it meanwhile."""
    numbered = [np.full((4, 6, 3), i, np.uint8) for i in range(10)]
    with ReadAhead(open_frames(numbered), depth, drop_late=True) as frames:
        time.sleep(0.2)
        shown = list(frames)
    np.testing.assert_array_equal(shown[0].image, frames.first_image)
    newest = list(range(10 - depth, 10))
    assert [frame.index for frame in shown] == [0, *newest]


def test_missing_frames_do_not_push_out_good_ones(tmp_path):
    source = open_frames([IMAGE, tmp_path / 'gone.png', tmp_path / 'gone.png'])
    with ReadAhead(source, depth=1, drop_late=True) as frames:
        assert [frame.index for frame in frames] == [0]
    assert frames.report.missing == 2 and frames.report.dropped == 0
