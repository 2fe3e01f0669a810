"""A procedural video and its labels as arrays."""

from collections.abc import Iterator, Sequence

import numpy as np

from sstrack_mm.datasets.synthetic.absence import MIN_FRAMES
from sstrack_mm.datasets.synthetic.looks import check_look, draw_look
from sstrack_mm.datasets.synthetic.scene import Scene
from sstrack_mm.errors import DataError

Seed = int | Sequence[int] | np.random.Generator


def check_video(
    num_frames: int, size: tuple[int, int], absences: int = 0, look: str | None = None
) -> None:
    """Raise a DataError for a video that cannot be: too short, too small."""
    check_look(look)
    if absences < 0 or num_frames < absences * MIN_FRAMES:
        raise DataError(
            f'a target can be away once in {MIN_FRAMES} frames, not {absences} times in '
            f'{num_frames}'
        )
    if num_frames < 2:
        raise DataError(f'a video needs at least 2 frames, not {num_frames}')
    if min(size) < 64:
        raise DataError(
            f'frames must be at least 64 pixels a side, not {size[0]} x {size[1]}'
        )


def iter_video(
    seed: Seed,
    num_frames: int,
    size: tuple[int, int],
    absences: int = 0,
    look: str | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Render a video frame by frame, with the arguments of :func:`render_video`.

    Yields:
        The frame (H, W, 3) uint8 RGB, the box (4,) ``x, y, w, h`` and the cover level.
    """
    check_video(num_frames, size, absences, look)
    rng = np.random.default_rng(seed)
    scene = Scene(rng, num_frames, size, absences)
    camera = draw_look(look, rng, size)
    for t in range(num_frames):
        image, mask, visible_share = scene.render(t)
        if camera is not None:
            image, mask = camera.develop(image, mask, t)
        yield image, bbox_of_mask(mask), cover_level(visible_share)


def render_video(
    seed: Seed,
    num_frames: int = 60,
    size: tuple[int, int] = (320, 240),
    absences: int = 0,
    look: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render a video and its labels.

    Args:
        seed: Whatever ``numpy.random.default_rng`` takes; equal seeds make equal
            videos. Video ``index`` (from 1) of a data set has the seed
            ``[seed, split, index]``, the splits being train 0, val 1 and test 2.
        num_frames: Length T, at least 2.
        size: Width and height in pixels, at least 64.
        absences: How often nothing of the target can be seen for a while, because it
            is covered or has left the image; a spell needs 70 frames of the video.
        look: ``'night'`` or ``'fisheye'``, the same scene through another camera
            (:mod:`~sstrack_mm.datasets.synthetic.looks`); None for the usual one.

    Returns:
        tuple: ``frames``, (T, H, W, 3) uint8 RGB; ``bboxes_xywh``, (T, 4) float64, the
        tight box of the target as it would be seen if nothing hid it, clipped to the
        image, zeros where it is outside, in the first frame all of it; and ``cover``,
        (T,) int64, levels of :func:`cover_level`: 0 nothing is seen to 8 all.

    Raises:
        DataError: ``num_frames`` or ``size`` is too small, or there is no such look.
    """
    frames, bboxes_xywh, cover = zip(
        *iter_video(seed, num_frames, size, absences, look), strict=True
    )
    return np.stack(frames), np.stack(bboxes_xywh), np.array(cover)


def bbox_of_mask(mask: np.ndarray) -> np.ndarray:
    """Give the tight box ``x, y, w, h`` (4,) of a mask (H, W); zeros if it is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return np.zeros(4)
    return np.array(
        [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]],
        dtype=np.float64,
    )


def cover_level(visible_share: float) -> int:
    """Give GOT-10k's level of a share 0..1, which is rounded to whole percents.

    Level 0 is 0 %, levels 1 to 6 are steps of 15 %, 7 is above 90 % and 8 is 100 %.
    """
    percent = round(100 * visible_share)
    return 8 if percent == 100 else min(-(-percent // 15), 7)
