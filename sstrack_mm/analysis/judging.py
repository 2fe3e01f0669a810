"""Fits to a checkpoint what tells whether a target is lost, and measures what that gives.

The truth is that of procedural videos, in which targets get covered and leave the image.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sstrack_mm.apis.model import Tracker, is_onnx
from sstrack_mm.checkpoints import PRESENCE, read_checkpoint, write_checkpoint
from sstrack_mm.datasets.synthetic.video import iter_video
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError, optional_requirements
from sstrack_mm.evaluation.metrics import overlaps, success_curve
from sstrack_mm.tracking.presence import SIGNALS, Judge, PresenceModel
from sstrack_mm.tracking.state import Status
from sstrack_mm.weights import find_weights

ON_TARGET = 0.3
"""The least overlap of a box that is on its target."""
ELSEWHERE = 0.1
"""Below this overlap a box is on something else."""
PRECISION = 0.9
"""The share of accepted candidates that are to be the target, each frame by itself; that
several in a row have to be makes a recovery surer."""
SOON = 30
"""Frames in which a target that comes back is to be found."""
_RELUCTANCE = 3  # one of so many right candidates is accepted, where the truth judges
_SEEN, _AWAY = 4, 5  # level of cover that counts as back; least frames of an absence


class VideoPlan(NamedTuple):
    """A procedural video, see :func:`~sstrack_mm.datasets.synthetic.render_video`."""

    seed: tuple[int, ...]
    num_frames: int
    absences: int
    size_wh: tuple[int, int] = (320, 240)

    def frames(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Image, box and level of cover of each frame."""
        return iter_video(self.seed, self.num_frames, self.size_wh, self.absences)


def plan_videos(seed: int, number: int, num_frames: int = 180) -> list[VideoPlan]:
    """Videos of one seed: of three, two have two absences each and one has none."""
    return [
        VideoPlan((seed, index), num_frames, 2 if index % 3 else 0)
        for index in range(number)
    ]


@dataclass
class Recorder:
    """A judge that knows the truth, and keeps what it was asked.

    Attributes:
        judge: Whose word it passes on; None to tell the truth.
        lenient: Whether its truth is mild: it doubts, but never gives a target up. So it
            can be seen what a tracker does that has gone astray.
        truth_xywh: (4,) the target's box in the frame at hand.
        visible: Whether any of it can be seen.
        rows: Of each question the (S,) signals, whether it was searched for, and whether
            the box was on the target.
    """

    judge: Judge | None = None
    lenient: bool = False
    truth_xywh: np.ndarray = field(default_factory=lambda: np.zeros(4))
    visible: bool = True
    rows: list[tuple[np.ndarray, bool, bool]] = field(default_factory=list)

    @property
    def accept(self) -> float:
        """See :class:`~sstrack_mm.tracking.presence.Judge`."""
        return 0.5 if self.judge is None else self.judge.accept

    def confidence(
        self, signals: np.ndarray, bbox_xywh: np.ndarray, searched: bool
    ) -> float:
        """See :class:`~sstrack_mm.tracking.presence.Judge`."""
        is_on = on_target(bbox_xywh, self.truth_xywh, self.visible)
        self.rows.append((signals, searched, is_on))
        if self.judge is not None:
            return self.judge.confidence(signals, bbox_xywh, searched)
        if searched:  # late, so that it can be seen what searching for it is like
            return float(is_on and len(self.rows) % _RELUCTANCE == 0)
        return 1.0 if is_on else 0.3 * self.lenient


def on_target(bbox_xywh: np.ndarray, truth_xywh: np.ndarray, visible: bool) -> bool:
    """Whether a box is on a target that can be seen."""
    return bool(visible and overlaps(bbox_xywh[None], truth_xywh[None])[0] >= ON_TARGET)


def calibrate(model: Tracker, seed: int, number: int) -> PresenceModel:
    """Fit the judge of a tracker.

    It is fitted twice: to what is seen where the truth decides what happens next, and
    again with what is seen where the first fit does.

    Args:
        model: The tracker. Its settings and its judge are put back in the end.
        seed: Of the videos.
        number: How many, for each of the two.

    Raises:
        DataError: The tracker is never, or always, on its target.
    """
    settings, judge = model.settings, model.judge
    model.settings = replace(settings, presence=True)
    try:
        rows = []
        for plan in plan_videos(seed, number):
            rows += _record(model, plan, Recorder(lenient=plan.seed[-1] % 2 == 1))
        first = fit(rows)
        for plan in plan_videos(seed + 1, number):
            rows += _record(model, plan, Recorder(first))
        return fit(rows)
    finally:
        model.settings, model.judge = settings, judge


