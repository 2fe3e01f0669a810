"""Formats that are lines of numbers."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.formats.text import escape
from sstrack_mm.structures.target_box import LOST, TargetBox, VideoFacts, by_target

_HEADER = 'frame time_s target x y w h score confidence state by_person'.split()
_COLUMNS = 'frame target x y w h'.split()
_MOT_COLUMNS = [*_COLUMNS, 'score']  # and two or three more, which are not read
_NOT_IN_A_LINE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029]')


def write_csv(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write a table with a header, frames counted from 0."""
    lines = [_csv_line(_HEADER)]
    for box in boxes:
        confidence = '' if box.confidence is None else box.confidence
        judged = box.score, confidence, box.state, int(box.by_person)
        values = box.frame, box.time_s, box.target, *box.bbox_xywh, *judged
        lines.append(_csv_line(values))
    write_atomically(path, ''.join(lines))


def _csv_line(values: Iterable[Any]) -> str:
    """A line that ends in a line feed, whichever ends of lines are in its values."""
    text = io.StringIO()
    csv.writer(text).writerow(values)  # It quotes those that end a line itself.
    return text.getvalue().removesuffix('\r\n') + '\n'


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

    The class of a target is its number, from 0, and ``classes.txt`` names it, in one
    line: what would end the line is escaped. Boxes are clipped to the image; those
    without area in it and lost targets are left out. Files of frames that a longer video
    left in the folder are removed.
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
            if x1 == x2 or y1 == y2:
                continue
            values = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            text = ' '.join(f'{value:.6f}' for value in values)
            lines.setdefault(box.frame, []).append(f'{number} {text}\n')
    files = {f'{frame:06d}.txt': ''.join(texts) for frame, texts in lines.items()}
    path.mkdir(parents=True, exist_ok=True)
    for old in path.glob('*.txt'):
        if old.stem.isdecimal() and old.name not in files:
            old.unlink()
    for name, text in files.items():
        (path / name).write_text(text)
    names = ''.join(f'{escape(name, _NOT_IN_A_LINE)}\n' for name in targets)
    (path / 'classes.txt').write_text(names, encoding='utf-8')


def read_table(path: Path) -> list[TargetBox]:
    """Read lines of ``frame,target,x,y,w,h``, as a person gives them, or MOTChallenge's.

    A header is taken where there is one. Its columns ``score``, ``confidence``, ``state``
    and ``by_person`` (0 or 1) are read as :func:`write_csv` writes them; other columns
    are left alone. Boxes of which nothing says otherwise are a person's.

    Without a header, and with nine numbers or more in the first line, it is a file of
    MOTChallenge: frames count from 1, the seventh number is the score where it is in
    [0, 1], and no box is known to be a person's.

    Raises:
        DataError: The file cannot be read, or a line is something else.
    """
    columns, read, expected = _COLUMNS, _table_box, ','.join(_COLUMNS)
    boxes: list[TargetBox] = []
    for place, (number, row) in enumerate(_read_rows(path)):
        if place == 0 and row[0] == _COLUMNS[0]:
            columns = row
            continue
        if place == 0 and _is_mot(row):
            columns, read, expected = _MOT_COLUMNS, _mot_box, 'MOTChallenge'
        try:
            boxes.append(read(dict(zip(columns, row, strict=False))))
        except (KeyError, ValueError) as error:
            reason = f'no {error}' if isinstance(error, KeyError) else error
            raise DataError(
                f'{path}, line {number}: expected {expected}: {reason}'
            ) from None
    return boxes


def _read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    try:
        text = Path(path).read_bytes().decode('utf-8-sig')
        lines = csv.reader(io.StringIO(text, newline=''))
        for line in lines:
            row = [value.strip() for value in line]
            if any(row):
                yield lines.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: cannot be read: {error}') from None


def _is_mot(row: list[str]) -> bool:
    """Whether a line has as many numbers as MOTChallenge's have."""
    try:
        return len([float(value) for value in row]) >= len(_MOT_COLUMNS) + 2
    except ValueError:
        return False


def _mot_box(values: dict[str, str]) -> TargetBox:
    frame, score = int(values['frame']) - 1, float(values['score'])
    if frame < 0:
        raise ValueError(f'frames count from 1, this is {frame + 1}')
    return TargetBox.from_dict(
        dict(
            frame=frame,
            time_s=0.0,
            target=values['target'],
            bbox_xywh=[float(values[name]) for name in 'xywh'],
            score=score if 0 <= score <= 1 else 1.0,
        )
    )


def _table_box(values: dict[str, str]) -> TargetBox:
    by_person = values.get('by_person') or '1'
    if by_person not in ('0', '1'):
        raise ValueError(f'by_person is 0 or 1, not {by_person}')
    box: dict[str, Any] = dict(
        frame=int(values['frame']),
        time_s=0.0,
        target=values['target'],
        bbox_xywh=[float(values[name]) for name in 'xywh'],
        by_person=by_person == '1',
    )
    for name in ('score', 'confidence'):
        if values.get(name):
            box[name] = float(values[name])
    if values.get('state'):
        box['state'] = values['state']
    return TargetBox.from_dict(box)
