"""A proposer of first boxes: the middle of the frame, for cameras that are pointed."""

from collections.abc import Sequence

import numpy as np
from mmtrack.registry import TASK_UTILS

from sstrack_mm.datasets.video_files import VideoFrame


@TASK_UTILS.register_module()
class CentreProposer:
    """What somebody films is in the middle.

    Args:
        side: Side of the box over the short side of the frame.
        jitter: How far from the middle it may be, in sides of the box.
    """

    def __init__(self, side: float = 0.25, jitter: float = 0.3) -> None:
        self.side = side
        self.jitter = jitter

    def propose(
        self,
        rng: np.random.Generator,
        frames: Sequence[np.ndarray],
        places: Sequence[str | VideoFrame],
    ) -> np.ndarray | None:
        """(4,) x, y, w, h in pixels of the first frame, (H, W, 3) uint8 RGB."""
        height, width = frames[0].shape[:2]
        side = self.side * min(height, width)
        centre = (
            np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * self.jitter * side
        )
        return np.array([*(centre - side / 2), side, side])
