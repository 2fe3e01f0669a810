"""Helpers of the dataset tests."""

import av
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


def make_scene(num_frames, seed=0, size=(96, 64), step=1, square=None):
    """(T, H, W, 3) uint8: a texture that moves, and a square that moves otherwise.

    Args:
        num_frames: T.
        seed: Of the texture and its colour.
        size: Width and height, pixels.
        step: How far the texture moves a frame, pixels.
        square: Side, place and speed (x, y) of a brighter square, in pixels.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    room = width + num_frames * step
    noise = rng.integers(0, 256, (height, room), dtype=np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2).astype(float)[..., None]
    texture = 120 + 4 * (texture - texture.mean()) + rng.uniform(-60, 60, 3)
    texture = texture.clip(0, 255).astype(np.uint8)
    frames = np.stack([texture[:, i * step :][:, :width] for i in range(num_frames)])
    if square is not None:
        side, (x, y), (dx, dy) = square
        patch = rng.integers(150, 256, (side // 4, side // 4, 3), dtype=np.uint8)
        patch = cv2.resize(patch, (side, side), interpolation=cv2.INTER_NEAREST)
        for i, frame in enumerate(frames):
            top, left = y + i * dy, x + i * dx
            frame[top : top + side, left : left + side] = patch
    return frames


@pytest.fixture(scope='session')
def scene():
    return make_scene


@pytest.fixture(scope='session')
def write_film():
    """Writes (T, H, W, 3) uint8 RGB frames to a video file, and returns its path."""

    def write(path, frames, codec='libx264', gop=12, fps=30, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), 'w') as container:
            stream = container.add_stream(codec, rate=fps, options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
            stream.gop_size = gop
            for image in frames:
                frame = av.VideoFrame.from_ndarray(image, format='rgb24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope='session')
def write_images():
    """Writes (T, H, W, 3) uint8 RGB frames as images, and returns their paths."""

    def write(folder, frames):
        folder.mkdir(parents=True, exist_ok=True)
        paths = [str(folder / f'{i:04d}.png') for i in range(len(frames))]
        for path, frame in zip(paths, frames, strict=True):
            cv2.imwrite(path, frame[..., ::-1])
        return paths

    return write
