"""What the loop asks of whatever runs the network."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np


class Evidence(NamedTuple):
    """What else a network says of the search images of B targets.

    Attributes:
        anywhere_cxcywh_norm: (B, 4) float64 boxes that were found without the window on
            the score map, which trusts the middle.
        anywhere_scores: (B,) float64 in [0, 1], theirs.
        score_maps: (B, F, F) float32 in [0, 1], without the window.
        features: (B, 2, C) float32, what the backbone knows of the box of the step and
            of the one found anywhere; zeros where it has dropped all of a box.
        queries: (B, C) float32 the next track queries, as numbers.
    """

    anywhere_cxcywh_norm: np.ndarray
    anywhere_scores: np.ndarray
    score_maps: np.ndarray
    features: np.ndarray
    queries: np.ndarray


class StepOutput(NamedTuple):
    """What a network found in the search images of B targets.

    Attributes:
        bboxes_cxcywh_norm: (B, 4) float64 boxes over the side of the search image.
        scores: (B,) float64 in [0, 1].
        queries: B track queries for the next frame, as the engine keeps them.
        evidence: More about it, where it was asked for.
    """

    bboxes_cxcywh_norm: np.ndarray
    scores: np.ndarray
    queries: Sequence[Any]
    evidence: Evidence | None = None


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
        self,
        frames: Sequence[Any],
        bboxes_xywh: Sequence[np.ndarray],
        factor: float,
        shade: bool = False,
    ) -> list[Any]:
        """Cut B templates, each with memory of its own; see :meth:`cut_search`.

        ``shade`` is that of :func:`~sstrack_mm.structures.crop.crop_target`; the loop
        asks for it only where its settings do: an engine may be without.
        """

    def step(
        self,
        templates: Sequence[Sequence[Any]],
        search: Any,
        queries: Sequence[Any],
        with_evidence: bool = False,
    ) -> StepOutput:
        """Locate B targets in one pass.

        Args:
            templates: Of each target T crops of :meth:`cut_templates`.
            search: Of :meth:`cut_search`.
            queries: B track queries of the frame before.
            with_evidence: Whether to say more, for
                :mod:`~sstrack_mm.tracking.presence`; what is found stays the same. The
                loop asks for it only where its settings do: an engine may be without.
        """
