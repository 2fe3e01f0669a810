"""Reset-based evaluation, as in VOT2018: accuracy, robustness and EAO.

The tracker is started again five frames after each failure, which is no overlap with
the true region. Its trajectory has for each frame either a region or one number that
says what happened: :data:`SKIPPED`, :data:`INITIALISED` or :data:`FAILED`. Regions are
``x, y, w, h``, or the corners ``x1, y1, x2, y2, ...`` of a convex polygon, in image
pixels, as arrays of 4, or of 6 and more numbers.

The EAO curve is mmtrack's. Its accuracy and overlaps are not used: they need an old
vot-toolkit, and these need none.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from mmtrack.evaluation.functional.eval_sot_vot import calc_eao_curve

from sstrack_mm.datasets import files
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.evaluator import check_missing, image_size
from sstrack_mm.evaluation.report import VOTReport
from sstrack_mm.evaluation.run_folder import RESET_LAYOUT, read_details
from sstrack_mm.evaluation.run_info import read_run_info
from sstrack_mm.structures.sequence import VideoSequence

logger = logging.getLogger(__name__)

SKIPPED, INITIALISED, FAILED = 0, 1, 2
BURN_IN = 10
EAO_INTERVAL = (100, 356)
Trajectory = list[np.ndarray]


def evaluate_vot(
    trajectories: Mapping[str, Trajectory],
    sequences: Iterable[VideoSequence],
    interval: tuple[int, int] = EAO_INTERVAL,
    missing: str = 'error',
) -> VOTReport:
    """Evaluate trajectories with resets.

    Args:
        trajectories: By sequence, the trajectory, one entry a frame.
        sequences: The sequences. Their true regions are read from the
            ``groundtruth.txt`` beside the frames, since boxes do not hold polygons.
        interval: First and last length of the runs that EAO averages over; the
            default is that of VOT2018.
        missing: What to do about sequences without a trajectory, ``'error'`` or
            ``'skip'``.

    Returns:
        VOTReport: Accuracy, robustness and EAO.

    Raises:
        DataError: A trajectory is missing, of the wrong length or malformed, or all
            sequences are shorter than the interval.
    """
    accuracy: dict[str, float] = {}
    failures: dict[str, int] = {}
    lengths: dict[str, int] = {}
    absent: list[str] = []
    runs: list[tuple[np.ndarray, bool]] = []
    for sequence in sequences:
        name = sequence.name
        if name not in trajectories:
            absent.append(name)
            continue
        overlaps, states = measure_trajectory(
            name, trajectories[name], load_regions(sequence), image_size(sequence)
        )
        tracked = _after_burn_in(states)
        accuracy[name] = float(overlaps[tracked].mean()) if tracked.any() else 0.0
        failures[name] = int((states == FAILED).sum())
        lengths[name] = len(sequence)
        runs += _split_runs(overlaps, states)
    check_missing(absent, len(lengths), missing)
    low, high = interval
    if max(lengths.values()) <= low:
        raise DataError(
            f'EAO averages over runs of {low} to {high} frames, but the longest '
            f'sequence here has {max(lengths.values())}'
        )
    eao_curve = calc_eao_curve(*zip(*runs, strict=True))[low : high + 1]
    # A curve that ends before is of runs that all failed: no overlap is left.
    eao = float(eao_curve.mean()) if len(eao_curve) else 0.0
    return VOTReport(accuracy, failures, lengths, eao, tuple(absent))


def measure_trajectory(
    name: str, trajectory: Trajectory, regions: Trajectory, image_wh: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Overlap and state of each frame.

    Returns:
        tuple: Overlaps (N,), 0 where there is no region; states (N,), -1 where there
        is one.

    Raises:
        DataError: The trajectory has another length than the sequence, or does not
            begin with an initialisation.
    """
    if len(trajectory) != len(regions):
        raise DataError(
            f'{name}: a trajectory of {len(trajectory)} frames for '
            f'{len(regions)} true regions'
        )
    states = np.array([int(entry[0]) if len(entry) == 1 else -1 for entry in trajectory])
    if states[0] != INITIALISED:
        raise DataError(
            f'{name}: the trajectory does not begin with {INITIALISED} '
            '(initialised); are these results of one pass, without resets?'
        )
    overlaps = np.array(
        [
            region_overlap(entry, region, image_wh) if state == -1 else 0.0
            for entry, region, state in zip(trajectory, regions, states, strict=True)
        ]
    )
    return overlaps, states


def _after_burn_in(states: np.ndarray) -> np.ndarray:
    """Frames that count in accuracy, (N,) bool."""
    counted = states == -1
    for start in np.flatnonzero(states == INITIALISED):
        counted[start : start + BURN_IN] = False
    return counted


def _split_runs(
    overlaps: np.ndarray, states: np.ndarray
) -> list[tuple[np.ndarray, bool]]:
    """The overlaps of each run from a start on, and whether it met no failure."""
    runs = []
    ends = np.flatnonzero(states == FAILED)
    for start in np.flatnonzero(states == INITIALISED):
        later = ends[ends > start]
        end = later[0] if len(later) else len(states)
        runs.append((overlaps[start:end], not len(later)))
    return runs