def _record(
    model: Tracker, plan: VideoPlan, recorder: Recorder
) -> list[tuple[np.ndarray, bool, bool]]:
    """Track through a video with a recorder as the judge; what it was asked."""
    model.judge = recorder
    state = None
    for image, truth_xywh, cover in plan.frames():
        recorder.truth_xywh, recorder.visible = truth_xywh, cover > 0
        if state is None:
            state = model.init_state(image, truth_xywh)
        else:
            state = model.track_step(image, state)
    return recorder.rows


def fit(rows: Sequence[tuple[np.ndarray, bool, bool]]) -> PresenceModel:
    """The judge that the rows of a :class:`Recorder` lead to."""
    signals = np.array([row[0] for row in rows])
    searched = np.array([row[1] for row in rows])
    is_on = np.array([row[2] for row in rows])
    tracked = _fit_logistic(signals[~searched], is_on[~searched])
    candidates = _fit_logistic(signals[searched], is_on[searched])
    judge = PresenceModel(tracked, candidates, 1.0)
    confidences = np.array(
        [judge.confidence(each, np.zeros(4), True) for each in signals[searched]]
    )
    return replace(judge, accept=find_threshold(confidences, is_on[searched]))


def _fit_logistic(signals: np.ndarray, is_on: np.ndarray) -> tuple[float, ...]:
    """(S + 1,) weights of (N, S) signals, and the bias."""
    if is_on.all() or not is_on.any():
        raise DataError(
            f'of {len(is_on)} boxes {is_on.sum()} are on their targets: nothing can be '
            'learned from that'
        )
    scaler = StandardScaler().fit(signals)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(signals), is_on)
    weights = model.coef_[0] / scaler.scale_
    bias = model.intercept_[0] - weights @ scaler.mean_
    return tuple(float(f'{value:.5g}') for value in (*weights, bias))


def find_threshold(confidences: np.ndarray, is_on: np.ndarray) -> float:
    """The least of some thresholds above which the share on target is :data:`PRECISION`.

    Args:
        confidences: (N,) of candidates.
        is_on: (N,) bool.
    """
    thresholds = np.round(np.arange(0.5, 0.99, 0.02), 2)
    for threshold in thresholds:
        above = confidences >= threshold
        if above.any() and is_on[above].mean() >= PRECISION:
            return float(threshold)
    return float(thresholds[-1])


@dataclass
class Measured:
    """What tracking some videos gave.

    Attributes:
        auc: Success in percent, mean over the videos, of frames that show the target.
        auc_without_absences: The same of the videos that have none.
        absences: How often a target came back.
        recovery_frames: How long each took to be found again that was found at all.
        recovery_overlaps: The overlap with the target each time that a tracker said that
            it had found it again.
        milliseconds: A frame, on the average.
        confidences: (N,) of all frames but the first ones; empty where none is given.
        is_on: (N,) bool, whether the boxes are on their targets.
        is_lost: (N,) bool, whether they are said to be lost.
    """

    auc: float
    auc_without_absences: float
    absences: int
    recovery_frames: list[int]
    recovery_overlaps: list[float]
    milliseconds: float
    confidences: np.ndarray
    is_on: np.ndarray
    is_lost: np.ndarray

    @property
    def found_soon(self) -> float:
        """float: Percent of those that came back that were found in :data:`SOON`."""
        soon = sum(frames < SOON for frames in self.recovery_frames)
        return 100 * soon / max(self.absences, 1)

    @property
    def false_share(self) -> float:
        """float: Recoveries of something else (:data:`ELSEWHERE`), in percent of all."""
        wrong = sum(overlap < ELSEWHERE for overlap in self.recovery_overlaps)
        return 100 * wrong / max(len(self.recovery_overlaps), 1)

    @property
    def ece(self) -> float:
        """float: See :func:`calibration_error`."""
        return calibration_error(self.confidences, self.is_on)


