"""What is measured in each frame, and the curves over thresholds.

Boxes are continuous ``x, y, w, h`` in image pixels: no side is lengthened by the pixel
that some toolkits call inclusive, because every toolkit that adds it in one place takes
it away in another. What toolkits do disagree on is in
:mod:`sstrack_mm.evaluation.conventions`.
"""

import numpy as np

PIXEL_THRESHOLDS = np.arange(51)
NORM_THRESHOLDS = PIXEL_THRESHOLDS / 100
_TINY_SIDE = 1e-16


def overlaps(bboxes_a_xywh: np.ndarray, bboxes_b_xywh: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes in pairs.

    Args:
        bboxes_a_xywh: (N, 4) ``x, y, w, h``.
        bboxes_b_xywh: (N, 4), the other of each pair.

    Returns:
        np.ndarray: (N,) from 0 to 1; 0 where neither box has an area, NaN where a box
        has NaN. Rounding can put the overlap of equal boxes a hair above 1, and some
        toolkits count that as a success at the threshold 1: see ``cut_overlap``.
    """
    low = np.maximum(bboxes_a_xywh[:, :2], bboxes_b_xywh[:, :2])
    high = np.minimum(
        bboxes_a_xywh[:, :2] + bboxes_a_xywh[:, 2:],
        bboxes_b_xywh[:, :2] + bboxes_b_xywh[:, 2:],
    )
    intersection = (high - low).clip(0).prod(axis=1)
    union = (
        bboxes_a_xywh[:, 2:].prod(axis=1)
        + bboxes_b_xywh[:, 2:].prod(axis=1)
        - intersection
    )
    return np.divide(
        intersection, union, where=union != 0, out=np.zeros_like(intersection)
    )


def box_centers(bboxes_xywh: np.ndarray) -> np.ndarray:
    """Centres of boxes as all toolkits have them, ``x + (w - 1) / 2``: (N, 2)."""
    return bboxes_xywh[:, :2] + (bboxes_xywh[:, 2:] - 1) / 2


def center_errors(bboxes_xywh: np.ndarray, gt_xywh: np.ndarray) -> np.ndarray:
    """Distances between the centres of boxes in pairs, (N,), in pixels."""
    return np.linalg.norm(box_centers(bboxes_xywh) - box_centers(gt_xywh), axis=1)


def norm_center_errors(bboxes_xywh: np.ndarray, gt_xywh: np.ndarray) -> np.ndarray:
    """Centre distances in units of the true box's width and height, (N,)."""
    gt_wh = gt_xywh[:, 2:]
    difference = box_centers(bboxes_xywh) - box_centers(gt_xywh)
    return np.linalg.norm(difference / np.where(gt_wh == 0, _TINY_SIDE, gt_wh), axis=1)


def success_curve(frame_overlaps: np.ndarray, num_thresholds: int) -> np.ndarray:
    """Share of the frames with an overlap above each threshold.

    Args:
        frame_overlaps: (N,), negative where a frame is a failure at any threshold.
        num_thresholds: Number of thresholds, evenly from 0 to 1.

    Returns:
        np.ndarray: (num_thresholds,) in [0, 1].
    """
    thresholds = np.linspace(0, 1, num_thresholds)
    return (frame_overlaps[:, None] > thresholds).mean(axis=0)


def precision_curve(frame_errors: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of the frames with an error of at most each threshold.

    Args:
        frame_errors: (N,), infinite where a frame is a failure at any threshold.
        thresholds: (T,), :data:`PIXEL_THRESHOLDS` or :data:`NORM_THRESHOLDS`.

    Returns:
        np.ndarray: (T,) in [0, 1].
    """
    return (frame_errors[:, None] <= thresholds).mean(axis=0)


def clip_boxes(bboxes_xywh: np.ndarray, image_wh: tuple[int, int]) -> np.ndarray:
    """Clip boxes to an image as the GOT-10k toolkit does.

    A box that begins left of (above) the image is moved in before its far side is cut,
    so it keeps its width (height).

    Args:
        bboxes_xywh: (N, 4) ``x, y, w, h`` in image pixels.
        image_wh: Width and height of the image.

    Returns:
        np.ndarray: (N, 4) float64 ``x, y, w, h``.
    """
    size = np.asarray(image_wh, dtype=np.float64)
    corner = bboxes_xywh[:, :2].clip(0, size)
    return np.hstack([corner, bboxes_xywh[:, 2:].clip(0, size - corner)])
