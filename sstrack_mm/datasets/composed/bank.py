"""A bank of moving pictures and sprites on disk, which training clips are composed of.

    BANK/videos/NAME.npy    (T, H, W, 3) uint8 RGB frames, one file a video
    BANK/tracks.npz         targets whose boxes are known: see :class:`Tracks`
    BANK/stills.npy         (N, H, W, 3) uint8 RGB procedural places
    BANK/actors.npy         (M, P, S, S, 4) uint8 RGBA, P poses of each procedural object

Everything is read by memory maps: a clip costs no decoding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sstrack_mm.datasets.synthetic.objects import random_actor
from sstrack_mm.datasets.synthetic.textures import random_background
from sstrack_mm.datasets.synthetic.video import iter_video
from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames

# Frames between the poses of an actor.
POSE_FRAMES = (0, 2, 5, 10, 18, 30)


@dataclass(frozen=True)
class Tracks:
    """Targets in consecutive frames of the bank's videos.

    Attributes:
        videos: (M,) names of the videos.
        starts: (M,) the first frame of each.
        bboxes_xywh: Of each target, (L, 4) boxes in pixels; NaN where it is not seen.
    """

    videos: list[str]
    starts: list[int]
    bboxes_xywh: list[np.ndarray]

    def save(self, path: Path) -> None:
        """Write them to an ``.npz`` file."""
        np.savez(
            path,
            videos=np.array(self.videos),
            starts=np.array(self.starts),
            lengths=np.array([len(bboxes) for bboxes in self.bboxes_xywh]),
            bboxes_xywh=np.concatenate(self.bboxes_xywh).astype(np.float32),
        )

    @classmethod
    def load(cls, path: Path) -> 'Tracks':
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            ends = np.cumsum(file['lengths'])[:-1]
            return cls(
                file['videos'].tolist(),
                file['starts'].tolist(),
                np.split(file['bboxes_xywh'].astype(float), ends),
            )


def write_video_file(
    folder: Path, path: Path, short_side: int, max_frames: int
) -> list[str]:
    """Put a video file into the bank, thinned to about ``max_frames`` frames.

    Args:
        folder: The bank.
        path: The file.
        short_side: Of the frames, in pixels, if the file's are larger.
        max_frames: Of longer files every second, third, ... frame is taken.

    Returns:
        list[str]: What a user should know of damage in the file.

    Raises:
        DataError: The file cannot be read, or has less than two frames.
    """
    with open_frames(path) as source:
        stride = max(1, (source.num_frames or 0) // max_frames)
        frames = [
            _shrink(frame.image, short_side)
            for frame in source
            if frame.index % stride == 0 and frame.image is not None
        ]
    if len(frames) < 2:
        raise DataError(f'{path}: {len(frames)} frames could be read; a clip needs 2')
    save_array(folder / 'videos' / f'{path.stem}.npy', np.stack(frames))
    return source.report.lines()


def _shrink(image: np.ndarray, short_side: int) -> np.ndarray:
    """An image of at most ``short_side`` pixels on its shorter side."""
    scale = short_side / min(image.shape[:2])
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def write_procedural_videos(
    folder: Path,
    numbers: Iterable[int],
    seed: int,
    num_frames: int,
    size: tuple[int, int],
) -> Tracks:
    """Render videos with their boxes; video ``n`` depends on ``seed`` and n alone."""
    names, bboxes = [], []
    for number in numbers:
        name = f'procedural_{number:05d}'
        frames, bboxes_xywh, cover = zip(
            *iter_video([seed, 0, number], num_frames, size), strict=True
        )
        save_array(folder / 'videos' / f'{name}.npy', np.stack(frames))
        boxes = np.where(np.array(cover)[:, None] >= 4, np.stack(bboxes_xywh), np.nan)
        names.append(name)
        bboxes.append(boxes)
    return Tracks(names, [0] * len(names), bboxes)


def render_stills(seed: int, number: int, size: tuple[int, int]) -> np.ndarray:
    """Procedural places: (N, H, W, 3) uint8 RGB."""
    rng = np.random.default_rng([seed, 1])
    return np.stack(
        [
            random_background(rng, size[1], size[0]).clip(0, 255).astype(np.uint8)
            for _ in range(number)
        ]
    )


def render_actors(seed: int, number: int, side: int) -> np.ndarray:
    """Procedural objects in several poses: (M, P, side, side, 4) uint8 RGBA.

    Colours are multiplied by alpha, as in all sprites.
    """
    rng = np.random.default_rng([seed, 2])
    actors = np.zeros((number, len(POSE_FRAMES), side, side, 4), np.uint8)
    for poses in actors:
        actor = random_actor(rng, 0.62 * side, rng.uniform(0, 2 * np.pi))
        first = int(rng.integers(100))
        middle = np.column_stack([np.eye(2), np.full(2, side / 2)])
        for canvas, frame in zip(poses, POSE_FRAMES, strict=True):
            patch, (x, y) = actor.render(middle, first + frame)
            left, top = max(x, 0), max(y, 0)
            inside = patch[top - y : side - y, left - x : side - x]
            canvas[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return actors


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an ``.npy`` file that appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    with part.open('wb') as file:
        np.save(file, array)
    part.rename(path)
