"""Reads the saved boxes of any tracker, whichever toolkit wrote them.

=====================  =============================================================
layout                 files
=====================  =============================================================
sstrack_mm             ``run.json``, ``NAME.txt``, ``details/NAME.json`` (see
                       :mod:`sstrack_mm.evaluation.run_folder`)
PyTracking             ``NAME.txt`` of whole numbers between tabs, ``NAME_time.txt``;
                       beside them may be ``NAME_all_boxes.txt`` and the like
PySOT, mmtrack, plain  ``NAME.txt`` of numbers between commas
GOT-10k toolkit        ``NAME/NAME_001.txt`` (and ``_002`` ...), ``NAME/NAME_time.txt``
                       (PySOT and mmtrack write GOT-10k like this too); OTB and others
                       ``NAME.txt`` and ``times/NAME_time.txt``
=====================  =============================================================

A line is ``x, y, w, h`` in image pixels, with any delimiter. Toolkits spell the names of
some sequences in their own ways (``Jogging-1``, ``Jogging_1``, ``uav_bike1``); where the
dataset's names are given, results come under these.
"""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sstrack_mm.datasets import files
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import frames_per_second, read_details
from sstrack_mm.evaluation.run_info import read_run_info

logger = logging.getLogger(__name__)

_SIDE_FILE = re.compile(r'(.+)_(time|all_boxes|all_scores|object_presence_scores)$')
# PyTracking's, before the names of UAV123, NFS, TC128 and OTB.
_TOOLKIT_PREFIX = re.compile(r'^(uav|nfs|tpl|otb)\.')
# Other names of the targets of OTB's videos with two box files.
_OTB_TARGETS = {
    'human4': 'human4.2',
    'jogging': 'jogging.1',
    'jogging1': 'jogging.1',
    'jogging2': 'jogging.2',
    'skating2': 'skating2.1',
}


@dataclass(frozen=True)
class Results:
    """The saved results of one tracker.

    Attributes:
        folder: Where they are.
        bboxes_xywh: By sequence, (N, 4) float64 ``x, y, w, h`` in image pixels.
        scores: By sequence, (N,); only what sstrack_mm wrote has them.
        times: By sequence, (N,) seconds, where the folder has them.
        run_info: What made the results; None where the folder does not say.
    """

    folder: Path
    bboxes_xywh: dict[str, np.ndarray]
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    times: dict[str, np.ndarray] = field(default_factory=dict)
    run_info: dict | None = None

    @property
    def fps(self) -> float | None:
        """float | None: See :func:`frames_per_second`."""
        return frames_per_second(self.times.values())


def load_results(
    folder: str | os.PathLike,
    names: Iterable[str] | None = None,
    skip_bad: bool = False,
) -> Results:
    """Read the results of a tracker on one dataset.

    Args:
        folder: A folder in one of the layouts of this module.
        names: The names of the dataset's sequences; results that another program saved
            under another spelling of one of them get it, and files of no sequence (a
            README) are not read.
        skip_bad: Log files that cannot be used, and go on as if they were not there.

    Returns:
        Results: The boxes of all sequences in it, and what else it holds.

    Raises:
        DataError: There are no results, a file does not parse or holds numbers that
            are not finite, or the results are of more than one run.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder of results')
    run_info = read_run_info(folder)
    if run_info is not None:
        paths = {path.stem: path for path in _list_texts(folder)}
    else:
        paths = dict(_find_files(folder))
    if not paths:
        raise DataError(
            f'{folder}: no results in this folder; expected NAME.txt for each sequence '
            '(one x,y,w,h a line), or NAME/NAME_001.txt. Give the folder of one '
            'tracker on one dataset'
        )
    own_names = match_names(paths, names or ())
    wanted = set(names or own_names.values())
    results = Results(folder, {}, run_info=run_info)
    for name, path in paths.items():
        if own_names[name] not in wanted:
            continue
        try:
            _read_into(results, own_names[name], path, name)
        except DataError as error:
            if not skip_bad:
                raise
            logger.warning('%s. Going on without it', error)
    return results


def _read_into(results: Results, own_name: str, path: Path, name: str) -> None:
    """Add the result of one sequence, and what else there is of it."""
    bboxes_xywh = read_bboxes(path)
    if results.run_info is not None:
        details = read_details(results.folder, name, results.run_info)
        results.scores[own_name] = np.array(details['scores'])
        results.times[own_name] = np.array(details['times'])
    elif (times := _read_times(path, name)) is not None:
        results.times[own_name] = times
    results.bboxes_xywh[own_name] = bboxes_xywh


def match_names(saved: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The dataset's name for each name that results were saved under.

    Args:
        saved: The names of results.
        names: The dataset's names.

    Returns:
        dict[str, str]: By saved name, the dataset's; itself where the dataset has no
        such sequence, or has a result under its very name.

    Raises:
        DataError: Two results may be of the same sequence.
    """
    own_names = {name: name for name in saved}
    lacking = set(names) - set(own_names)
    others = set(own_names) - set(names)
    for spelling in (_unify, _unify_otb):
        by_spelling = defaultdict(list)
        for name in sorted(others):
            by_spelling[spelling(name)].append(name)
        for name in sorted(lacking):
            found = by_spelling.pop(spelling(name), [])
            if len(found) > 1:
                raise DataError(
                    f'{" and ".join(found)} may both be results of {name}: rename the '
                    f'right one to {name}'
                )
            if found:
                own_names[found[0]] = name
                others.remove(found[0])
                lacking.remove(name)
    return own_names


