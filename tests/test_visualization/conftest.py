import cv2
import numpy as np
import pytest

from sstrack_mm.structures.sequence import VideoSequence


@pytest.fixture
def make_sequence(tmp_path):
    """Makes a sequence of gray frames whose target moves to the right."""

    def make(name, num_frames=12, attributes=()):
        folder = tmp_path / 'frames' / name
        folder.mkdir(parents=True)
        paths = [str(folder / f'{frame:04d}.png') for frame in range(num_frames)]
        for path in paths:
            cv2.imwrite(path, np.full((96, 128, 3), 90, dtype=np.uint8))
        gt_xywh = np.array(
            [[10 + 5 * frame, 20, 30, 40] for frame in range(num_frames)],
            dtype=np.float64,
        )
        return VideoSequence(name, paths, gt_xywh, np.ones(num_frames, bool), attributes)

    return make
