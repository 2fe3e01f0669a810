"""Track targets through a video into a folder: boxes, a video with them, other formats.

Reading, tracking and writing run side by side, so that the whole is as fast as the
slowest of the three; the memory used does not grow with the video's length.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sstrack_mm.apis.model import Tracker
from sstrack_mm.apis.multi_target import MultiTargetTracker
from sstrack_mm.disk import FULL_DISK, FullDiskError, printable
from sstrack_mm.errors import DataError
from sstrack_mm.formats import FORMATS, write_format
from sstrack_mm.frames import Frame, FrameSource, ReadAhead
from sstrack_mm.structures.target_box import LOST, TargetBox, VideoFacts, read_jsonl
from sstrack_mm.visualization.drawn_video import DEFAULT_FPS, DrawnVideo

BOXES, VIDEO = 'boxes.jsonl', 'track.mp4'

_DEPTH = 4  # frames that wait to be tracked


@dataclass
class TrackedVideo:
    """What became of a video.

    Attributes:
        num_frames: Frames that were gone through, with those that could not be decoded.
        files: What was written.
        problems: What a user should know, a line each.
        not_started: The boxes from which no target started, for their frames did not
            come.
        is_whole: Whether the end of the video was reached, and was there.
    """

    num_frames: int = 0
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    not_started: list[TargetBox] = field(default_factory=list)
    is_whole: bool = True


def track_file(
    model: Tracker,
    source: FrameSource,
    starts: Sequence[TargetBox],
    folder: str | os.PathLike[str],
    formats: Sequence[str] = (),
    on_frame: Callable[[Frame], None] | None = None,
    on_end: Callable[[TrackedVideo], None] | None = None,
) -> TrackedVideo:
    """Track targets through a video, and write what is found as it is found.

    ``boxes.jsonl`` has a line for each frame and target, see
    :class:`~sstrack_mm.structures.target_box.TargetBox`; ``track.mp4`` shows them, with
    the times and the sound of the source. Whatever ends it early, an interrupt or a full
    disk, all boxes so far are there and the video plays. Where a stream is lost or a box
    has no area in a later frame, the formats are written before the error is raised.

    Args:
        model: From :func:`init_model`.
        source: From :func:`~sstrack_mm.frames.open_frames`; it is closed.
        starts: Boxes from which targets start, or start again, each in its frame.
        folder: Where to write; made if need be.
        formats: Names of :data:`sstrack_mm.formats.FORMATS` to write as well.
        on_frame: Called with each frame that is done.
        on_end: Called when all is written, also where an error is raised after it.

    Returns:
        TrackedVideo: What became of it.

    Raises:
        DataError: There is no box, a box has no area inside its frame, a stream is lost,
            a file cannot be written, or the output would overwrite the source.
    """
    folder = Path(folder)
    result = TrackedVideo(files=[folder / BOXES, folder / VIDEO])
    sound_of = source.name if source.has_audio and Path(source.name).is_file() else None
    fps = source.fps or DEFAULT_FPS
    frames = source if isinstance(source, ReadAhead) else ReadAhead(source, _DEPTH)
    ended_by: DataError | None = None
    with frames:
        check_outputs(source.name, folder)
        targets = _Targets(model, starts)
        with (
            _BoxFile(folder / BOXES) as boxes,
            DrawnVideo(folder / VIDEO, source.size_wh, fps, sound_of) as video,
        ):
            try:
                for frame in frames:
                    found = targets.track(frame)
                    boxes.write(found)
                    video.write(frame, found)
                    result.num_frames = frame.index + 1
                    if on_frame is not None:
                        on_frame(frame)
            except DataError as error:
                if isinstance(error, FullDiskError) or not result.num_frames:
                    raise
                ended_by = error
        result.is_whole = not (ended_by or source.report.cut or source.was_stopped)
    facts = VideoFacts(
        printable(Path(source.name).name), source.size_wh, fps, result.num_frames
    )
    for name in formats:
        written = write_format(name, folder, read_jsonl(folder / BOXES), facts)
        result.files.append(written)
    result.problems = source.report.lines()
    result.not_started = targets.not_started()
    if on_end is not None:
        on_end(result)
    if ended_by is not None:
        raise ended_by
    return result


def check_outputs(
    source: str, folder: Path, formats: Sequence[str] = (), boxes: str | None = None
) -> None:
    """Make sure that the output does not overwrite what is read.

    Args:
        source: The video.
        folder: Where to write.
        formats: Names of :data:`sstrack_mm.formats.FORMATS` to write as well.
        boxes: The file of the boxes from which targets start.

    Raises:
        DataError: It would.
    """
    files = [VIDEO, BOXES, *(FORMATS[name][0] for name in formats)]
    for read, what in ((source, 'the video'), (boxes, 'the file of the boxes')):
        for path in (folder / file for file in files):
            if not (read and os.path.exists(read) and path.exists()):
                continue
            if os.path.samefile(read, path):
                raise DataError(f'{path}: this is {what} itself; choose another folder')


class _Targets:
    """Starts the targets in their frames, and tracks them."""

    def __init__(self, model: Tracker, starts: Sequence[TargetBox]) -> None:
        self._tracker = MultiTargetTracker(model)
        if not starts:
            raise DataError('there is no box to start a target from')
        self._starts = deque(sorted(starts, key=lambda box: box.frame))
        self._last: dict[str, TargetBox] = {}

    def track(self, frame: Frame) -> list[TargetBox]:
        """The targets in a frame; where it could not be decoded, guesses."""
        if frame.image is None:
            self._last = {
                name: TargetBox(
                    frame.index, frame.time_s, name, box.bbox_xywh, 0.0, state=LOST
                )
                for name, box in self._last.items()
            }
            return list(self._last.values())
        due: dict[str, TargetBox] = {}
        while self._starts and self._starts[0].frame <= frame.index:
            box = self._starts.popleft()
            due[box.target] = box
        for name in due.keys() & self._tracker.states.keys():
            self._tracker.stop(name)
        states = self._tracker.track(frame.image) if self._tracker.states else {}
        for name, box in due.items():
            try:
                states[name] = self._tracker.start(
                    name, frame.image, np.array(box.bbox_xywh)
                )
            except DataError as error:
                message = f'target {name} in frame {frame.index}: {error}'
                raise DataError(message) from None
        for key, state in states.items():
            name = str(key)
            x, y, w, h = (float(value) for value in state.bbox_xywh)
            self._last[name] = TargetBox(
                frame.index,
                round(frame.time_s, 6),
                name,
                (x, y, w, h),
                float(state.score),
                None if state.confidence is None else round(state.confidence, 6),
                state.status.name,
                name in due,
            )
        return list(self._last.values())

    def not_started(self) -> list[TargetBox]:
        """The boxes whose frames did not come."""
        return list(self._starts)


class _BoxFile:
    """Writes ``boxes.jsonl``, whole lines only, each at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, 'wb', buffering=0)

    def write(self, boxes: Iterable[TargetBox]) -> None:
        """Write the boxes of a frame.

        Raises:
            FullDiskError: There is no room.
        """
        lines = ''.join(f'{box.to_json()}\n' for box in boxes).encode()
        end = self._file.tell()
        try:
            while lines:
                lines = lines[self._file.write(lines) :]
        except OSError as error:
            self._file.truncate(end)
            if error.errno not in FULL_DISK:
                raise
            raise FullDiskError(
                f'{self._path}: the disk is full ({error.strerror}); the boxes so far '
                'are there'
            ) from None

    def __enter__(self) -> '_BoxFile':
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
