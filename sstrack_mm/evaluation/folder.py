"""Evaluates a folder of results, whatever wrote them and whatever the convention."""

import os

from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.evaluation.report import Report, VOTReport
from sstrack_mm.evaluation.results import load_results
from sstrack_mm.evaluation.run_folder import frames_per_second, read_times
from sstrack_mm.evaluation.vot import evaluate_vot, load_trajectories
from sstrack_mm.structures.sequence import VideoSequence


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
        report = evaluate_vot(load_trajectories(folder), sequences, missing=missing)
        return report, frames_per_second(read_times(folder))
    results = load_results(folder, [each.name for each in sequences], skip_bad)
    return evaluate(results.bboxes_xywh, sequences, convention, missing), results.fps
