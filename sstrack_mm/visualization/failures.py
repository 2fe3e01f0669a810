"""Finds where a tracker lost its target, and shows it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.metrics import overlaps
from sstrack_mm.frames import read_image
from sstrack_mm.structures.sequence import VideoSequence
from sstrack_mm.visualization.draw import draw_boxes, filmstrip

_OFFSETS = (-10, 0, 10, 30)
"""The frames shown, counted from the one in which the target is lost."""

_STRIP_HEIGHT = 240
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Failure:
    """Where a tracker lost the target of a sequence.

    Attributes:
        tracker: Name of the tracker.
        sequence: Name of the sequence.
        lost_at: First frame of the longest time without any overlap, counted from 0;
            where the target was never lost, the frame of the smallest overlap.
        lost_for: Labelled frames without overlap from there on, 0 if never lost.
        frames: The frames in the picture.
        overlaps: Their overlaps; None where the target cannot be seen.
        scores: Their scores; None where the tracker has none.
        picture: The filmstrip, with the true and the predicted box.
    """

    tracker: str
    sequence: str
    lost_at: int
    lost_for: int
    frames: list[int]
    overlaps: list[float | None]
    scores: list[float] | None
    picture: Path


def visible_overlaps(bboxes_xywh: np.ndarray, sequence: VideoSequence) -> np.ndarray:
    """The overlap in each frame, whatever the convention.

    Args:
        bboxes_xywh: The predictions, (N, 4) ``x, y, w, h``.
        sequence: The sequence, of N labelled frames.

    Returns:
        np.ndarray: (N,) from 0 to 1; NaN where the target cannot be seen or has no
        true box.
    """
    usable = sequence.visible & (sequence.gt_xywh[:, 2:] > 0).all(axis=1)
    return np.where(usable, overlaps(bboxes_xywh, sequence.gt_xywh), np.nan)


def find_loss(frame_overlaps: np.ndarray) -> tuple[int, int]:
    """The longest time without overlap; frames without a label do not end it.

    Args:
        frame_overlaps: (N,) from 0 to 1, NaN where a frame has no label.

    Returns:
        tuple[int, int]: Its first frame and its number of labelled frames. Without any
        loss, the frame of the smallest overlap and 0.
    """
    labelled = np.flatnonzero(~np.isnan(frame_overlaps))
    if not len(labelled):
        return 0, 0
    lost = frame_overlaps[labelled] <= 0
    if not lost.any():
        return int(np.nanargmin(frame_overlaps)), 0
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    longest = np.argmax(ends - starts)
    return int(labelled[starts[longest]]), int(ends[longest] - starts[longest])


def draw_failure(
    tracker: str,
    bboxes_xywh: np.ndarray,
    scores: np.ndarray | None,
    sequence: VideoSequence,
    path: Path,
) -> Failure:
    """Draw how a tracker lost the target of a sequence, as a filmstrip.

    Args:
        tracker: Name of the tracker.
        bboxes_xywh: Its predictions, (N, 4) ``x, y, w, h``.
        scores: Its scores, (N,), if it has any.
        sequence: The sequence, of N labelled frames.
        path: The picture to write.

    Returns:
        Failure: What is in the picture.

    Raises:
        DataError: A frame cannot be read, or the picture cannot be written.
    """
    frame_overlaps = visible_overlaps(bboxes_xywh, sequence)
    lost_at, lost_for = find_loss(frame_overlaps)
    frames = sorted(
        {min(max(lost_at + offset, 0), len(sequence) - 1) for offset in _OFFSETS}
    )
    pictures = []
    for frame in frames:
        image = read_image(sequence.frame_paths[frame])
        boxes = {'true': sequence.gt_xywh[frame], 'predicted': bboxes_xywh[frame]}
        pictures.append(
            draw_boxes(image, boxes, legend=False, scale=_STRIP_HEIGHT / len(image))
        )
    _write_jpeg(path, filmstrip(pictures, _STRIP_HEIGHT))
    return Failure(
        tracker,
        sequence.name,
        lost_at,
        lost_for,
        frames,
        [
            None if np.isnan(frame_overlaps[frame]) else float(frame_overlaps[frame])
            for frame in frames
        ],
        None if scores is None else scores[frames].tolist(),
        path,
    )


def _write_jpeg(path: Path, image_rgb: np.ndarray) -> None:
    """Write a picture, which as PNG would make the page several times as large."""
    _, data = cv2.imencode(
        '.jpg', image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f'{path}: the picture cannot be written: {error}') from None
