"""A small bank, and pictures that optical flow can follow."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.composed import bank


def make_moving_texture(num_frames, speed=(2.0, 1.0), size=(96, 80)):
    """A textured square that moves over a still, textured ground, and its boxes."""
    rng = np.random.default_rng(0)

    def texture(height, width):
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        return cv2.GaussianBlur(noise, (0, 0), 1.0)

    ground, square = texture(size[1], size[0]), texture(24, 24)
    frames, bboxes_xywh = [], []
    for t in range(num_frames):
        frame = ground.copy()
        x, y = round(20 + speed[0] * t), round(20 + speed[1] * t)
        frame[y : y + 24, x : x + 24] = square
        frames.append(frame)
        bboxes_xywh.append((x, y, 24, 24))
    return np.stack(frames), np.array(bboxes_xywh, float)


@pytest.fixture(scope='session')
def bank_folder(tmp_path_factory):
    """A bank with two videos, two places and three objects."""
    folder = tmp_path_factory.mktemp('bank')
    frames, bboxes_xywh = make_moving_texture(12)
    large = np.stack([cv2.resize(frame, (192, 160)) for frame in frames])
    bank.save_array(folder / 'videos' / 'square.npy', large)
    bank.Tracks(['square'], [0], [2 * bboxes_xywh]).save(folder / 'tracks_real.npz')
    procedural = bank.write_procedural_videos(folder, range(1), 5, 6, (96, 72))
    procedural.save(folder / 'tracks_procedural.npz')
    bank.save_array(folder / 'stills.npy', bank.render_stills(0, 2, (400, 300)))
    bank.save_array(folder / 'actors.npy', bank.render_actors(0, 3, 80))
    return folder


@pytest.fixture
def moving_texture():
    """Makes a video of a moving square, and its boxes."""
    return make_moving_texture
