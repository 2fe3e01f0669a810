"""Runs a tracker over the sequences of a dataset; every finished one is on disk.

The sequences of a run are spread over ranks (torchrun) and over worker processes of
each rank. A sequence that fails is recorded by name, and the others go on. A run that
was stopped, by whatever, goes on where it stopped when it is started again.
"""

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import ONE_PASS_LAYOUT, RunFolder
from sstrack_mm.evaluation.workers import (
    Job,
    Outcome,
    TrackFn,
    track_here,
    track_in_workers,
)
from sstrack_mm.structures.sequence import VideoSequence

logger = logging.getLogger(__name__)


class SequenceSource(Protocol):
    """What is asked of a dataset; ``SequenceDataset`` has it."""

    @property
    def names(self) -> list[str]:
        """list[str]: The names of the videos."""

    def sequence(self, idx: int) -> VideoSequence:
        """A video with its labels."""


def first_box(sequence: VideoSequence) -> np.ndarray:
    """The first true box of a sequence, (4,) ``x, y, w, h``.

    Raises:
        DataError: The sequence has no box.
    """
    if len(sequence.gt_xywh) == 0:
        raise DataError(f'{sequence.name}: it has no box, so there is nothing to track')
    return sequence.gt_xywh[0]


class Experiment(NamedTuple):
    """How sequences are run.

    Attributes:
        tell: What the tracker is told of the target of a sequence.
        layout: Where a result is saved (:class:`RunFolder`).
    """

    tell: Callable[[VideoSequence], Any]
    layout: str


ONE_PASS = Experiment(first_box, ONE_PASS_LAYOUT)


@dataclass
class RunSummary:
    """What became of the sequences of a run.

    Attributes:
        finished: Sequences tracked now.
        skipped: Sequences that were on disk already.
        failed: By sequence that has no result, why.
    """

    finished: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """int: 0 if every sequence has its result, else 1."""
        return int(bool(self.failed))


def run_sequences(
    track_fn_factory: Callable[[], TrackFn],
    dataset: SequenceSource,
    out_dir: str | os.PathLike,
    run_info: dict,
    workers: int = 1,
    rank: int = 0,
    world_size: int = 1,
    progress: bool = True,
    experiment: Experiment = ONE_PASS,
) -> RunSummary:
    """Track the sequences of a dataset that are not on disk yet.

    Args:
        track_fn_factory: Makes a tracker; called once in each process, so it must be
            picklable (no lambda) where there are several.
        dataset: The sequences.
        out_dir: The results folder (:mod:`sstrack_mm.evaluation.run_folder`), shared by
            all ranks.
        run_info: What makes the results (:func:`describe_run`), equal in all ranks.
        workers: Processes of this rank, all on its device; 1 tracks in this one.
        rank: Place of this process among those of torchrun.
        world_size: Their number; rank r takes the sequences r, r + world_size, ...
        progress: Show a progress bar.
        experiment: How the sequences are run.

    Returns:
        RunSummary: What became of the sequences of this rank.

    Raises:
        DataError: The folder holds another run's results, or two sequences have the
            same name.
        FullDiskError: The disk is full; what is finished is kept.
    """
    if workers < 1 or not 0 <= rank < world_size:
        raise ValueError(
            f'need workers >= 1 and 0 <= rank < world_size, got workers '
            f'{workers}, rank {rank}, world_size {world_size}'
        )
    if len(set(dataset.names)) < len(dataset.names):
        raise DataError('two sequences of the dataset have the same name')
    folder = RunFolder(out_dir, run_info, experiment.layout)
    summary = RunSummary()
    indices = range(rank, len(dataset.names), world_size)
    jobs, frames_done = _plan(dataset, indices, folder, summary, experiment)
    if workers == 1 or len(jobs) < 2:
        outcomes = track_here(track_fn_factory, folder, jobs)
    else:
        outcomes = track_in_workers(track_fn_factory, folder, jobs, workers)
    bar = tqdm(
        total=frames_done + sum(len(job.frame_paths) for job in jobs),
        initial=frames_done,
        unit=' frames',
        smoothing=0,
        disable=not progress or rank > 0,
    )
    try:
        with logging_redirect_tqdm(), bar:
            _follow(outcomes, len(jobs), summary, bar)
    except KeyboardInterrupt:
        _report_stop(jobs, folder, summary)
        raise
    if summary.failed:
        logger.error(
            '%d sequences have no result: %s. The reasons are in %s; start '
            'the same command again to try them again',
            len(summary.failed),
            ', '.join(summary.failed),
            folder.folder / 'failed',
        )
    return summary


def _report_stop(jobs: list[Job], folder: RunFolder, summary: RunSummary) -> None:
    """Say how far a run came that somebody stopped."""
    # On disk there may be more than was heard of.
    left = [job for job in jobs if not folder.is_finished(job.name, len(job.frame_paths))]
    logger.warning(
        'Stopped. %d sequences are in %s, %d are left: start the same command again to '
        'go on',
        len(summary.skipped) + len(jobs) - len(left),
        folder.folder,
        len(left),
    )


def _plan(
    dataset: SequenceSource,
    indices: range,
    folder: RunFolder,
    summary: RunSummary,
    experiment: Experiment,
) -> tuple[list[Job], int]:
    """What is to be done, and the number of frames that are on disk already."""
    jobs, frames_done = [], 0
    for idx in indices:
        name = dataset.names[idx]
        try:
            sequence = dataset.sequence(idx)
            told = experiment.tell(sequence)
        except (DataError, OSError) as error:
            logger.error('%s cannot be read: %s', name, error)
            folder.write_failure(name, traceback.format_exc())
            summary.failed[name] = f'{error}'
            continue
        if folder.is_finished(name, len(sequence)):
            summary.skipped.append(name)
            frames_done += len(sequence)
        else:
            jobs.append(Job(name, sequence.frame_paths, told))
    return jobs, frames_done


def _follow(
    outcomes: Iterator[Outcome], num_jobs: int, summary: RunSummary, bar: tqdm
) -> None:
    """Note each outcome in the summary, the log and the progress bar."""
    total = num_jobs + len(summary.skipped) + len(summary.failed)
    bar.set_description(f'{_count_done(summary)}/{total} sequences')
    for outcome in outcomes:
        if outcome.error is None:
            summary.finished.append(outcome.name)
        else:
            reason = outcome.error.strip().splitlines()[-1]
            logger.error('%s failed: %s', outcome.name, reason)
            summary.failed[outcome.name] = reason
            bar.set_postfix(failed=len(summary.failed), refresh=False)
        bar.set_description(f'{_count_done(summary)}/{total} sequences', refresh=False)
        bar.update(outcome.num_frames)


def _count_done(summary: RunSummary) -> int:
    return len(summary.finished) + len(summary.skipped)
