"""Track several targets of one video together."""

from collections.abc import Hashable
from typing import Any

import numpy as np

from sstrack_mm.apis.model import Tracker


class MultiTargetTracker:
    """Tracks several targets of one video, in one pass of the network per frame.

    Each target is tracked as if it were alone. Targets may join, leave and be re-boxed
    in any frame::

        tracker = MultiTargetTracker(model)
        tracker.start('left', frame, (x1, y1, x2, y2))
        for frame in frames:
            for name, (bbox_xywh, score) in tracker.track(frame).items():
                ...

    Args:
        model: From :func:`init_model`.

    Attributes:
        states: The state of each target, by its name.
    """

    def __init__(self, model: Tracker) -> None:
        self.model = model
        self.states: dict[Hashable, Any] = {}

    def start(self, name: Hashable, frame: np.ndarray, bbox_xyxy: np.ndarray) -> None:
        """Start a target, or start it again from a better box.

        Args:
            name: Of the target.
            frame: (H, W, 3) uint8 BGR.
            bbox_xyxy: (4,) box of the target in this frame, in image pixels.

        Raises:
            DataError: The box has no area inside the frame.
        """
        x1, y1, x2, y2 = (float(v) for v in bbox_xyxy)
        self.states[name] = self.model.init_state(
            _to_rgb(frame), np.array([x1, y1, x2 - x1, y2 - y1])
        )

    def stop(self, name: Hashable) -> None:
        """Forget a target.

        Raises:
            KeyError: There is no target of this name.
        """
        if name not in self.states:
            raise KeyError(f'no target {name!r}; there are {list(self.states)}')
        del self.states[name]

    def track(self, frame: np.ndarray) -> dict[Hashable, tuple[np.ndarray, float]]:
        """Track all targets into the next frame.

        Args:
            frame: (H, W, 3) uint8 BGR.

        Returns:
            dict[Hashable, tuple[np.ndarray, float]]: (4,) xywh box in image pixels and
            score of each target, by its name.
        """
        names, image = list(self.states), _to_rgb(frame)
        states, scores = self.model.track_batch(
            [image] * len(names), [self.states[name] for name in names]
        )
        self.states = dict(zip(names, states, strict=True))
        return {
            name: (state.bbox_xywh, score)
            for name, state, score in zip(names, states, scores, strict=True)
        }


def _to_rgb(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame[..., ::-1])
