"""Whether a target is where its box is: signals, a calibrated confidence, and states.

The network's score alone does not tell. A small logistic model, fitted to the checkpoint
by ``tools/analysis_tools/presence.py``, makes one probability of several
signals; rules with hysteresis make states of it, from frame to frame.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.tracking.engine import StepOutput
from sstrack_mm.tracking.state import Status, Watch

SIGNALS = (
    'score',
    'relative_score',
    'sharpness',
    'rival',
    'likeness',
    'relative_likeness',
    'first_query',
    'last_query',
    'colour',
    'size',
    'growth',
    'jump',
)
"""What a confidence is made of; see :func:`measure_signals`."""

DOUBT, TRUST = 0.4, 0.6
"""Below the first a target is no longer TRACKED, and above the second it is again."""
LOSE, PATIENCE = 0.2, 6
"""So many frames below the first, but for single better ones, and a target is LOST."""
CONFIRMATIONS = 3
"""So many frames in a row a candidate has to be accepted in."""
_MEMORY = 0.9  # share of the past in what is usual
_LEVELS, _SIDE = 6, 32  # of each colour; pixels a side of the patch they are counted in


def start_watch(found: StepOutput, bbox_xywh: np.ndarray, image_rgb: np.ndarray) -> Watch:
    """Remember a target from looking for it where it is known to be.

    Args:
        found: With evidence, of one target.
        bbox_xywh: (4,) its box.
        image_rgb: (H, W, 3) uint8, the frame.
    """
    evidence = _need_evidence(found)
    query = _unit(evidence.queries[0])
    feature = _unit(evidence.features[0, 0])
    colours = count_colours(image_rgb, bbox_xywh)
    score = float(found.scores[0])
    return Watch(feature, query, query, colours, score, 1.0, bbox_xywh)


class Judge(Protocol):
    """Says how sure it is that a box is on its target."""

    @property
    def accept(self) -> float:
        """float: From which confidence on a candidate for a lost target is accepted."""

    def confidence(
        self, signals: np.ndarray, bbox_xywh: np.ndarray, searched: bool
    ) -> float:
        """Judge a box.

        Args:
            signals: (S,) of :func:`measure_signals`.
            bbox_xywh: (4,) the box, in image pixels.
            searched: Whether it was found in searching for a lost target, which is
                another thing than following it: of many places it is the best one.

        Returns:
            float: In [0, 1].
        """


@dataclass(frozen=True)
class PresenceModel:
    """The calibrated :class:`Judge` of one checkpoint: two logistic models.

    Attributes:
        tracked: (S + 1,) weights of :data:`SIGNALS` and the bias, for a target that is
            followed from frame to frame.
        searched: The same for a candidate that was searched for.
        accept: See :attr:`Judge.accept`.

    Raises:
        DataError: They are not as many as there are signals, or not finite.
    """

    tracked: tuple[float, ...]
    searched: tuple[float, ...]
    accept: float

    def __post_init__(self) -> None:
        for name in ('tracked', 'searched'):
            weights = getattr(self, name)
            if len(weights) != len(SIGNALS) + 1 or not np.isfinite(weights).all():
                raise DataError(
                    f'presence: {name} must be {len(SIGNALS) + 1} finite numbers, but '
                    f'got {weights!r}'
                )
        if not 0 <= self.accept <= 1:
            raise DataError(f'presence: accept must be in [0, 1], got {self.accept!r}')

    def confidence(
        self, signals: np.ndarray, bbox_xywh: np.ndarray, searched: bool
    ) -> float:
        """See :meth:`Judge.confidence`."""
        *weights, bias = self.searched if searched else self.tracked
        return 1 / (1 + math.exp(-max(-50.0, float(signals @ weights) + bias)))

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self) | dict(signals=list(SIGNALS))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'PresenceModel':
        """From what :meth:`to_dict` gave.

        Raises:
            DataError: It is of other signals, or makes no sense.
        """
        try:
            if tuple(values['signals']) != SIGNALS:
                raise DataError(
                    f'presence: calibrated for the signals {values["signals"]}, but '
                    f'these are {list(SIGNALS)}; calibrate again'
                )
            return cls(
                tuple(map(float, values['tracked'])),
                tuple(map(float, values['searched'])),
                float(values['accept']),
            )
        except (KeyError, TypeError) as error:
            raise DataError(f'presence: {error!r} in {values!r:.200}') from None


def measure_signals(
    found: StepOutput,
    index: int,
    watch: Watch,
    bbox_xywh: np.ndarray,
    image_rgb: np.ndarray,
    last_xywh: np.ndarray | None = None,
) -> np.ndarray:
    """What speaks for and against a box, as numbers.

    Args:
        found: With evidence.
        index: Which of its targets.
        watch: What is remembered of the target.
        bbox_xywh: (4,) the box, in image pixels.
        image_rgb: (H, W, 3) uint8, the frame.
        last_xywh: (4,) the box of the frame before; None where the target was searched
            for, and nothing leads from one to the other.

    Returns:
        np.ndarray: (S,) in the order of :data:`SIGNALS`:

        - the score of the network, and the logarithm of it over the usual one,
        - how far it stands out of the map around it, in standard deviations,
        - the second peak over the first,
        - the cosine of the backbone's features in the box with those in the first
          frame, and how much that is more than usual,
        - the cosine of the track query with the first frame's and the last one's,
        - how alike the colours are to the first frame's, see :func:`count_colours`,
        - logarithms of how far the area differs from the last trusted one, and from
          that of the frame before,
        - the way of the centre since the frame before (since the last trusted one), in
          mean sides of the box: the logarithm of 1 + that.
    """
    evidence = _need_evidence(found)
    score = float(found.scores[index])
    box_norm = found.bboxes_cxcywh_norm[index]
    sharpness, rival = _shape_of_map(evidence.score_maps[index], box_norm, score)
    likeness = float(_unit(evidence.features[index, 0]) @ watch.feature)
    query = _unit(evidence.queries[index])
    last_query, growth, before_xywh = 1.0, 0.0, watch.trusted_xywh
    if last_xywh is not None:
        last_query, before_xywh = float(query @ watch.last_query), last_xywh
        growth = _log_ratio(bbox_xywh, last_xywh)
    way = bbox_xywh[:2] - before_xywh[:2] + 0.5 * (bbox_xywh[2:] - before_xywh[2:])
    jump = math.log1p(math.hypot(*way) / math.sqrt(before_xywh[2:].prod()))
    return np.array(
        [
            score,
            math.log(max(score, 1e-4) / max(watch.usual_score, 1e-4)),
            sharpness,
            rival,
            likeness,
            likeness - watch.usual_likeness,
            float(query @ watch.first_query),
            last_query,
            float(count_colours(image_rgb, bbox_xywh) @ watch.colours),
            _log_ratio(bbox_xywh, watch.trusted_xywh),
            growth,
            jump,
        ]
    )


def count_colours(image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> np.ndarray:
    """Which colours a box holds, those of its middle counting most.

    Args:
        image_rgb: (H, W, 3) uint8.
        bbox_xywh: (4,) with positive sides.

    Returns:
        np.ndarray: The square roots of the shares of 6 x 6 x 6 colours: the product of
        two boxes' is 1 for equal ones and 0 where they have none in common.
    """
    x, y, w, h = bbox_xywh
    scale_x, scale_y = _SIDE / w, _SIDE / h
    to_patch = np.array([[scale_x, 0, -x * scale_x], [0, scale_y, -y * scale_y]])
    patch = cv2.warpAffine(image_rgb, to_patch, (_SIDE, _SIDE))
    red, green, blue = (patch.reshape(-1, 3).astype(int) * _LEVELS // 256).T
    profile = np.hanning(_SIDE + 2)[1:-1]
    shares = np.bincount(
        (red * _LEVELS + green) * _LEVELS + blue,
        np.outer(profile, profile).ravel(),
        _LEVELS**3,
    )
    return np.sqrt(shares / shares.sum())


def _need_evidence(found: StepOutput) -> Any:
    if found.evidence is None:
        raise TypeError('the engine gave no evidence: its step has to take with_evidence')
    return found.evidence


def _unit(vector: np.ndarray) -> np.ndarray:
    """A vector made 1 long; zeros stay."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _log_ratio(bbox_a_xywh: np.ndarray, bbox_b_xywh: np.ndarray) -> float:
    return abs(math.log(bbox_a_xywh[2:].prod() / bbox_b_xywh[2:].prod()))


