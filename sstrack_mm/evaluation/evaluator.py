"""One evaluator for all conventions of one-pass evaluation."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation import metrics
from sstrack_mm.evaluation.conventions import CONVENTIONS, Convention
from sstrack_mm.evaluation.report import METRICS, Report
from sstrack_mm.structures.sequence import VideoSequence

_MAX_LISTED = 10


def evaluate(
    predictions: Mapping[str, np.ndarray],
    sequences: Iterable[VideoSequence],
    convention: str = 'pytracking',
    missing: str = 'error',
) -> Report:
    """Evaluate the boxes of a tracker on annotated sequences.

    Args:
        predictions: By the name of the sequence, (N, 4) ``x, y, w, h`` in image
            pixels, one box for each of its N frames (the given first one included).
            Names that are not among the sequences are not looked at.
        sequences: The sequences and their labels.
        convention: A key of :data:`CONVENTIONS`.
        missing: What to do about sequences without predictions: ``'error'`` raises
            one, ``'skip'`` evaluates the others and lists these in the report.

    Returns:
        Report: Metrics, per-sequence values and curves, in percent.

    Raises:
        DataError: Predictions are missing, of the wrong length, not finite, or have
            negative sides; or a sequence has no labels or no frame to evaluate.
    """
    knobs = _find_convention(convention)
    names, absent, rows, curves, weights = [], [], [], [], []
    for sequence in sequences:
        if sequence.name not in predictions:
            absent.append(sequence.name)
            continue
        frames = measure_frames(predictions[sequence.name], sequence, knobs)
        row, curve = _summarise(frames, knobs)
        names.append(sequence.name)
        rows.append(row)
        curves.append(curve)
        weights.append(len(frames.overlaps) if knobs.mean == 'frames' else 1)
    check_missing(absent, len(names), missing)
    return Report(
        convention,
        tuple(names),
        values={key: np.array([row[key] for row in rows]) for key in METRICS},
        weights=np.array(weights, dtype=np.float64),
        curves={key: np.stack([curve[key] for curve in curves]) for key in curves[0]},
        missing=tuple(absent),
    )


class FrameMeasures(NamedTuple):
    """What was measured in the M frames that a convention evaluates.

    Attributes:
        overlaps: (M,), -1 where the frame is a failure whatever the prediction.
        center_errors: (M,) in pixels, infinite where it is a failure, -1 where it is
            a success whatever the prediction.
        norm_center_errors: (M,), the same in sides of the true box.
    """

    overlaps: np.ndarray
    center_errors: np.ndarray
    norm_center_errors: np.ndarray


def measure_frames(
    bboxes_xywh: np.ndarray, sequence: VideoSequence, convention: Convention
) -> FrameMeasures:
    """Measure each frame that a convention evaluates.

    Args:
        bboxes_xywh: The predictions, (N, 4) ``x, y, w, h``.
        sequence: The sequence, of N frames.
        convention: The knobs.

    Returns:
        FrameMeasures: The measures of the frames that count.

    Raises:
        DataError: As in :func:`evaluate`.
    """
    pred_xywh = _checked_predictions(bboxes_xywh, sequence)
    gt_xywh, visible = sequence.gt_xywh, sequence.visible
    labelled = np.isfinite(gt_xywh).all(axis=1)
    if convention.repeat_empty:
        pred_xywh = _repeat_empty(pred_xywh, labelled)
    if convention.first_is_truth:
        pred_xywh = np.concatenate([gt_xywh[:1], pred_xywh[1:]])

    overlaps = _frame_overlaps(pred_xywh, sequence, convention)
    center_valid = convention.center_needs(gt_xywh)
    center_errors = np.where(
        center_valid,
        metrics.center_errors(pred_xywh, gt_xywh),
        convention.center_otherwise,
    )
    norm_errors = np.where(
        center_valid,
        metrics.norm_center_errors(pred_xywh, gt_xywh),
        convention.norm_otherwise,
    )
    if convention.invisible == 'fail':
        overlaps[~visible] = -1
        center_errors[~visible] = norm_errors[~visible] = np.inf
    center_errors[~labelled] = norm_errors[~labelled] = -1

    evaluated = np.ones(len(gt_xywh), dtype=bool)
    if convention.invisible == 'drop':
        evaluated &= visible & labelled
    if convention.skip_first:
        evaluated[0] = False
    if not evaluated.any():
        raise DataError(
            f'{sequence.name}: no frame is left to evaluate '
            f'({len(sequence)} frames, {visible.sum()} of them visible)'
        )
    return FrameMeasures(
        overlaps[evaluated], center_errors[evaluated], norm_errors[evaluated]
    )


def _frame_overlaps(
    pred_xywh: np.ndarray, sequence: VideoSequence, convention: Convention
) -> np.ndarray:
    gt_xywh = sequence.gt_xywh
    if convention.clip_to_image:
        image_wh = image_size(sequence)
        overlaps = metrics.overlaps(
            metrics.clip_boxes(pred_xywh, image_wh), metrics.clip_boxes(gt_xywh, image_wh)
        )
    else:
        overlaps = metrics.overlaps(pred_xywh, gt_xywh)
    if convention.cut_overlap:
        overlaps = overlaps.clip(max=1)
    return np.where(convention.overlap_needs(gt_xywh), overlaps, -1)


def image_size(sequence: VideoSequence) -> tuple[int, int]:
    """Width and height of a sequence's frames, from the header of the first.

    Raises:
        DataError: The frame cannot be read.
    """
    try:
        with Image.open(sequence.frame_paths[0]) as image:
            return image.size
    except OSError as error:
        raise DataError(
            f'{sequence.name}: the size of its frames is needed, but the '
            f'first cannot be read: {error}'
        ) from None


def _repeat_empty(pred_xywh: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Replace predictions without an area by the last one that has one.

    Unlabelled frames keep theirs, as in the toolkits; so does the first frame.
    """
    kept = (pred_xywh[:, 2:] > 0).all(axis=1) | ~labelled
    return pred_xywh[np.maximum.accumulate(np.where(kept, np.arange(len(kept)), 0))]