def region_overlap(
    region_a: np.ndarray, region_b: np.ndarray, image_wh: tuple[int, int]
) -> float:
    """Overlap of two regions in the pixels of the image, as the VOT toolkit counts.

    Args:
        region_a: (4,) ``x, y, w, h`` or (2K,) corners of a convex polygon.
        region_b: The same of the other.
        image_wh: Width and height of the image; pixels outside do not count.

    Returns:
        float: Pixels in both over pixels in either; 0 where the regions have less than
        two rows or columns of pixels inside the image.
    """
    rounded_a, rounded_b = (
        np.round(np.asarray(region, dtype=np.float64)) for region in (region_a, region_b)
    )
    bounds = np.array([_pixel_bounds(rounded_a), _pixel_bounds(rounded_b)])
    left, top = bounds[:, :2].min(axis=0).clip(min=0)
    right, bottom = np.minimum(bounds[:, 2:].max(axis=0), np.subtract(image_wh, 1))
    if left >= right or top >= bottom:
        return 0.0
    window = (left, top, right, bottom)
    mask_a, mask_b = _fill(rounded_a, window), _fill(rounded_b, window)
    return float((mask_a & mask_b).sum() / max((mask_a | mask_b).sum(), 1))


def _pixel_bounds(region: np.ndarray) -> tuple[float, float, float, float]:
    """First and last pixel column and row: ``left, top, right, bottom``."""
    if len(region) == 4:
        x, y, width, height = region
        return x, y, x + width - 1, y + height - 1
    corners = region.reshape(-1, 2)
    return *corners.min(axis=0), *corners.max(axis=0)


def _fill(region: np.ndarray, window: tuple[float, float, float, float]) -> np.ndarray:
    """The pixels of a window that a region covers, (H, W) bool."""
    left, top, right, bottom = window
    columns = np.arange(right - left + 1)
    rows = np.arange(bottom - top + 1)
    if len(region) == 4:
        first_x, first_y, last_x, last_y = np.subtract(
            _pixel_bounds(region), (left, top, left, top)
        )
        return np.outer(
            (rows >= first_y) & (rows <= last_y),
            (columns >= first_x) & (columns <= last_x),
        )
    corners = region.reshape(-1, 2) - (left, top)
    first_x, last_x = np.full_like(rows, np.inf), np.full_like(rows, -np.inf)
    # A row of a convex polygon is one span, between its left- and rightmost edge.
    for (x, y), (other_x, other_y) in zip(
        corners, np.roll(corners, 1, axis=0), strict=True
    ):
        if y == other_y:  # The edges before and after it hold its ends.
            continue
        crossed = (rows >= min(y, other_y)) & (rows <= max(y, other_y))
        edge_x = np.trunc(x + (rows - y) / (other_y - y) * (other_x - x))
        first_x = np.where(crossed, np.minimum(first_x, edge_x), first_x)
        last_x = np.where(crossed, np.maximum(last_x, edge_x), last_x)
    return (columns >= first_x[:, None]) & (columns <= last_x[:, None])


def load_trajectories(
    folder: str | os.PathLike, skip_bad: bool = False
) -> dict[str, Trajectory]:
    """Read the trajectories of a tracker: ``NAME/NAME_001.txt``, one entry a line.

    So the VOT and PySOT toolkits save them, in a folder ``baseline`` that may be given
    or be inside the given one. A stochastic tracker's other runs are not read.

    Args:
        folder: The folder.
        skip_bad: Log files that cannot be used, and go on as if they were not there.

    Raises:
        DataError: There is no trajectory, a file does not parse, or the trajectories are
            of more than one run.
    """
    run_folder = folder = Path(folder)
    if (folder / 'baseline').is_dir():
        folder = folder / 'baseline'
    paths = [
        path
        for path in sorted(folder.glob('*/*_001.txt'))
        if path.stem == f'{path.parent.name}_001'
    ]
    if not paths:
        raise DataError(
            f'{folder}: no trajectories in this folder; expected '
            'NAME/NAME_001.txt for each sequence, with or without a folder '
            'baseline above'
        )
    run_info = read_run_info(run_folder)
    trajectories = {}
    for path in paths:
        name = path.parent.name
        try:
            if run_info is not None:
                read_details(run_folder, name, run_info, RESET_LAYOUT)
            trajectories[name] = _read_regions(path)
        except DataError as error:
            if not skip_bad:
                raise
            logger.warning('%s. Going on without it', error)
    return trajectories


def load_regions(sequence: VideoSequence) -> Trajectory:
    """The true regions of a sequence, from ``groundtruth.txt`` beside its frames.

    Raises:
        DataError: The file is missing, does not parse, or has another length.
    """
    folder = Path(sequence.frame_paths[0]).parent
    for candidate in (folder, folder.parent):
        path = candidate / 'groundtruth.txt'
        if path.exists():
            regions = _read_regions(path)
            if len(regions) != len(sequence):
                raise DataError(
                    f'{path}: {len(regions)} regions for {len(sequence)} frames; '
                    'reset-based evaluation needs one a frame'
                )
            return regions
    raise DataError(
        f'{sequence.name}: there is no groundtruth.txt in {folder} or the '
        'folder above; reset-based evaluation needs the regions of VOT'
    )


def _read_regions(path: Path) -> Trajectory:
    regions = []
    for number, line in enumerate(files.read_lines(path), start=1):
        try:
            region = np.array(files.parse_numbers(line))
        except ValueError as error:
            raise DataError(f'{path}, line {number}: {error}') from None
        if not (len(region) == 1 or (len(region) >= 4 and len(region) % 2 == 0)):
            raise DataError(
                f'{path}, line {number}: expected a state (0, 1, 2), '
                f'x,y,w,h, or the corners of a polygon: {line[:80]!r}'
            )
        if not np.isfinite(region).all():
            raise DataError(f'{path}, line {number}: not a finite region: {line[:80]!r}')
        regions.append(region)
    return regions
