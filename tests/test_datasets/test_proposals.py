"""Boxes in video that nobody labelled."""

import numpy as np
import pytest

from sstrack_mm.datasets.proposals import (
    FileProposer,
    MotionProposer,
    PasteProposer,
    PatchProposer,
    residual_motion,
    track_and_back,
)
from sstrack_mm.datasets.video_files import VideoFrame
from sstrack_mm.errors import DataError


def iou(first, second):
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    inter = np.prod(np.clip(high - low, 0, None))
    return inter / (np.prod(first[2:]) + np.prod(second[2:]) - inter)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestMotion:
    @pytest.mark.parametrize('step', [0, 2])
    def test_finds_what_moves_against_the_camera(self, step, scene, rng):
        """Whether the camera stands still or pans."""
        square = (40, (100, 60), (3, 1))
        frames = scene(3, size=(240, 180), step=step, square=square)[::2]
        box = MotionProposer().propose(rng, frames, ['a', 'b'])
        assert iou(box, np.array([100, 60, 40, 40])) > 0.5

    def test_scale_of_large_frames(self, scene, rng):
        square = (160, (400, 240), (12, 4))
        frames = scene(2, size=(960, 720), step=8, square=square)
        box = MotionProposer().propose(rng, frames, ['a', 'b'])
        assert iou(box, np.array([400, 240, 160, 160])) > 0.5

    def test_camera_motion_is_no_target(self, scene, rng):
        frames = scene(3, size=(240, 180), step=3)[::2]
        assert residual_motion(*frames[..., 0]).max() < 1
        assert MotionProposer().propose(rng, frames, ['a', 'b']) is None
        assert MotionProposer().propose(rng, frames[:1], ['a']) is None

    def test_arguments(self):
        with pytest.raises(ValueError, match='area'):
            MotionProposer(area=(0.5, 0.1))


class TestPatch:
    def test_boxes_are_inside_and_have_texture(self, scene, rng):
        frame = scene(1, size=(160, 120))[0]
        frame[:, :80] = 90
        for _ in range(20):
            x, y, w, h = PatchProposer().propose(rng, [frame], ['a'])
            assert 0 <= x and x + w <= 160 and 0 <= y and y + h <= 120
            assert x + w > 80
        frame[:] = 90
        assert PatchProposer().propose(rng, [frame], ['a']) is None

    def test_what_does_not_come_back_does_not_count(self, scene, rng):
        first, second = scene(2, size=(160, 120))
        assert PatchProposer().propose(rng, [first, second], ['a', 'b']) is not None
        other = scene(1, seed=7, size=(160, 120))[0]
        assert PatchProposer(max_tries=1).propose(rng, [first, other], 'ab') is None

    def test_points_come_back(self, scene):
        frames = scene(2, size=(160, 120), step=3)[..., 0]
        points = np.array([[40, 50], [100, 80]], np.float32)
        there, error = track_and_back(*frames, points)
        np.testing.assert_allclose(there, points - [3, 0], atol=0.3)
        assert (error < 0.3).all()
        assert len(track_and_back(*frames, points[:0])[1]) == 0


class TestFile:
    def test_video(self, tmp_path, rng):
        frame = np.zeros((60, 80, 3), np.uint8)
        (tmp_path / 'a.txt').write_text(
            '1,2,30,40\n0,0,0,0\n5,6,30,40\n1,2,inf,4\n90,2,30,40\n-9,2,9,4\n'
        )

        def propose(index, scale=1.0):
            place = VideoFrame(str(tmp_path / 'a.mp4'), index, 0, 0, (9, 9), scale)
            return FileProposer().propose(rng, [frame], [place])

        np.testing.assert_array_equal(propose(0), [1, 2, 30, 40])
        np.testing.assert_array_equal(propose(2, 0.5), [2.5, 3, 15, 20])
        assert propose(1) is None and propose(3) is None and propose(6) is None
        for index in (4, 5):
            with pytest.raises(DataError, match=rf'a.txt, line {index + 1}: .* outside'):
                propose(index)

    def test_images(self, tmp_path, write, rng):
        write.frames(tmp_path, ['1.jpg', '2.jpg', '10.jpg'])
        place, frame = str(tmp_path / '10.jpg'), np.zeros((8, 8, 3), np.uint8)
        assert FileProposer().propose(rng, [frame], [place]) is None
        (tmp_path / 'groundtruth.txt').write_text('1,1,1,1\n2,2,2,2\n3,3,3,3\n')
        np.testing.assert_array_equal(
            FileProposer().propose(rng, [frame], [place]), [3] * 4
        )
        (tmp_path / 'groundtruth.txt').write_text('1,1,1,1\n2,2,2,2\nx\n')
        with pytest.raises(DataError, match='line 3'):
            FileProposer().propose(rng, [frame], [place])


def test_paste_names_none(rng):
    assert PasteProposer().propose(rng, [], []) is None
