"""Formats of other tools, to write boxes in and to read them from."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sstrack_mm.errors import DataError
from sstrack_mm.formats.coco import write_coco
from sstrack_mm.formats.cvat import read_cvat, write_cvat
from sstrack_mm.formats.label_studio import read_label_studio, write_label_studio
from sstrack_mm.formats.tables import read_table, write_csv, write_mot, write_yolo
from sstrack_mm.formats.text import escape
from sstrack_mm.structures.target_box import (
    LOST,
    SURROGATES,
    TargetBox,
    VideoFacts,
    read_jsonl,
)

Writer = Callable[[Path, Iterable[TargetBox], VideoFacts], None]

FORMATS: dict[str, tuple[str, str, Writer]] = {
    'csv': ('boxes.csv', 'table with a header', write_csv),
    'mot': ('mot.txt', 'MOTChallenge', write_mot),
    'coco': ('coco.json', 'COCO for video', write_coco),
    'cvat': ('cvat.xml', 'CVAT for video 1.1', write_cvat),
    'label-studio': ('label_studio.json', 'Label Studio', write_label_studio),
    'yolo': ('yolo', 'YOLO, a file for each frame', write_yolo),
}
"""By name: the file or folder in the output folder, what it is, and what writes it."""


def write_format(
    name: str, folder: Path, boxes: Iterable[TargetBox], video: VideoFacts
) -> Path:
    """Write boxes in a format.

    Of names, what UTF-8 cannot hold is escaped (a file name need not be UTF-8).

    Args:
        name: One of :data:`FORMATS`.
        folder: Where to write.
        boxes: Of all targets, in any order.
        video: In which they are.

    Returns:
        Path: The file or folder.

    Raises:
        DataError: There is no such format.
    """
    if name not in FORMATS:
        raise DataError(f'no format {name!r}; there are {", ".join(FORMATS)}')
    file, _, write = FORMATS[name]
    boxes = (replace(box, target=escape(box.target, SURROGATES)) for box in boxes)
    video = video._replace(name=escape(video.name, SURROGATES))
    write(folder / file, boxes, video)
    return folder / file


def read_boxes(path: Path, size_wh: tuple[int, int]) -> list[TargetBox]:
    """Read all boxes of a file.

    Args:
        path: ``boxes.jsonl``, a CVAT (``.xml``) or a Label Studio file (``.json``); by
            any other name a table, see :func:`~sstrack_mm.formats.tables.read_table`.
        size_wh: Width and height of the video.

    Returns:
        list[TargetBox]: In the order of the frames.

    Raises:
        DataError: The file cannot be read, or holds no box.
    """
    boxes: Iterable[TargetBox]
    suffix = Path(path).suffix.lower()
    if suffix == '.jsonl':
        boxes = read_jsonl(path)
    elif suffix == '.xml':
        boxes = read_cvat(path)
    elif suffix == '.json':
        boxes = read_label_studio(path, size_wh)
    else:
        boxes = read_table(path)
    if not (found := sorted(boxes, key=lambda box: box.frame)):
        raise DataError(f'{path}: there is no box in it')
    return found


def read_starts(path: Path, size_wh: tuple[int, int]) -> list[TargetBox]:
    """Read boxes to start targets from.

    Args:
        path: Lines of ``frame,target,x,y,w,h`` with frames from 0, of which each box
            starts its target or starts it again; or another file of :func:`read_boxes`,
            of which the first box of each target and those that a person gave do so.
        size_wh: Width and height of the video.

    Returns:
        list[TargetBox]: In the order of the frames.

    Raises:
        DataError: The file cannot be read, or holds no box.
    """
    starts: list[TargetBox] = []
    started: set[str] = set()
    for box in read_boxes(path, size_wh):
        if box.state != LOST and (box.by_person or box.target not in started):
            started.add(box.target)
            starts.append(box)
    if not starts:
        raise DataError(f'{path}: there is no box in it')
    return starts
