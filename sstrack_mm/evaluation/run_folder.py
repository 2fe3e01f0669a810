"""The results of one run on disk, written so that a crash loses one sequence at most.

A results folder holds::

    run.json               what made the results: configuration, checkpoint, versions
    SEQUENCE.txt           one ``x,y,w,h`` a frame, image pixels, the first box included
    details/SEQUENCE.json  scores and seconds of each frame, and which run they are of
    failed/SEQUENCE.txt    why a sequence has no results

The trajectories of a run with resets are in ``baseline/SEQUENCE/SEQUENCE_001.txt``, where
the VOT toolkit looks for them.

Every file is complete or absent. A sequence is finished when its box file is there and
is the one that its details were written with.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_info import (
    describe_differences,
    format_run_info,
    read_run_info,
    run_identity,
    text_sha256,
)
from sstrack_mm.structures.track_result import ResetResult, TrackResult

ONE_PASS_LAYOUT = '{name}.txt'
RESET_LAYOUT = 'baseline/{name}/{name}_001.txt'


class RunFolder:
    """The results folder of a run, made or gone on with.

    Args:
        folder: The folder; it is made if need be. It may hold an earlier part of the
            same run.
        run_info: What makes the results (:func:`describe_run`), as JSON takes it.
        layout: Where a sequence's box file is, with ``{name}`` for its name.

    Raises:
        DataError: The folder holds results of another run.
        FullDiskError: The disk is full.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        run_info: dict,
        layout: str = ONE_PASS_LAYOUT,
    ) -> None:
        self.folder = Path(folder)
        self.layout = layout
        # Through JSON and back, so that tuples compare equal to what is on disk.
        run_info = json.loads(format_run_info(run_info))
        self.run_id = run_identity(run_info)
        existing = read_run_info(self.folder)
        if existing == run_info:
            return
        layouts = {layout, ONE_PASS_LAYOUT, RESET_LAYOUT}
        patterns = (one.format(name='[!.]*') for one in layouts)
        if not any(path for pattern in patterns for path in self.folder.glob(pattern)):
            # Nothing yet, or a run that failed before it had a result.
            write_atomically(self.folder / 'run.json', format_run_info(run_info))
        elif existing is None:
            raise DataError(
                f'{self.folder}: this folder holds results that do not say what made '
                'them (there is no run.json). Give another folder, or move them away'
            )
        else:
            raise DataError(
                f'{self.folder}: the results in this folder were made by another run. '
                f'{describe_differences(existing, run_info)} Give another folder, or '
                'move the old results away'
            )

    def write(self, name: str, result: TrackResult | ResetResult) -> None:
        """Put the result of a sequence on disk, whole or not at all.

        Raises:
            FullDiskError: The disk is full.
        """
        rows, scores, times = result
        bboxes = format_boxes(rows)
        details = dict(
            run=self.run_id,
            bboxes_sha256=text_sha256(bboxes),
            scores=np.asarray(scores).tolist(),
            times=np.asarray(times).tolist(),
        )
        write_atomically(self._details_path(name), json.dumps(details))
        # The box file is last: once it is there, the sequence is finished.
        write_atomically(self._box_path(name), bboxes)
        self._failure_path(name).unlink(missing_ok=True)

    def write_failure(self, name: str, reason: str) -> None:
        """Say why a sequence has no result."""
        write_atomically(self._failure_path(name), reason)

    def is_finished(self, name: str, num_frames: int) -> bool:
        """Whether this run has put the whole result of a sequence on disk."""
        try:
            bboxes = self._box_path(name).read_text(encoding='utf-8')
            details = json.loads(self._details_path(name).read_text(encoding='utf-8'))
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return (
            details['run'] == self.run_id
            and details['bboxes_sha256'] == text_sha256(bboxes)
            and len(details['scores']) == num_frames
        )

    def _box_path(self, name: str) -> Path:
        if Path(name).name != name:
            raise DataError(
                f'{name!r} cannot be the name of a sequence: results are '
                'files of that name'
            )
        return self.folder / self.layout.format(name=name)

    def _details_path(self, name: str) -> Path:
        return self.folder / 'details' / f'{name}.json'

    def _failure_path(self, name: str) -> Path:
        return self.folder / 'failed' / f'{name}.txt'


def read_details(
    folder: str | os.PathLike,
    name: str,
    run_info: dict,
    layout: str = ONE_PASS_LAYOUT,
) -> dict:
    """Scores and times of a sequence, after a look at whether it is of this run.

    Args:
        folder: A results folder.
        name: A sequence, whose box file is there.
        run_info: The folder's ``run.json``.
        layout: As in :class:`RunFolder`.

    Returns:
        dict: ``scores`` and ``times``, lists of one number a frame.

    Raises:
        DataError: The box file was made by another run, or changed since.
    """
    folder = Path(folder)
    path = folder / 'details' / f'{name}.json'
    bboxes = folder / layout.format(name=name)
    try:
        details = json.loads(path.read_text(encoding='utf-8'))
    except (FileNotFoundError, json.JSONDecodeError):
        raise DataError(
            f'{bboxes}: the run in {folder / "run.json"} did not write it: '
            f'{path} is missing or broken. Do not mix results; track the '
            'sequence again'
        ) from None
    if details['run'] != run_identity(run_info):
        raise DataError(
            f'{bboxes}: another run made it than the one described in '
            f'{folder / "run.json"}. Results of two runs cannot be '
            'evaluated as one; track the sequence again'
        )
    if details['bboxes_sha256'] != text_sha256(bboxes.read_text(encoding='utf-8')):
        raise DataError(
            f'{bboxes}: it is not as the run wrote it; it was changed or '
            'copied from somewhere else. Track the sequence again, or '
            'remove run.json to evaluate the boxes as plain files'
        )
    return details


def format_boxes(rows: Iterable[np.ndarray]) -> str:
    """Boxes ``x, y, w, h`` or other rows of numbers as text that reads back exactly."""
    return ''.join(','.join(map(repr, np.asarray(row).tolist())) + '\n' for row in rows)


def frames_per_second(times: Iterable[np.ndarray]) -> float | None:
    """The rate of tracking, without reading images; None where nothing was timed.

    Args:
        times: Of each sequence, (N,) seconds a frame; 0 where there was no tracking, as
            in the first frame.
    """
    tracked = np.concatenate([np.zeros(0), *times])
    tracked = tracked[tracked > 0]
    return float(1 / tracked.mean()) if len(tracked) else None


def read_times(folder: str | os.PathLike) -> list[np.ndarray]:
    """The seconds of each frame of the sequences in a folder of ours, (N,) each."""
    return [
        np.array(json.loads(path.read_text(encoding='utf-8'))['times'])
        for path in sorted(Path(folder).glob('details/*.json'))
    ]
