"""An engine that runs no network: normalised cross-correlation, in the same loop."""

from collections.abc import Sequence

import cv2
import numpy as np

from sstrack_mm.structures.crop import crop_target
from sstrack_mm.tracking.engine import StepOutput
from sstrack_mm.tracking.online import OnlineTracker
from sstrack_mm.tracking.settings import TrackSettings


class CorrelationEngine:
    """Finds the first template by ``cv2.matchTemplate``; the size stays as it is."""

    search_size = 128

    def zero_query(self) -> None:
        """There is no track query."""

    def load(self, image_rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as it is."""
        return image_rgb

    def cut_search(
        self, frames: Sequence, bboxes_xywh: Sequence[np.ndarray], factor: float
    ) -> list[np.ndarray]:
        """B search images of 128 pixels a side."""
        return [
            crop_target(frame, bbox_xywh, factor, self.search_size)[0]
            for frame, bbox_xywh in zip(frames, bboxes_xywh, strict=True)
        ]

    def cut_templates(
        self, frames: Sequence, bboxes_xywh: Sequence[np.ndarray], factor: float
    ) -> list[np.ndarray]:
        """B templates at the scale of a search image of factor 4."""
        size = round(self.search_size * factor / 4)
        return [
            crop_target(frame, bbox_xywh, factor, size)[0]
            for frame, bbox_xywh in zip(frames, bboxes_xywh, strict=True)
        ]

    def step(
        self, templates: Sequence, search: Sequence[np.ndarray], queries: Sequence
    ) -> StepOutput:
        """Locate B targets."""
        bboxes, scores = [], []
        for (first, *_), image in zip(templates, search, strict=True):
            match = cv2.matchTemplate(image, first, cv2.TM_CCOEFF_NORMED)
            _, score, _, (left, top) = cv2.minMaxLoc(match)
            half = first.shape[0] / 2
            bboxes.append([left + half, top + half, 32, 32])
            scores.append(max(score, 0.0))
        return StepOutput(
            np.array(bboxes) / self.search_size, np.array(scores), [None] * len(bboxes)
        )


def make_tracker() -> OnlineTracker:
    """Everything that tracks by :func:`~sstrack_mm.apis.track_video` takes it."""
    return OnlineTracker(CorrelationEngine(), TrackSettings(memory_size=1, size_lr=0.0))