def _shape_of_map(
    score_map: np.ndarray, box_cxcywh_norm: np.ndarray, score: float
) -> tuple[float, float]:
    """How far a peak of a map (F, F) stands out of what is around it, and the next one.

    Around it is what is more than 3/4 of the box, and more than 1.6 cells, from its
    centre.
    """
    size = len(score_map)
    centers = (np.arange(size) + 0.5) / size
    x, y = np.abs(centers - box_cxcywh_norm[:2, None])
    near_x, near_y = np.maximum(0.75 * box_cxcywh_norm[2:], 1.6 / size)
    outside = (x > near_x) | (y > near_y)[:, None]
    rest = score_map[outside] if outside.any() else score_map.ravel()
    sharpness = (score - float(rest.mean())) / (float(rest.std()) + 1e-3)
    return sharpness, float(rest.max()) / max(score, 1e-4)


def follow(
    watch: Watch,
    status: Status,
    confidence: float,
    signals: np.ndarray,
    found: StepOutput,
    index: int,
    bbox_xywh: np.ndarray,
    accept: float,
) -> tuple[Status, Watch]:
    """Decide on a target that was followed from the frame before, and remember it.

    Args:
        watch: What was remembered.
        status: Of the frame before. A lost target is followed, too, to where that leads:
            it may not have been lost.
        confidence: Of this frame.
        signals: (S,) of this frame.
        found: With evidence.
        index: Which of its targets.
        bbox_xywh: (4,) the box of this frame.
        accept: From which confidence on a lost target is believed to be there.

    Returns:
        tuple[Status, Watch]: Of this frame.
    """
    watch = replace(watch, last_query=_unit(_need_evidence(found).queries[index]))
    if status is Status.LOST and confidence < accept:
        return Status.LOST, watch
    doubts = watch.doubts + 1 if confidence < LOSE else max(watch.doubts - 1, 0)
    watch = replace(watch, doubts=doubts)
    if doubts >= PATIENCE:
        return Status.LOST, replace(watch, doubts=0)
    if confidence < (DOUBT if status is Status.TRACKED else TRUST):
        return Status.UNCERTAIN, watch
    score, likeness = (signals[SIGNALS.index(name)] for name in ('score', 'likeness'))
    return Status.TRACKED, replace(
        watch,
        usual_score=_MEMORY * watch.usual_score + (1 - _MEMORY) * score,
        usual_likeness=_MEMORY * watch.usual_likeness + (1 - _MEMORY) * likeness,
        trusted_xywh=bbox_xywh,
        looked=0,
        candidate_xywh=None,
        accepted=0,
    )


