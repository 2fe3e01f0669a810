"""What tracking one target through one video gives."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sstrack_mm.errors import DataError


class TrackResult(NamedTuple):
    """The tracked boxes of a video of N frames.

    Attributes:
        bboxes_xywh: (N, 4) float64, in image pixels; the first is the one given.
        scores: (N,) float64 in [0, 1]; the first is 1.
        times: (N,) float64 seconds a frame.
    """

    bboxes_xywh: np.ndarray
    scores: np.ndarray
    times: np.ndarray

    @classmethod
    def from_steps(
        cls, steps: Iterable[tuple[np.ndarray, float, float]]
    ) -> 'TrackResult':
        """Collect a box, a score and the seconds of each frame."""
        rows = list(steps)
        if not rows:
            raise DataError('the video has no frames')
        bboxes_xywh, scores, times = zip(*rows, strict=True)
        return cls(
            np.array(bboxes_xywh, float), np.array(scores, float), np.array(times, float)
        )

    @property
    def bboxes_xyxy(self) -> np.ndarray:
        """np.ndarray: (N, 4) the same boxes by their corners."""
        xy, wh = np.split(self.bboxes_xywh, 2, axis=1)
        return np.concatenate([xy, xy + wh], axis=1)

    def check(self, num_frames: int) -> None:
        """Raise DataError unless this is a finite result for ``num_frames`` frames."""
        for field, shape in (
            ('bboxes_xywh', (num_frames, 4)),
            ('scores', (num_frames,)),
            ('times', (num_frames,)),
        ):
            values = np.asarray(getattr(self, field))
            if values.shape != shape:
                raise DataError(
                    f'the tracker gave {field} of shape {values.shape} for '
                    f'{num_frames} frames; expected {shape}'
                )
            finite = np.isfinite(values.reshape(num_frames, -1)).all(axis=1)
            if not finite.all():
                frame = int(np.argmin(finite))
                raise DataError(
                    f'the tracker gave {field} that are not finite, first '
                    f'in frame {frame + 1} (counted from 1): {values[frame]}'
                )


class ResetResult(NamedTuple):
    """What tracking through a video of N frames gives where failures restart the tracker.

    Attributes:
        trajectory: N rows: (4,) ``x, y, w, h`` in image pixels, or one whole number that
            says what happened (:mod:`sstrack_mm.evaluation.vot`).
        scores: (N,) float64 in [0, 1]; 1 where the tracker was started, 0 in frames that
            were not looked at.
        times: (N,) float64 seconds a frame; 0 in frames that were not looked at.
    """

    trajectory: list[np.ndarray]
    scores: np.ndarray
    times: np.ndarray

    def check(self, num_frames: int) -> None:
        """Raise DataError unless this is a result for ``num_frames`` frames."""
        lengths = [len(values) for values in self]
        if lengths != [num_frames] * 3:
            raise DataError(
                f'the tracker gave {lengths} regions, scores and times for '
                f'{num_frames} frames'
            )
