"""Track several targets of one video together."""

from collections.abc import Hashable

import numpy as np

from sstrack_mm.apis.model import Tracker
from sstrack_mm.tracking import TrackState


class MultiTargetTracker:
    """Tracks several targets of one video, in one pass of the network per frame.

    Each target is tracked as if it were alone. Targets may join, leave and be re-boxed
    in any frame::

        tracker = MultiTargetTracker(model)
        tracker.start('left', frame, (x, y, w, h))
        for frame in frames:
            for name, state in tracker.track(frame).items():
                ...  # state.bbox_xywh, state.score

    Args:
        model: From :func:`init_model`.

    Attributes:
        states: The state of each target, by its name.
    """

    def __init__(self, model: Tracker) -> None:
        self.model = model
        self.states: dict[Hashable, TrackState] = {}

    def start(
        self, name: Hashable, frame_rgb: np.ndarray, bbox_xywh: np.ndarray
    ) -> TrackState:
        """Start a target, or start it again from a better box.

        Args:
            name: Of the target.
            frame_rgb: (H, W, 3) uint8.
            bbox_xywh: (4,) box of the target in this frame, in image pixels.

        Returns:
            TrackState: With this box, and score 1.

        Raises:
            DataError: The box has no area inside the frame.
        """
        self.states[name] = self.model.init_state(frame_rgb, bbox_xywh)
        return self.states[name]

    def stop(self, name: Hashable) -> None:
        """Forget a target.

        Raises:
            KeyError: There is no target of this name.
        """
        if name not in self.states:
            raise KeyError(f'no target {name!r}; there are {list(self.states)}')
        del self.states[name]

    def track(self, frame_rgb: np.ndarray) -> dict[Hashable, TrackState]:
        """Track all targets into the next frame.

        Args:
            frame_rgb: (H, W, 3) uint8.

        Returns:
            dict[Hashable, TrackState]: The state of each target, with its ``bbox_xywh``
            and ``score`` in this frame, by its name.
        """
        states = self.model.track_batch(
            [frame_rgb] * len(self.states), list(self.states.values())
        )
        self.states = dict(zip(self.states, states, strict=True))
        return dict(self.states)
