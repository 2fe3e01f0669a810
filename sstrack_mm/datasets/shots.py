"""Which parts of a video can be learned from: shots that move and are not dark.

A file is looked at in samples. Keyframes are the first ones: decoding them alone is
cheap, and encoders like to begin a shot with one. Between two of them a file is decoded
only where something may have happened: their colours differ, the second one came before
its time, or the sizes of the compressed frames tell of a jump or of a standstill. Where
there are no sizes to go by, because each frame is a keyframe or an image, it is enough
that the two show other things in the same places.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from sstrack_mm.datasets.video_files import (
    THUMBNAIL_WIDTH,
    FrameTable,
    Sample,
    sample_span,
)
from sstrack_mm.errors import DataError
from sstrack_mm.frames import FilePath, read_image

FAULTS = ('damaged', 'black', 'still', 'short')
_DAMAGED, _BLACK, _STILL, _SHORT = range(1, 5)

_STILL_SECONDS = 0.5
_STILL_LEVELS = 6  # grey levels, in the cell of the picture that changes most
_BLANK_LEVELS = 12  # grey levels between the darkest and the brightest cell
_IMAGE_STEP = 15
_CELLS = (32, 18)
_HISTOGRAM_DISTANCE = 0.25  # of 1, between pictures that may be of two shots
_PLACE_DISTANCE = 12  # grey levels, mean of the cells, between such pictures


class Shots(NamedTuple):
    """What can be used of a video.

    Attributes:
        spans: (N, 2) int64, the first frame of each shot and the one after its last.
        left_out: How many frames are not used, by the names in ``FAULTS``.
    """

    spans: np.ndarray
    left_out: tuple[int, ...]


def find_shots(path: FilePath, table: FrameTable, min_frames: int) -> Shots:
    """Find the usable shots of a video file.

    Args:
        path: The file.
        table: Its frames.
        min_frames: Least length of a shot.
    """
    samples: list[Sample] = []
    cuts: set[tuple[int, int]] = set()
    end_pts = int(table.pts[-1]) + 1
    bounds = [sample.pts for sample in table.probes] + [end_pts]
    if not table.probes or table.probes[0].pts > table.pts[0]:
        samples.append(Sample(int(table.pts[0]), None))
    for place, probe in enumerate(table.probes):
        following = table.probes[place + 1] if place + 1 < len(table.probes) else None
        inside = [probe]
        if _may_change(table, probe, following, bounds[place + 1]):
            looked_at = list(sample_span(path, probe.pts, bounds[place + 1]))
            if looked_at and probe.thumbnail is not None:
                inside = []
            inside += [one for one in looked_at if one.pts < bounds[place + 1]]
            cuts.update(find_cuts(looked_at))
        samples += inside
    places = np.searchsorted(table.pts, [sample.pts for sample in samples]).tolist()
    step = max(1, round(_STILL_SECONDS / _frame_seconds(table)))
    frames = list(zip(places, (sample.thumbnail for sample in samples), strict=True))
    cut_places = [tuple(np.searchsorted(table.pts, cut).tolist()) for cut in sorted(cuts)]
    shots = judge(frames, cut_places, len(table.pts), step, min_frames)
    damaged, *others = shots.left_out
    return shots._replace(left_out=(damaged + table.num_lost, *others))


def judge_images(paths: Sequence[FilePath], min_frames: int) -> Shots:
    """As :func:`find_shots`, of the images of a folder, for 30 frames a second.

    Args:
        paths: The images.
        min_frames: Least length of a shot.
    """
    probes = [_sample_image(paths, i) for i in range(0, len(paths), _IMAGE_STEP)]
    samples: list[Sample] = []
    cuts: set[tuple[int, int]] = set()
    for place, probe in enumerate(probes):
        following = probes[place + 1] if place + 1 < len(probes) else None
        inside = [probe]
        if following is None or _differ_in_places(probe.thumbnail, following.thumbnail):
            stop = following.pts if following else len(paths)
            until = min(stop + 3, len(paths))
            looked_at = [_sample_image(paths, i) for i in range(probe.pts, until)]
            inside = looked_at[: stop - probe.pts]
            cuts.update(find_cuts(looked_at))
        samples += inside
    return judge(samples, sorted(cuts), len(paths), _IMAGE_STEP, min_frames)


def _sample_image(paths: Sequence[FilePath], place: int) -> Sample:
    """A :class:`Sample` of an image; its time is its place."""
    try:
        return Sample(place, to_thumbnail(read_image(paths[place])[..., ::-1]))
    except DataError:
        return Sample(place, None)


def _frame_seconds(table: FrameTable) -> float:
    """Time from frame to frame, the median."""
    if len(table.pts) < 2:
        return _STILL_SECONDS
    return max(float(np.median(np.diff(table.pts))) * table.seconds, 1e-3)


def _may_change(
    table: FrameTable, probe: Sample, following: Sample | None, stop_pts: int
) -> bool:
    """Whether the frames from a keyframe on have to be looked at."""
    start, stop = np.searchsorted(table.pts, [probe.pts, stop_pts])
    sizes = table.num_bytes[start + 1 : stop][~table.key[start + 1 : stop]]
    key_size = table.num_bytes[start]
    jumps = len(sizes) > 0 and sizes.max() > max(0.4 * key_size, 4 * np.median(sizes))
    if following is None:
        # No picture tells how it ends: a standstill shows in tiny frames.
        return bool(jumps or len(sizes) == 0 or np.mean(sizes < 0.01 * key_size) > 0.2)
    keys = np.append(np.flatnonzero(table.key), len(table.key))
    early = stop - start < np.diff(keys).max()
    differ = _differ if len(sizes) else _differ_in_places
    return bool(jumps or early or differ(probe.thumbnail, following.thumbnail))


def _differ(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    """Whether two thumbnails may be of two shots, going by their sizes and colours."""
    if first is None or second is None or first.shape != second.shape:
        return True
    histograms = [
        cv2.calcHist([image], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3).ravel()
        / image[..., 0].size
        for image in (first, second)
    ]
    distance = 0.5 * np.abs(histograms[0] - histograms[1]).sum()
    return bool(distance > _HISTOGRAM_DISTANCE)


def _differ_in_places(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    """As :func:`_differ`, and going by what is where in them."""
    if first is None or second is None or _differ(first, second):
        return True
    return bool(np.abs(_to_cells(first) - _to_cells(second)).mean() > _PLACE_DISTANCE)


def find_cuts(samples: Sequence[Sample]) -> Iterator[tuple[int, int]]:
    """Where one shot ends and the next one begins; a change of size is a cut.

    Args:
        samples: In order of time, close to each other.

    Yields:
        tuple[int, int]: Times of the last sample before, and of the first one after.
    """
    good = [
        (sample.thumbnail.shape, sample)
        for sample in samples
        if sample.thumbnail is not None
    ]
    runs = [[sample for _, sample in run] for _, run in groupby(good, lambda one: one[0])]
    for run in runs:
        yield from _find_cuts_of_one_size(run)
    for one, following in pairwise(runs):
        yield one[-1].pts, following[0].pts


def _find_cuts_of_one_size(good: Sequence[Sample]) -> Iterator[tuple[int, int]]:
    """As :func:`find_cuts`, of thumbnails of one shape."""
    detector = AdaptiveDetector(min_scene_len=1)
    cuts = []
    # It looks two samples back and ahead: they are mirrored at the ends for it.
    before, after = good[2:0:-1], good[-2:-4:-1]
    for number, sample in enumerate([*before, *good, *after]):
        cuts += detector.process_frame(FrameTimecode(number, 30.0), sample.thumbnail)
    for cut in cuts:
        place = cut.frame_num - len(before)
        if 0 < place < len(good):
            yield good[place - 1].pts, good[place].pts


def judge(
    frames: Sequence[tuple[int, np.ndarray | None]],
    cuts: Iterable[tuple[int, int]],
    num_frames: int,
    step: int,
    min_frames: int,
) -> Shots:
    """Cut a video into shots, and leave out what nothing can be learned from.

    Args:
        frames: Places of the frames that were looked at, ascending, with their
            thumbnails, None for those that are damaged.
        cuts: Places of the last frame before a cut, and of the first one after.
        num_frames: Length of the video.
        step: How many frames apart frames have to be for a standstill to count.
        min_frames: Least length of a shot.
    """
    faults = np.zeros(num_frames, np.uint8)
    shot = np.zeros(num_frames, np.int64)
    for last, first_after in cuts:
        faults[last + 1 : first_after] = _SHORT
        shot[first_after] += 1
    shot = np.cumsum(shot)
    cells = [(place, None if one is None else _to_cells(one)) for place, one in frames]
    for start, stop in _still_spans(cells, shot, step):
        faults[start:stop] = _STILL
    places = [-1, *(place for place, _ in cells), num_frames]
    for i, (_, picture) in enumerate(cells):
        # Of the frames between two samples nothing else is known.
        around = slice(places[i] + 1, places[i + 2])
        if picture is None:
            faults[around] = _DAMAGED
        elif np.ptp(picture) < _BLANK_LEVELS:
            faults[around] = _BLACK
    return _collect(faults, shot, min_frames)


def _still_spans(
    cells: Sequence[tuple[int, np.ndarray | None]], shot: np.ndarray, step: int
) -> Iterator[tuple[int, int]]:
    """Spans at whose two ends, ``step`` frames apart, the picture is the same.

    What is left at the end of a shot may be shorter.
    """
    anchor = None
    for i, (place, picture) in enumerate(cells):
        if picture is None or anchor is None or shot[place] != shot[anchor[0]]:
            anchor = None if picture is None else (place, picture)
            continue
        following = cells[i + 1] if i + 1 < len(cells) else (len(shot), None)
        is_last = (
            following[1] is None
            or np.ptp(following[1]) < _BLANK_LEVELS
            or shot[following[0]] != shot[place]
        )
        if place - anchor[0] >= step or is_last:
            if np.abs(picture - anchor[1]).max() < _STILL_LEVELS:
                yield anchor[0], following[0] if is_last else place
            anchor = (place, picture)


def to_thumbnail(image: np.ndarray) -> np.ndarray:
    """(h, 96, 3) uint8 of an (H, W, 3) image."""
    height = max(round(THUMBNAIL_WIDTH * image.shape[0] / image.shape[1]), 8)
    size = (THUMBNAIL_WIDTH, height)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _to_cells(thumbnail: np.ndarray) -> np.ndarray:
    """(18, 32) mean grey levels of the parts of a picture."""
    gray = cv2.cvtColor(thumbnail, cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, _CELLS, interpolation=cv2.INTER_AREA).astype(np.int16)


def _collect(faults: np.ndarray, shot: np.ndarray, min_frames: int) -> Shots:
    """The runs of good frames of one shot that are long enough."""
    label = np.where(faults == 0, shot, -1)
    starts = np.flatnonzero(np.diff(label, prepend=-2))
    spans = np.stack([starts, np.append(starts[1:], len(label))], axis=1)
    spans = spans[label[starts] >= 0]
    short = np.diff(spans, axis=1)[:, 0] < min_frames
    for start, stop in spans[short]:
        faults[start:stop] = _SHORT
    counts = np.bincount(faults, minlength=len(FAULTS) + 1)[1:]
    return Shots(spans[~short], tuple(counts.tolist()))
