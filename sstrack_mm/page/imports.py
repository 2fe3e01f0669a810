"""What can be brought in: boxes of a file, to go on with or to correct."""

import threading
from pathlib import Path

from sstrack_mm.errors import DataError
from sstrack_mm.formats import read_boxes
from sstrack_mm.frames.seek import SeekableFrames
from sstrack_mm.page.targets import Found, Segment, check_name, clip
from sstrack_mm.structures.target_box import (
    LOST,
    TRACKED,
    UNCERTAIN,
    TargetBox,
    by_target,
)

_reading = threading.Lock()  # one file at a time, as a large one takes much memory

_CONFIDENCES = {TRACKED: 1.0, UNCERTAIN: 0.5, LOST: 0.0}


def read_segments(
    path: Path, name: str, video: SeekableFrames
) -> dict[str, list[Segment]]:
    """Read the boxes of a file, as if they were drawn and tracked here.

    The first box of each target, those that the file marks as a person's, and those after
    frames without a box are the person's; the boxes that follow one of them frame by
    frame are what was tracked from it.

    Args:
        path: See :func:`sstrack_mm.formats.read_boxes`.
        name: What the person calls it.
        video: In which the boxes are.

    Returns:
        dict[str, list[Segment]]: By target, in the order of their frames.

    Raises:
        DataError: The file cannot be read, or a box or a name of it cannot be.
    """
    with _reading:
        return _read_segments(path, name, video)


def _read_segments(
    path: Path, name: str, video: SeekableFrames
) -> dict[str, list[Segment]]:
    try:
        boxes = read_boxes(path, video.size_wh)
    except DataError as error:  # The person does not know the path.
        raise DataError(f'{error}'.replace(f'{path}', name)) from None
    num_frames = len(video.times_s)
    if (last := boxes[-1]).frame >= num_frames:
        raise DataError(
            f'{name}: target {last.target} has a box in frame {last.frame}, counted from '
            f'0; there are {num_frames}'
        )
    segments = {}
    try:
        for target, found in by_target(boxes).items():
            check_name(target)
            segments[target] = _segments(target, found, video)
    except DataError as error:
        raise DataError(f'{name}: {error}') from None
    found_any = {target: found for target, found in segments.items() if found}
    if not found_any:
        raise DataError(f'{name}: the targets are lost in all of its boxes')
    return found_any


def _segments(
    target: str, boxes: list[TargetBox], video: SeekableFrames
) -> list[Segment]:
    """The segments of one target; guesses that follow no box are left out."""
    if boxes[-1].state == LOST and boxes[-1].frame + 1 < len(video.times_s):
        boxes = boxes[:-1]  # It says only that the target ends before it.
    segments: list[Segment] = []
    before = end = -1
    for box in boxes:
        if box.frame == before:
            raise DataError(f'target {target} has two boxes in frame {box.frame}')
        before = box.frame
        found, follows = _found(box), box.frame == end
        if box.state != LOST:
            try:
                found = found._replace(bbox_xywh=clip(box.bbox_xywh, video.size_wh))
            except DataError as error:
                raise DataError(f'target {target}, frame {box.frame}: {error}') from None
            if box.by_person or not follows:
                drawn = Found(found.bbox_xywh, by_person=True)
                segments.append(Segment(box.frame, drawn))
                end = box.frame + 1
                continue
        if follows:
            segments[-1].found.append(found)
            end += 1
    return segments


def _found(box: TargetBox) -> Found:
    """A tracked box; how sure it is, where the file does not tell, goes by its state."""
    score, confidence = box.score, box.confidence
    if confidence is None:
        score = confidence = min(score, _CONFIDENCES[box.state])
    return Found(box.bbox_xywh, score, confidence, box.state)