def measure(model: Tracker, plans: Iterable[VideoPlan], presence: bool) -> Measured:
    """Track videos with or without judging, and compare with the truth."""
    settings = model.settings
    model.settings = replace(settings, presence=presence)
    aucs: dict[bool, list[float]] = {False: [], True: []}
    totals: dict[str, Any] = dict(absences=0, recovery_frames=[], recovery_overlaps=[])
    confidences: list[float] = []
    on_all: list[bool] = []
    lost_all: list[bool] = []
    seconds, count = 0.0, 0
    try:
        for plan in plans:
            ious, covers, statuses = [], [], []
            state = None
            for image, truth_xywh, cover in plan.frames():
                start = time.perf_counter()
                if state is None:
                    state = model.init_state(image, truth_xywh)
                else:
                    state = model.track_step(image, state)
                    seconds, count = seconds + time.perf_counter() - start, count + 1
                iou = overlaps(state.bbox_xywh[None], truth_xywh[None])[0] if cover else 0
                ious.append(iou)
                covers.append(cover)
                statuses.append(state.status)
                if state.frame_id and state.confidence is not None:
                    confidences.append(state.confidence)
                    on_all.append(iou >= ON_TARGET)
                    lost_all.append(state.status is Status.LOST)
            shown = np.array(covers) > 0
            auc = 100 * success_curve(np.array(ious)[shown], 21).mean()
            aucs[plan.absences > 0].append(float(auc))
            _count_recoveries(np.array(ious), np.array(covers), statuses, totals)
    finally:
        model.settings = settings
    return Measured(
        auc=float(np.mean(aucs[False] + aucs[True])),
        auc_without_absences=float(np.mean(aucs[False])) if aucs[False] else float('nan'),
        milliseconds=1000 * seconds / max(count, 1),
        confidences=np.array(confidences),
        is_on=np.array(on_all),
        is_lost=np.array(lost_all),
        **totals,
    )


def _count_recoveries(
    ious: np.ndarray, covers: np.ndarray, statuses: list[Status], totals: dict[str, Any]
) -> None:
    """Add a video's absences and recoveries to what was counted."""
    found = (ious >= ON_TARGET) & [status is Status.TRACKED for status in statuses]
    away = 0
    for t, cover in enumerate(covers):
        away = away + 1 if cover < _SEEN else away
        if cover >= _SEEN:
            if away >= _AWAY and (covers[t - away : t] == 0).sum() >= _AWAY:
                totals['absences'] += 1
                later = np.flatnonzero(found[t:])
                if len(later):
                    totals['recovery_frames'].append(int(later[0]))
            away = 0
    for t in range(1, len(statuses)):
        if statuses[t - 1] is Status.LOST and statuses[t] is not Status.LOST:
            totals['recovery_overlaps'].append(float(ious[t]))


def reliability(
    confidences: np.ndarray, is_on: np.ndarray, bins: int = 10
) -> list[tuple[float, float, int]]:
    """Of each bin that is not empty: mean confidence, share on target, and how many."""
    places = np.minimum((confidences * bins).astype(int), bins - 1)
    return [
        (float(confidences[b].mean()), float(is_on[b].mean()), int(b.sum()))
        for b in (places == k for k in range(bins))
        if b.any()
    ]


def calibration_error(confidences: np.ndarray, is_on: np.ndarray) -> float:
    """Expected calibration error: mean gap between confidence and truth, in bins."""
    rows = reliability(confidences, is_on)
    return sum(abs(c - share) * n for c, share, n in rows) / max(len(confidences), 1)


def describe(judge: PresenceModel) -> str:
    """The weights as a table."""
    rows = zip((*SIGNALS, 'bias'), judge.tracked, judge.searched, strict=True)
    lines = [f'{name:18s} {a:10.3f} {b:10.3f}' for name, a, b in rows]
    return '\n'.join([f'{"":18s} {"tracked":>10s} {"searched":>10s}', *lines])


def write_calibrated(source: Path, judge: PresenceModel, path: Path) -> None:
    """Write a checkpoint with its judge: the weights alone, or an ONNX file.

    Args:
        source: The checkpoint; it may be overwritten.
        judge: What was fitted to it.
        path: The file to write.

    Raises:
        DataError: One of the two is an ONNX file and the other one is not.
    """
    if is_onnx(str(source)) != is_onnx(str(path)):
        raise DataError(f'{path}: is to be of the same kind as {source}')
    if is_onnx(str(source)):
        with optional_requirements(str(source)):
            import onnx

            from sstrack_mm.deploy.onnx_engine import PRESENCE_KEY
        model = onnx.load(source)
        onnx.helper.set_model_props(
            model,
            {prop.key: prop.value for prop in model.metadata_props}
            | {PRESENCE_KEY: json.dumps(judge.to_dict())},
        )
        write_atomically(path, model.SerializeToString())
        return
    checkpoint = read_checkpoint(source)
    meta = checkpoint.get('meta')
    kept = {
        key: value
        for key, value in (meta if isinstance(meta, dict) else {}).items()
        if isinstance(value, (int, str))
    }
    weights = dict(find_weights(checkpoint, source))
    meta = {**kept, PRESENCE: judge.to_dict()}
    write_checkpoint(dict(meta=meta, state_dict=weights), path)
