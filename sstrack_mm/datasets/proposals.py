"""Where a first box comes from in video that nobody labelled.

A proposer looks at a frame, most of them also at another one shortly after it, and names
a box that is worth to be tracked, or none. A new one is a class with ``propose``,
registered here (in mmtrack's ``TASK_UTILS``).
"""

import os
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from mmtrack.registry import TASK_UTILS

from sstrack_mm.datasets import files
from sstrack_mm.datasets.shards.store import Member
from sstrack_mm.datasets.video_files import VideoFrame
from sstrack_mm.disk import printable
from sstrack_mm.errors import DataError
from sstrack_mm.frames import list_frames

Frames = Sequence[np.ndarray]
Places = Sequence[str | Member | VideoFrame]


class Proposer(Protocol):
    """What :class:`~sstrack_mm.datasets.transforms.ProposeTarget` calls."""

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """Name a box in the first frame.

        Args:
            rng: Source of randomness.
            frames: (H, W, 3) uint8 RGB; one, or two of them a few frames apart.
            places: Where the frames came from.

        Returns:
            np.ndarray | None: (4,) float64 ``x, y, w, h`` in pixels of the frame; None
            where there is nothing to be tracked.
        """


@TASK_UTILS.register_module()
class PasteProposer:
    """Names none: every clip is a synthesised one, see ``ComposeTarget``."""

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """See :class:`Proposer`."""
        return None


@TASK_UTILS.register_module()
class PatchProposer:
    """Any patch with texture is a target.

    With a second frame, its corners must be found there and found again on the way back;
    if most are not, it does not count.

    Args:
        sides: Least and largest side of a patch over the short side of the frame.
        aspect: A patch's width over its height is ``exp(N(0, aspect))``.
        min_corners: How many corners a patch needs.
        min_consistent: Which share of them must come back to within a pixel.
        max_tries: How many patches are drawn before there is none.
    """

    def __init__(
        self,
        sides: tuple[float, float] = (0.08, 0.35),
        aspect: float = 0.3,
        min_corners: int = 4,
        min_consistent: float = 0.5,
        max_tries: int = 10,
    ) -> None:
        if not 0 < sides[0] <= sides[1] <= 1:
            raise ValueError(f'sides must be two numbers in (0, 1], but got {sides}')
        self.sides = sides
        self.aspect = aspect
        self.min_corners = min_corners
        self.min_consistent = min_consistent
        self.max_tries = max_tries

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """See :class:`Proposer`."""
        grays, scale = shrink_to_gray(frames)
        height, width = grays[0].shape
        corners = find_corners(grays[0])
        if len(grays) > 1:
            consistent = track_and_back(grays[0], grays[1], corners)[1] < 1
        else:
            consistent = np.ones(len(corners), bool)
        for _ in range(self.max_tries):
            side = np.exp(rng.uniform(*np.log(self.sides))) * min(width, height)
            stretch = np.exp(rng.normal() * self.aspect / 2)
            wh = np.minimum([side * stretch, side / stretch], [width, height])
            low = rng.random(2) * ([width, height] - wh)
            inside = ((corners >= low) & (corners < low + wh)).all(axis=1)
            if inside.sum() < self.min_corners:
                continue
            if consistent[inside].mean() >= self.min_consistent:
                return np.concatenate([low, wh]) / scale
        return None


@TASK_UTILS.register_module()
class MotionProposer:
    """What moves against the camera.

    The second frame is warped onto the first one by the homography that most corners
    follow; connected regions that the optical flow (DIS) between the two still moves
    are targets, one of them drawn by how much it moves.

    Args:
        min_flow: Least residual motion of a pixel, in pixels of a frame of 320 a side.
        area: Least and largest area of a region over that of the frame.
        min_side: Least side of a region, in pixels of a frame of 320 a side.
        min_filled: Least share of a region's box that moves.
    """

    def __init__(
        self,
        min_flow: float = 1.0,
        area: tuple[float, float] = (0.001, 0.2),
        min_side: int = 8,
        min_filled: float = 0.3,
    ) -> None:
        if min_flow <= 0 or not 0 < area[0] < area[1] <= 1:
            raise ValueError(
                'expected min_flow > 0 and 0 < area[0] < area[1] <= 1, but got '
                f'{min_flow} and {area}'
            )
        self.min_flow = min_flow
        self.area = area
        self.min_side = min_side
        self.min_filled = min_filled

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """See :class:`Proposer`."""
        if len(frames) < 2:
            return None
        grays, scale = shrink_to_gray(frames)
        motion = residual_motion(*grays[:2])
        regions, energy = self._find_regions(motion)
        if not len(regions):
            return None
        region = regions[rng.choice(len(regions), p=energy / energy.sum())]
        return _tighten(region, motion) / scale

    def _find_regions(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 4) xywh boxes of connected moving regions, and their (N,) total motion."""
        moving = (motion > self.min_flow).astype(np.uint8)
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(moving)
        bboxes, sizes = stats[:, :4].astype(float), stats[:, 4]
        energy = np.bincount(labels.ravel(), motion.ravel(), len(stats))
        height, width = motion.shape
        low, high = bboxes[:, :2], bboxes[:, :2] + bboxes[:, 2:]
        good = (
            (sizes >= self.area[0] * motion.size)
            & (bboxes[:, 2:].prod(axis=1) <= self.area[1] * motion.size)
            & (bboxes[:, 2:] >= self.min_side).all(axis=1)
            & (sizes >= self.min_filled * bboxes[:, 2:].prod(axis=1))
            # What is cut by the border is rarely a whole object.
            & (low > 0).all(axis=1)
            & (high < [width, height]).all(axis=1)
        )
        good[0] = False  # the background
        return bboxes[good], energy[good]


def _tighten(bbox_xywh: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The box of what moves most in a box: flow bleeds over the edges of an object."""
    x, y, w, h = bbox_xywh.astype(int)
    inside = motion[y : y + h, x : x + w]
    rows, columns = np.nonzero(inside > 0.5 * np.percentile(inside, 90))
    low = np.array([columns.min(), rows.min()])
    high = np.array([columns.max(), rows.max()]) + 1
    return np.concatenate([low + (x, y), high - low]).astype(float)


