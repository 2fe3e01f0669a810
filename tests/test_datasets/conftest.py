"""Helpers of the dataset tests."""

import cv2
import numpy as np
import pytest

import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in for mmcv.ops)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    """Keep the index files of the tests out of the user's cache."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
    return folder / 'sstrack_mm' / 'index'


class Writer:
    """Writes small dataset folders; folders above a file are made."""

    def text(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def boxes(self, path, count, first=(1, 2, 3, 4)):
        """Write a box file: ``first``, then boxes that each move on by one."""
        x, y, w, h = first
        self.text(path, ''.join(f'{x + i},{y},{w},{h}\n' for i in range(count)))

    def frames(self, folder, names):
        """Write tiny images, each of its own gray level."""
        folder.mkdir(parents=True, exist_ok=True)
        for level, name in enumerate(names):
            cv2.imwrite(str(folder / name), np.full((8, 8, 3), level % 256, np.uint8))

    def video(self, folder, num_frames=4, labels='groundtruth_rect.txt'):
        """Write a video in the plain layout ``NAME/img/*``."""
        self.frames(folder / 'img', [f'{i:04d}.jpg' for i in range(1, num_frames + 1)])
        self.boxes(folder / labels, num_frames)


@pytest.fixture
def write():
    return Writer()
