"""What can be taken away: the boxes in every format, and the video with them."""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sstrack_mm.errors import DataError
from sstrack_mm.formats import FORMATS, write_format
from sstrack_mm.frames import ReadReport
from sstrack_mm.frames.seek import SeekableFrames, read_all
from sstrack_mm.structures.target_box import TargetBox, VideoFacts, by_target
from sstrack_mm.visualization.drawn_video import DEFAULT_FPS, DrawnVideo

_FOLDERS = ('yolo',)  # formats of several files, which become a zip file

EXPORTS: dict[str, tuple[str, str]] = {
    'mp4': ('track.mp4', 'Video with boxes'),
    'jsonl': ('boxes.jsonl', 'Boxes, a line each'),
    **{
        name: (f'{file}.zip' if name in _FOLDERS else file, title[0].upper() + title[1:])
        for name, (file, title, _) in FORMATS.items()
    },
}
"""By format: the name of the file, and what it is."""


class Export(NamedTuple):
    """What became of what a person takes away.

    Attributes:
        path: The file.
        problems: What the person should know of it, a line each.
    """

    path: Path
    problems: list[str]


def write_export(
    format: str,
    folder: Path,
    boxes: list[TargetBox],
    video: SeekableFrames,
    is_open: Callable[[], bool],
) -> Export:
    """Write what a person takes away; the file is never seen in part.

    Args:
        format: One of :data:`EXPORTS`.
        folder: Where to write; made if need be.
        boxes: Of all targets.
        video: In which they are.
        is_open: Whether the video is open still; asked before each frame.

    Returns:
        Export: The file, and what to say of it.

    Raises:
        DataError: There is no such format, the file cannot be written, or the video was
            closed meanwhile.
    """
    if format not in EXPORTS:
        raise DataError(f'no format {format!r}; there are {", ".join(EXPORTS)}')
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as made_in:
        made = _write(format, Path(made_in), boxes, video, is_open)
        path = folder / made.path.name
        os.replace(made.path, path)
    return made._replace(path=path)


def _write(
    format: str,
    folder: Path,
    boxes: list[TargetBox],
    video: SeekableFrames,
    is_open: Callable[[], bool],
) -> Export:
    path = folder / EXPORTS[format][0]
    # As the command has them: by frame, and in it the target first that came first.
    targets = by_target(boxes).values()
    boxes = sorted(chain.from_iterable(targets), key=lambda box: box.frame)
    if format == 'mp4':
        return Export(path, _write_mp4(path, boxes, video, is_open))
    if format == 'jsonl':
        lines = (f'{box.to_json()}\n' for box in boxes)
        path.write_text(''.join(lines), encoding='utf-8')
    else:
        written = write_format(format, folder, boxes, _facts(video))
        if format in _FOLDERS:
            shutil.make_archive(str(written), 'zip', written)
    return Export(path, [])


def _facts(video: SeekableFrames) -> VideoFacts:
    """What formats say of the video."""
    count = len(video.times_s)
    seconds = video.times_s[-1] - video.times_s[0]
    fps = video.fps or ((count - 1) / seconds if seconds > 0 else DEFAULT_FPS)
    return VideoFacts(Path(video.name).name, video.size_wh, fps, count)


def _write_mp4(
    path: Path,
    boxes: list[TargetBox],
    video: SeekableFrames,
    is_open: Callable[[], bool],
) -> list[str]:
    """Write the video with the boxes; return what to say of its frames."""
    shown = defaultdict(list)
    for box in boxes:
        shown[box.frame].append(box)
    facts, report = _facts(video), ReadReport()
    with DrawnVideo(path, facts.size_wh, facts.fps, video.sound_of) as drawn:
        for frame in read_all(video, report):
            if not is_open():
                raise DataError(
                    f'{video.name}: the video was closed; nothing is exported'
                )
            drawn.write(frame, shown[frame.index])
    return report.lines()