@TASK_UTILS.register_module()
class FileProposer:
    """The box of a text file beside the video, where there is one.

    ``NAME.txt`` beside ``NAME.mp4``, or ``groundtruth.txt`` in an image folder, holds
    ``x, y, w, h`` a line, in pixels of the frame: one line a frame. A single line is of
    the first frame, and used for clips that begin with it. Lines of zeros, NaN or
    infinite numbers name no box.
    """

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """See :class:`Proposer`.

        Raises:
            DataError: A line does not parse, or its box is outside the frame.
        """
        path, index, scale = locate_box(places[0])
        if not os.path.exists(path):
            return None
        lines = list(enumerate(files.read_lines(path), start=1))[index : index + 1]
        if not lines:
            return None
        bbox_xywh = files.parse_lines(path, lines, files.parse_box)[0] * scale
        if not np.isfinite(bbox_xywh).all() or (bbox_xywh[2:] <= 0).any():
            return None
        height, width = frames[0].shape[:2]
        low, high = bbox_xywh[:2], bbox_xywh[:2] + bbox_xywh[2:]
        if (low >= [width, height]).any() or (high <= 0).any():
            raise DataError(
                f'{printable(path)}, line {index + 1}: the box {lines[0][1].strip()!r} '
                f'is outside the frame of {width / scale:.0f}x{height / scale:.0f} pixels'
            )
        return bbox_xywh


def locate_box(place: str | Member | VideoFrame) -> tuple[str, int, float]:
    """The box file of a frame, the frame's line in it from 0, and the frame's scale.

    Raises:
        DataError: The frame is in a shard.
    """
    path = place.path if isinstance(place, VideoFrame) else place
    if isinstance(path, Member):
        raise DataError(
            f'{path}: shards hold no box files beside videos; take another proposer'
        )
    if isinstance(place, VideoFrame):
        return f'{os.path.splitext(path)[0]}.txt', place.index, place.scale
    folder, name = os.path.split(path)
    index = list_frames(folder).index(name)
    return os.path.join(folder, 'groundtruth.txt'), index, 1.0


def shrink_to_gray(frames: Frames, side: int = 320) -> tuple[list[np.ndarray], float]:
    """Gray frames of at most ``side`` pixels a side, and their scale.

    Args:
        frames: (H, W, 3) uint8 RGB.
        side: Of the longer side, in pixels.

    Returns:
        tuple[list[np.ndarray], float]: (h, w) uint8 frames, and h / H.
    """
    scale = min(1.0, side / max(frames[0].shape[:2]))
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    if scale < 1:
        height, width = np.maximum(np.round(np.array(grays[0].shape) * scale), 1)
        size = (int(width), int(height))
        grays = [cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray in grays]
    return grays, scale


def find_corners(gray: np.ndarray) -> np.ndarray:
    """(N, 2) float32 corners ``x, y`` of an (h, w) uint8 image."""
    corners = cv2.goodFeaturesToTrack(gray, 400, 0.01, 5)
    return np.empty((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)


def track_and_back(
    first: np.ndarray, second: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow points into another image and back.

    Args:
        first: (h, w) uint8.
        second: (h, w) uint8.
        points: (N, 2) float32 ``x, y`` in the first image.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, 2) where they are in the second image, and
        (N,) how far from their start they come back, in pixels; inf where lost.
    """
    if not len(points):
        return points, np.empty(0)
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None)
    error = np.linalg.norm(back - points, axis=1)
    lost = (found.ravel() == 0) | (found_back.ravel() == 0)
    return there, np.where(lost, np.inf, error)


def residual_motion(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far each pixel moves against the background.

    Args:
        first: (h, w) uint8.
        second: (h, w) uint8.

    Returns:
        np.ndarray: (h, w) float32, pixels.
    """
    corners = find_corners(first)
    there, error = track_and_back(first, second, corners)
    homography = None
    if (error < 1).sum() >= 8:
        homography, _ = cv2.findHomography(
            corners[error < 1], there[error < 1], cv2.RANSAC, 2.0
        )
    if homography is None:
        homography = np.eye(3)  # too little to go by: the camera is taken to stand still
    size = first.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(second, homography, size, flags=flags)
    seen = cv2.warpPerspective(np.ones_like(second), homography, size, flags=flags)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(
        first, warped, None
    )
    # Where the second frame ends there is nothing to compare with.
    seen = cv2.erode(seen, np.ones((9, 9), np.uint8), borderValue=0)
    return np.linalg.norm(flow, axis=2) * seen
