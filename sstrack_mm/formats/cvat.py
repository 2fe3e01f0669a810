"""CVAT for video 1.1."""

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.formats.text import escape
from sstrack_mm.structures.target_box import (
    LOST,
    TRACKED,
    UNCERTAIN,
    TargetBox,
    VideoFacts,
    by_target,
)

_LABEL = 'target'
_NOT_IN_XML = re.compile(r'[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def write_cvat(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write a track for each target, under the label ``target``.

    CVAT interpolates between key frames: every box is one. Lost is ``outside``, uncertain
    is ``occluded``. Where the frames after a box have none, a track is outside until its
    next box; that key frame is marked as a ``gap``. In names, characters that XML does
    not allow are escaped.
    """
    root = ElementTree.Element('annotations')
    _add(root, 'version', '1.1')
    task = _add(_add(root, 'meta'), 'task')
    _add(task, 'name', escape(video.name, _NOT_IN_XML))
    _add(task, 'size', str(video.num_frames))
    _add(task, 'mode', 'interpolation')
    _add(task, 'start_frame', '0')
    _add(task, 'stop_frame', str(video.num_frames - 1))
    label = _add(_add(task, 'labels'), 'label')
    _add(label, 'name', _LABEL)
    _add(label, 'attributes')
    size = _add(task, 'original_size')
    _add(size, 'width', str(video.size_wh[0]))
    _add(size, 'height', str(video.size_wh[1]))
    for number, (name, target) in enumerate(by_target(boxes).items()):
        track = _add(root, 'track', id=str(number), label=_LABEL)
        track.set('name', escape(name, _NOT_IN_XML))
        track.set('source', 'manual' if target[0].by_person else 'auto')
        nexts = [box.frame for box in target[1:]] + [video.num_frames]
        for box, next_frame in zip(target, nexts, strict=True):
            _add_box(track, box, box.frame, outside=box.state == LOST)
            if box.state != LOST and box.frame + 1 < next_frame:
                gap = _add_box(track, box, box.frame + 1, outside=True)
                gap.set('gap', '1')  # CVAT leaves it alone.
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding='unicode')
    write_atomically(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')


def read_cvat(path: str | os.PathLike[str]) -> Iterator[TargetBox]:
    """Read the boxes of all tracks; those that are interpolated are left out.

    So are the gaps of :func:`write_cvat`. Of a track that was drawn in CVAT itself, every
    key frame is a person's.

    Raises:
        DataError: The file cannot be read, or is something else.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f'{path}: cannot be read as a CVAT file: {error}') from None
    if root.tag != 'annotations':
        raise DataError(f'{path}: no CVAT file, but <{root.tag}>')
    for track in root.iter('track'):
        drawn = track.get('source') == 'manual' and 'name' not in track.attrib
        name = track.get('name') or _number(path, track)
        for element in track.iter('box'):
            if element.get('keyframe') != '1' or element.get('gap') == '1':
                continue
            frame, corners = _read_box(path, element)
            x1, y1, x2, y2 = corners
            outside, occluded = (
                element.get(key) == '1' for key in ('outside', 'occluded')
            )
            yield TargetBox(
                frame,
                0.0,
                name,
                (x1, y1, x2 - x1, y2 - y1),
                state=LOST if outside else UNCERTAIN if occluded else TRACKED,
                by_person=drawn or element.get('by_person') == '1',
            )


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, **values: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, values)
    element.text = text
    return element


def _add_box(
    track: ElementTree.Element, box: TargetBox, frame: int, outside: bool
) -> ElementTree.Element:
    x, y, w, h = box.bbox_xywh
    corners = dict(xtl=x, ytl=y, xbr=x + w, ybr=y + h)
    element = _add(
        track,
        'box',
        frame=str(frame),
        keyframe='1',
        outside=str(int(outside)),
        occluded=str(int(box.state == UNCERTAIN)),
        **{name: f'{value:.4f}' for name, value in corners.items()},
        z_order='0',
    )
    if box.by_person and not outside:
        element.set('by_person', '1')  # CVAT leaves it alone.
    return element


def _number(path: str | os.PathLike[str], track: ElementTree.Element) -> str:
    """The name of a track that has none, counted from 1."""
    try:
        return str(int(track.get('id', '0')) + 1)
    except ValueError:
        raise DataError(
            f'{path}: the id of a track is no number: {track.attrib}'
        ) from None


def _read_box(
    path: str | os.PathLike[str], element: ElementTree.Element
) -> tuple[int, list[float]]:
    try:
        corners = [float(element.attrib[key]) for key in ('xtl', 'ytl', 'xbr', 'ybr')]
        frame = int(element.attrib['frame'])
    except (KeyError, ValueError) as error:
        raise DataError(f'{path}: a box lacks {error}: {element.attrib}') from None
    if frame < 0 or not all(map(math.isfinite, corners)):
        raise DataError(f'{path}: no box: {element.attrib}')
    return frame, corners