def _unify(name: str) -> str:
    """A name without the separators and prefixes that toolkits choose."""
    return _TOOLKIT_PREFIX.sub('', re.sub('[-_.]+', '.', name))


def _unify_otb(name: str) -> str:
    """The same, whatever the case; and a target of OTB that is named like its video."""
    name = _unify(name).lower()
    return _OTB_TARGETS.get(name, name)


def read_bboxes(path: str | os.PathLike) -> np.ndarray:
    """The boxes in a result file, (N, 4) float64 ``x, y, w, h``.

    Raises:
        DataError: The file is empty, does not parse, or holds numbers that are not
            finite; the message names the line.
    """
    lines = list(enumerate(files.read_lines(path), start=1))
    bboxes_xywh = files.parse_lines(path, lines, files.parse_box)
    bad = np.flatnonzero(~np.isfinite(bboxes_xywh).all(axis=1))
    if len(bad):
        raise DataError(
            f'{path}, line {bad[0] + 1}: not a finite box: '
            f'{bboxes_xywh[bad[0]].tolist()} ({len(bad)} such lines). '
            'Track the sequence again'
        )
    return bboxes_xywh


def _list_texts(folder: Path) -> list[Path]:
    """The text files in a folder, hidden ones left out."""
    return sorted(path for path in folder.glob('*.txt') if not files.is_hidden(path.name))


def _find_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The box file of each sequence in a folder that another program wrote."""
    for path in _list_texts(folder):
        side_file = _SIDE_FILE.match(path.stem)
        # A sequence may be called like a side file; then it has no main file.
        if not (side_file and path.with_name(f'{side_file[1]}.txt').exists()):
            yield path.stem, path
    for path in sorted(folder.glob('*/*_001.txt')):
        if path.stem == f'{path.parent.name}_001':
            _warn_of_repetitions(path)
            yield path.parent.name, path


def _warn_of_repetitions(first: Path) -> None:
    """Say so where a tracker ran several times with different results."""
    others = first.parent.glob(f'{first.parent.name}_[0-9][0-9][0-9].txt')
    if any(path.read_bytes() != first.read_bytes() for path in others):
        logger.warning(
            '%s: the tracker ran more than once with different results; '
            'only the first run is evaluated',
            first.parent,
        )


def _read_times(path: Path, name: str) -> np.ndarray | None:
    """Seconds of each frame, (N,), of the first repetition; None where not saved."""
    for candidate in (
        path.with_name(f'{name}_time.txt'),
        path.parent / 'times' / f'{name}_time.txt',
    ):
        if candidate.exists():
            break
    else:
        return None
    try:
        times = np.array(
            [files.parse_numbers(line)[0] for line in files.read_lines(candidate)]
        )
    except (ValueError, IndexError):
        raise DataError(
            f'{candidate}: expected the seconds of a frame in each line'
        ) from None
    # The GOT-10k toolkit writes NaN or 0 for frames that were not timed.
    return times[times > 0]
