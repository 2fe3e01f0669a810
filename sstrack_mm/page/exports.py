"""What can be taken away: the boxes in every format, and the video with them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.formats import FORMATS, write_format
from sstrack_mm.frames.seek import SeekableFrames
from sstrack_mm.structures.target_box import TargetBox, VideoFacts, by_target
from sstrack_mm.visualization.draw import draw_boxes
from sstrack_mm.visualization.video_writer import VideoWriter

_FOLDERS = ('yolo',)  # formats of several files, which become a zip file
_NOWHERE = np.full(4, np.nan)

EXPORTS: dict[str, tuple[str, str]] = {
    'mp4': ('track.mp4', 'Video with boxes'),
    'jsonl': ('boxes.jsonl', 'Boxes, a line each'),
    **{
        name: (f'{file}.zip' if name in _FOLDERS else file, title[0].upper() + title[1:])
        for name, (file, title, _) in FORMATS.items()
    },
}
"""By format: the name of the file, and what it is."""


def write_export(
    format: str, folder: Path, boxes: list[TargetBox], video: SeekableFrames
) -> Path:
    """Write what a person takes away.

    Args:
        format: One of :data:`EXPORTS`.
        folder: Where to write.
        boxes: Of all targets.
        video: In which they are.

    Returns:
        Path: The file.

    Raises:
        DataError: There is no such format, or the file cannot be written.
    """
    if format not in EXPORTS:
        raise DataError(f'no format {format!r}; there are {", ".join(EXPORTS)}')
    path = folder / EXPORTS[format][0]
    if format == 'mp4':
        _write_mp4(path, boxes, video)
    elif format == 'jsonl':
        lines = (box.to_json() + '\n' for box in sorted(boxes, key=lambda b: b.frame))
        path.write_text(''.join(lines), encoding='utf-8')
    else:
        written = write_format(format, folder, boxes, _facts(video))
        if format in _FOLDERS:
            shutil.make_archive(str(written), 'zip', written)
    return path


def _facts(video: SeekableFrames) -> VideoFacts:
    """What formats say of the video."""
    count = len(video.times_s)
    seconds = video.times_s[-1] - video.times_s[0]
    fps = (count - 1) / seconds if seconds > 0 else 25.0
    return VideoFacts(Path(video.name).name, video.size_wh, fps, count)


def _write_mp4(path: Path, boxes: Iterable[TargetBox], video: SeekableFrames) -> None:
    """Write the video with the boxes; frames that cannot be decoded are left out."""
    places = {
        target: {box.frame: np.array(box.bbox_xywh) for box in found}
        for target, found in by_target(boxes).items()
    }
    facts = _facts(video)
    with VideoWriter(path, facts.size_wh, facts.fps) as writer:
        for frame in range(facts.num_frames):
            try:
                image = video.read(frame)
            except DataError:
                continue
            shown = {name: place.get(frame, _NOWHERE) for name, place in places.items()}
            drawn = draw_boxes(image, shown, scale=1, frame_id=frame + 1)
            writer.write(drawn, video.times_s[frame])