def find_again(
    watch: Watch, accepted: bool, bbox_xywh: np.ndarray
) -> tuple[Status, Watch]:
    """Decide on a lost target.

    Args:
        watch: What was remembered.
        accepted: Whether the candidate of this frame was accepted.
        bbox_xywh: (4,) the candidate's box.

    Returns:
        tuple[Status, Watch]: TRACKED once a candidate was accepted in
        :data:`CONFIRMATIONS` frames in a row.
    """
    if not accepted:
        return Status.LOST, replace(watch, candidate_xywh=None, accepted=0)
    if watch.accepted + 1 < CONFIRMATIONS:
        return Status.LOST, replace(
            watch, candidate_xywh=bbox_xywh, accepted=watch.accepted + 1
        )
    return Status.TRACKED, replace(
        watch, trusted_xywh=bbox_xywh, candidate_xywh=None, accepted=0, looked=0
    )


def lay_tiles(
    image_wh: tuple[int, int],
    around_xywh: np.ndarray,
    factor: float,
    most: int = 48,
    overlap: float = 0.4,
) -> np.ndarray:
    """Boxes whose search windows cover an image, at the scale of the target.

    Args:
        image_wh: Width and height of the image.
        around_xywh: (4,) the box of the target when it was last seen.
        factor: Of the windows, see :func:`~sstrack_mm.structures.crop.target_window`.
        most: The most tiles; where that is too few, the windows are larger.
        overlap: The share of a window that the next one covers as well.

    Returns:
        np.ndarray: (N, 4) xywh boxes of one size, the nearest to the target first.
    """
    wh = np.asarray(around_xywh[2:], float)
    size = np.asarray(image_wh, float)
    while True:
        side = math.sqrt(wh.prod()) * factor
        # Floats: of a target of 1e-9 pixels whole numbers would overflow.
        counts = np.ceil((size - side) / ((1 - overlap) * side)).clip(0) + 1
        if counts.prod() <= most:
            break
        wh = wh * 1.1
    low, high = np.minimum(side / 2, size / 2), np.maximum(size - side / 2, size / 2)
    xs, ys = (
        np.linspace(start, stop, int(count))
        for start, stop, count in zip(low, high, counts, strict=True)
    )
    centers = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    target = around_xywh[:2] + 0.5 * np.asarray(around_xywh[2:])
    order = np.argsort(np.linalg.norm(centers - target, axis=1), kind='stable')
    corners = centers[order] - 0.5 * wh
    return np.concatenate([corners, np.broadcast_to(wh, corners.shape)], axis=1)
