"""What tracking one target of one video keeps from frame to frame."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

from sstrack_mm.tracking.memory import TemplateMemory


class Status(enum.Enum):
    """Whether a target is where its box is."""

    TRACKED = 'tracked'
    UNCERTAIN = 'uncertain'
    LOST = 'lost'


@dataclass(frozen=True)
class Watch:
    """What is remembered of a target to judge the next frame by.

    Attributes:
        feature: (C,) of the backbone in the first frame, of length 1.
        first_query: (C,) track query of the first frame, of length 1.
        last_query: (C,) of the frame before.
        colours: Of :func:`~sstrack_mm.tracking.presence.count_colours`, in the first
            frame.
        usual_score: Mean score of late, where the target was tracked.
        usual_likeness: Mean cosine with ``feature``, likewise.
        trusted_xywh: (4,) the last box in which the target was tracked.
        doubts: How many frames were below
            :data:`~sstrack_mm.tracking.presence.LOSE`; a better one takes one away.
        looked: While lost, how many tiles of the image were looked at.
        candidate_xywh: (4,) While lost, the box that may be the target; else None.
        accepted: In how many frames in a row it was accepted.
    """

    feature: np.ndarray
    first_query: np.ndarray
    last_query: np.ndarray
    colours: np.ndarray
    usual_score: float
    usual_likeness: float
    trusted_xywh: np.ndarray
    doubts: int = 0
    looked: int = 0
    candidate_xywh: np.ndarray | None = None
    accepted: int = 0


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
    watch: Watch | None = None
