"""Evaluates a folder of results, whatever wrote them and whatever the convention."""

import logging
import os
from collections.abc import MutableMapping
from typing import Any

from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.evaluation.report import Report, VOTReport
from sstrack_mm.evaluation.results import load_results
from sstrack_mm.evaluation.run_folder import frames_per_second, read_times
from sstrack_mm.evaluation.vot import evaluate_vot, load_trajectories
from sstrack_mm.structures.sequence import VideoSequence

logger = logging.getLogger(__name__)


def evaluate_folder(
    folder: str | os.PathLike,
    sequences: list[VideoSequence],
    convention: str = 'pytracking',
    missing: str = 'error',
    skip_bad: bool = False,
) -> tuple[Report | VOTReport, float | None]:
    """Evaluate the results of one tracker on one dataset.

    Args:
        folder: The results.
        sequences: The sequences of the dataset, with their labels.
        convention: A key of :data:`~sstrack_mm.evaluation.conventions.CONVENTIONS`, or
            ``'vot2018'`` for trajectories with resets.
        missing: ``'error'`` or ``'skip'``: what to do about sequences without results.
        skip_bad: Log files that cannot be used, and go on as if they were not there.

    Returns:
        tuple[Report | VOTReport, float | None]: The report, and the frames a second
        where the results have times.

    Raises:
        DataError: As :func:`load_results` and :func:`evaluate`.
    """
    if convention == 'vot2018':
        trajectories = load_trajectories(folder, skip_bad)
        if skip_bad:
            _drop_other_lengths(trajectories, sequences)
        report = evaluate_vot(trajectories, sequences, missing=missing)
        return report, frames_per_second(read_times(folder))
    results = load_results(folder, [each.name for each in sequences], skip_bad)
    if skip_bad:
        _drop_other_lengths(results.bboxes_xywh, sequences)
    return evaluate(results.bboxes_xywh, sequences, convention, missing), results.fps


def _drop_other_lengths(
    found: MutableMapping[str, Any], sequences: list[VideoSequence]
) -> None:
    """Take out, and log, what was found of sequences in another number of frames."""
    for sequence in sequences:
        name, num_frames = sequence.name, len(sequence)
        if name in found and len(found[name]) != num_frames:
            logger.warning(
                '%s: %d results for %d frames. Going on without it',
                name,
                len(found.pop(name)),
                num_frames,
            )
