"""What tracking one target of one video keeps from frame to frame."""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sstrack_mm.tracking.memory import TemplateMemory

if TYPE_CHECKING:
    from sstrack_mm.tracking.presence import Watch


class Status(enum.Enum):
    """Whether a target is where its box is."""

    TRACKED = 'tracked'
    UNCERTAIN = 'uncertain'
    LOST = 'lost'


@dataclass
class TrackState:
    """The result of a frame, and all that the next frame needs from the past.

    Attributes:
        bbox_xywh: (4,) float64 box, in image pixels. In the first frame the one given.
        score: In [0, 1]; 1 in the first frame, whose box is known.
        status: What is believed of the box; TRACKED where nothing judges it.
        query: The track query of the frame, as the engine keeps it; zeros in the first
            frame.
        memory: The template crops. It passes on to the next state.
        frame_id: Number of the frame, from 0.
        error: (4,) what the network got wrong in the first frame, see
            :func:`~sstrack_mm.tracking.policy.measure_error`; None where nothing is
            corrected.
        confidence: Calibrated, in [0, 1], that the box is on the target; 1 in the first
            frame. None where nothing judges it.
        watch: What is remembered to judge the next frame by; None likewise.
    """

    bbox_xywh: np.ndarray
    score: float
    status: Status
    query: Any
    memory: TemplateMemory
    frame_id: int = 0
    error: np.ndarray | None = None
    confidence: float | None = None
    watch: 'Watch | None' = None
