"""What the loop asks of whatever runs the network."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np


class StepOutput(NamedTuple):
    """What a network found in the search images of B targets.

    Attributes:
        bboxes_cxcywh_norm: (B, 4) float64 boxes over the side of the search image.
        scores: (B,) float64 in [0, 1].
        queries: B track queries for the next frame, as the engine keeps them.
    """

    bboxes_cxcywh_norm: np.ndarray
    scores: np.ndarray
    queries: Sequence[Any]


class Engine(Protocol):
    """Cuts crops and runs the network; frames, crops and queries are its own kinds.

    Attributes:
        search_size: Side of a search image, in pixels.
    """

    search_size: int

    def zero_query(self) -> Any:
        """The track query that a video starts with."""

    def load(self, image_rgb: np.ndarray) -> Any:
        """Make an (H, W, 3) uint8 RGB image a frame to cut from."""

    def cut_search(
        self, frames: Sequence[Any], bboxes_xywh: Sequence[np.ndarray], factor: float
    ) -> Any:
        """Cut the search images of B targets, as :meth:`step` takes them.

        Args:
            frames: B frames of :meth:`load`; those of one video are the same object.
            bboxes_xywh: B boxes (4,) to cut around, in image pixels.
            factor: Side of the windows over the geometric mean of a box's sides.
        """

    def cut_templates(
        self, frames: Sequence[Any], bboxes_xywh: Sequence[np.ndarray], factor: float
    ) -> list[Any]:
        """Cut B templates, each with memory of its own; see :meth:`cut_search`."""

    def step(
        self, templates: Sequence[Sequence[Any]], search: Any, queries: Sequence[Any]
    ) -> StepOutput:
        """Locate B targets in one pass.

        Args:
            templates: Of each target T crops of :meth:`cut_templates`.
            search: Of :meth:`cut_search`.
            queries: B track queries of the frame before.
        """
