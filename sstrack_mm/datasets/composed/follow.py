"""Regions of unlabelled video that optical flow can follow there and back.

What moves against the camera, and what has texture, is followed by the median of its
points' flow (https://ieeexplore.ieee.org/document/5596017); a region counts as a target
only as far as following it back ends where it began: no label is needed.
"""

import cv2
import numpy as np

from sstrack_mm.datasets.composed.layers import random_source_box

_LK = dict(
    winSize=(15, 15),
    maxLevel=3,
    criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03),
)
_GRID = 7
_MAX_ERROR = 1.0
_LEAST_SHARE = 0.4
_LEAST_OVERLAP = 0.6


def follow_regions(
    frames: np.ndarray, first: int, length: int, number: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Find and follow regions from one frame on.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        first: Where to begin.
        length: Most frames to follow them for.
        number: How many regions to try.
        rng: The source of randomness.

    Returns:
        list[np.ndarray]: Of each region that could be followed, (L, 4) xywh boxes in
        frames ``first`` to ``first + L - 1``, L at least 4.
    """
    last = min(first + length, len(frames))
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[first:last]]
    if len(gray) < 4:
        return []
    boxes = _propose(gray[0], gray[min(3, len(gray) - 1)], number, rng)
    paths = _follow(gray, boxes)
    found = []
    for path in paths:
        # Shorter and shorter, until the way back ends where it began.
        while len(path) >= 4:
            back = _follow(gray[: len(path)][::-1], path[-1:])[0]
            if len(back) == len(path) and _overlap(back[-1], path[0]) > _LEAST_OVERLAP:
                found.append(path)
                break
            path = path[: len(path) // 2]
    return found


def _propose(
    first: np.ndarray, later: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
    """(number, 4) boxes: around what moves against the camera, and of texture."""
    size_wh = first.shape[1::-1]
    step = 10
    xs = np.arange(step // 2, size_wh[0], step)
    ys = np.arange(step // 2, size_wh[1], step)
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)
    moved, ok = _flow(first, later, points)
    camera = None
    if ok.sum() > 20:
        camera, _ = cv2.estimateAffinePartial2D(
            points[ok], moved[ok], ransacReprojThreshold=1.0
        )
    boxes = []
    if camera is not None:
        expected = points @ camera[:, :2].T + camera[:, 2]
        against = ok & (np.linalg.norm(moved - expected, axis=1) > 2)
        mask = against.reshape(len(ys), len(xs)).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        for x, y, w, h, area in stats[1:]:
            if area >= 4 and w < 0.6 * len(xs) and h < 0.7 * len(ys):
                boxes.append(np.array([x, y, w, h]) * step)
    rng.shuffle(boxes)
    boxes = boxes[: number // 2]
    while len(boxes) < number:
        tries = [
            random_source_box(rng, size_wh, (16, 0.35 * min(size_wh))) for _ in range(4)
        ]
        boxes.append(max(tries, key=lambda box: _texture(first, box)))
    return np.array(boxes, float)


def _texture(gray: np.ndarray, bbox_xywh: np.ndarray) -> float:
    """How well a box can be followed: its smaller mean gradient."""
    x, y, w, h = bbox_xywh.astype(int)
    region = gray[y : y + h, x : x + w].astype(np.float32)
    return min(
        np.abs(np.diff(region, axis=0)).mean(), np.abs(np.diff(region, axis=1)).mean()
    )


def _flow(
    first: np.ndarray, second: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) points in the next frame, and (N,) bool, whether they came back."""
    there, ok, _ = cv2.calcOpticalFlowPyrLK(first, second, points[:, None], None, **_LK)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **_LK)
    error = np.linalg.norm(back[:, 0] - points, axis=1)
    good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (error < _MAX_ERROR)
    return there[:, 0], good


def _follow(gray: list[np.ndarray], boxes: np.ndarray) -> list[np.ndarray]:
    """Follow (N, 4) boxes through frames: of each, (L, 4) boxes as far as it goes."""
    paths = [[box] for box in boxes]
    alive = list(range(len(boxes)))
    side = (np.arange(_GRID) + 0.5) / _GRID
    unit = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    for first, second in zip(gray[:-1], gray[1:], strict=True):
        if not alive:
            break
        points = np.stack([paths[i][-1][:2] + unit * paths[i][-1][2:] for i in alive])
        points = points.astype(np.float32)
        moved, good = _flow(first, second, points.reshape(-1, 2))
        moved, good = moved.reshape(points.shape), good.reshape(points.shape[:2])
        survivors = []
        for i, before, after, ok in zip(alive, points, moved, good, strict=True):
            box = _next_box(paths[i][-1], before[ok], after[ok], first.shape[1::-1])
            if ok.mean() >= _LEAST_SHARE and box is not None:
                paths[i].append(box)
                survivors.append(i)
        alive = survivors
    return [np.array(path) for path in paths]


def _next_box(
    box: np.ndarray, before: np.ndarray, after: np.ndarray, size_wh: tuple[int, int]
) -> np.ndarray | None:
    """Move and scale a box by the medians of its points; None where it gets lost."""
    if len(before) < 6:
        return None
    shift = np.median(after - before, axis=0)
    spread = np.linalg.norm(before - np.median(before, axis=0), axis=1)
    spread_after = np.linalg.norm(after - np.median(after, axis=0), axis=1)
    scale = np.median(spread_after[spread > 1] / spread[spread > 1])
    center, wh = box[:2] + box[2:] / 2 + shift, box[2:] * scale
    inside = (center > 0).all() and (center < size_wh).all()
    if not (inside and np.isfinite(scale) and 8 < np.sqrt(wh.prod()) < min(size_wh)):
        return None
    return np.concatenate([center - wh / 2, wh])


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The intersection over union of two (4,) xywh boxes."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    both = (high - low).clip(0).prod()
    return float(both / (first[2:].prod() + second[2:].prod() - both))
