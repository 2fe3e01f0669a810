"""Formats that are lines of numbers."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.structures.target_box import LOST, TargetBox, VideoFacts, by_target

_HEADER = 'frame time_s target x y w h score confidence state by_person'.split()


def write_csv(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write a table with a header, frames counted from 0."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(_HEADER)
    for box in boxes:
        confidence = '' if box.confidence is None else box.confidence
        judged = box.score, confidence, box.state, int(box.by_person)
        table.writerow([box.frame, box.time_s, box.target, *box.bbox_xywh, *judged])
    write_atomically(path, text.getvalue())


def write_mot(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write MOTChallenge's lines: frames and targets from 1, lost targets left out."""
    lines = []
    for number, target in enumerate(by_target(boxes).values(), start=1):
        for box in target:
            if box.state != LOST:
                values = ','.join(f'{value:.4f}' for value in (*box.bbox_xywh, box.score))
                lines.append((box.frame + 1, number, values))
    text = ''.join(
        f'{frame},{n},{values},-1,-1,-1\n' for frame, n, values in sorted(lines)
    )
    write_atomically(path, text)


def write_yolo(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write a file for each frame: ``class cx cy w h`` lines, in parts of the image.

    The class of a target is its number, from 0, and ``classes.txt`` names it. Boxes are
    clipped to the image; lost targets are left out.
    """
    targets = by_target(boxes)
    lines: dict[int, list[str]] = {frame: [] for frame in range(video.num_frames)}
    for number, target in enumerate(targets.values()):
        for box in target:
            if box.state == LOST:
                continue
            x, y, w, h = box.bbox_xywh
            width, height = video.size_wh
            x1, x2 = (min(max(v / width, 0), 1) for v in (x, x + w))
            y1, y2 = (min(max(v / height, 0), 1) for v in (y, y + h))
            values = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            text = ' '.join(f'{value:.6f}' for value in values)
            lines.setdefault(box.frame, []).append(f'{number} {text}\n')
    path.mkdir(parents=True, exist_ok=True)
    for frame, texts in lines.items():
        (path / f'{frame:06d}.txt').write_text(''.join(texts))
    (path / 'classes.txt').write_text(''.join(f'{name}\n' for name in targets))


def read_table(path: Path) -> list[TargetBox]:
    """Read lines of ``frame,target,x,y,w,h``, as a person gives them.

    A header is taken where there is one; further columns are left alone.

    Raises:
        DataError: The file cannot be read, or a line is something else.
    """
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'{path}: cannot be read: {error}') from None
    columns = ['frame', 'target', 'x', 'y', 'w', 'h']
    boxes = []
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        row = [value.strip() for value in row]
        if not any(row):
            continue
        if number == 1 and row[0] == 'frame':
            columns = row
            continue
        values = dict(zip(columns, row, strict=False))
        try:
            frame, target = int(values['frame']), values['target']
            bbox_xywh = [float(values[name]) for name in 'xywh']
            box = dict(frame=frame, time_s=0.0, target=target, bbox_xywh=bbox_xywh)
            boxes.append(TargetBox.from_dict({**box, 'by_person': True}))
        except (KeyError, ValueError) as error:
            reason = f'no {error}' if isinstance(error, KeyError) else error
            raise DataError(
                f'{path}, line {number}: expected frame,target,x,y,w,h: {reason}'
            ) from None
    return boxes