def _summarise(
    frames: FrameMeasures, convention: Convention
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """One sequence's metrics and curves, in percent."""
    overlaps, center_errors, norm_errors = frames
    curves = dict(
        success=100 * metrics.success_curve(overlaps, convention.num_thresholds),
        precision=100 * metrics.precision_curve(center_errors, metrics.PIXEL_THRESHOLDS),
        norm_precision=100
        * metrics.precision_curve(norm_errors, metrics.NORM_THRESHOLDS),
    )
    above_50, above_75 = (
        100 * float((overlaps > threshold).mean()) for threshold in (0.5, 0.75)
    )
    values = dict(
        auc=curves['success'].mean(),
        op50=above_50,
        op75=above_75,
        precision=curves['precision'][20],
        norm_precision=curves['norm_precision'][20],
        ao=100 * overlaps.clip(0).mean(),
        sr50=above_50,
        sr75=above_75,
    )
    return values, curves


def _find_convention(name: str) -> Convention:
    if name == 'vot2018':
        raise ValueError(
            "the convention 'vot2018' evaluates trajectories with resets, "
            'not one box a frame: use '
            'sstrack_mm.evaluation.vot.evaluate_vot'
        )
    if name not in CONVENTIONS:
        raise ValueError(
            f'unknown convention {name!r}; there are {", ".join(CONVENTIONS)} and vot2018'
        )
    return CONVENTIONS[name]


def _checked_predictions(bboxes_xywh: np.ndarray, sequence: VideoSequence) -> np.ndarray:
    """The predictions as float64, (N, 4), if they and the labels can be used."""
    name, num_frames = sequence.name, len(sequence)
    if not sequence.has_full_gt:
        raise DataError(
            f'{name}: {len(sequence.gt_xywh)} of {num_frames} frames have a true box, so '
            "it cannot be evaluated here. If its labels are with the dataset's server, "
            'make a submission with `tools/test.py ... --format-only`'
        )
    pred_xywh = np.asarray(bboxes_xywh, dtype=np.float64)
    if pred_xywh.shape != (num_frames, 4):
        raise DataError(
            f'{name}: predictions of shape {pred_xywh.shape} for {num_frames} frames; '
            f'expected ({num_frames}, 4), one x, y, w, h a frame, the given first box '
            'included. Was the run stopped early, or was it made on other frames?'
        )
    finite = np.isfinite(pred_xywh).all(axis=1)
    bad = np.flatnonzero(~finite | (pred_xywh[:, 2:] < 0).any(axis=1))
    if len(bad):
        raise DataError(
            f'{name}: {len(bad)} of {num_frames} predictions are not finite or have a '
            f'negative side, the first in frame {bad[0] + 1} (counted from 1): x, y, w, '
            f'h = {pred_xywh[bad[0]].tolist()}. Track the sequence again'
        )
    return pred_xywh


def check_missing(absent: list[str], num_found: int, missing: str) -> None:
    """Raise DataError where sequences without predictions cannot be left out."""
    if missing not in ('error', 'skip'):
        raise ValueError(f"missing must be 'error' or 'skip', got {missing!r}")
    if absent and (missing == 'error' or not num_found):
        raise DataError(
            f'{len(absent)} of {len(absent) + num_found} sequences have no '
            f'predictions: {_listed(absent)}. Track them, or evaluate the others alone '
            "with missing='skip' (--missing skip on the command line)"
        )
    if not num_found:
        raise DataError('there is no sequence to evaluate')


def _listed(names: list[str]) -> str:
    more = f' and {len(names) - _MAX_LISTED} more' if len(names) > _MAX_LISTED else ''
    return ', '.join(names[:_MAX_LISTED]) + more
