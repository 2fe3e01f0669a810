"""One person's work: a video and its targets, and what the person does with them."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames.seek import SeekableFrames
from sstrack_mm.page.exports import write_export
from sstrack_mm.page.imports import read_segments
from sstrack_mm.page.news import Message, News, describe_target
from sstrack_mm.page.recording import Recording
from sstrack_mm.page.targets import MAX_NAME, Target, check_name, clip
from sstrack_mm.page.tracking_thread import TrackingThread
from sstrack_mm.structures.target_box import TargetBox

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker

MAX_TARGETS = 32
MAX_UNDO = 20


class Session:
    """One person's work.

    Everything that happens is told as messages, which :attr:`news` collects; a page that
    comes late gets the whole with :meth:`snapshot`. All methods may be called from any
    thread.

    Args:
        model: From :func:`sstrack_mm.apis.init_model`.
        folder: For the files of this work; removed by :meth:`close`.
        model_lock: Held while the model runs, which several people share.

    Attributes:
        folder: For the files of this work.
        exports: For those of them that are taken away.
        video: What is worked on.
        targets: By their number.
        news: What is to be told to the page.
    """

    def __init__(
        self, model: 'Tracker', folder: Path, model_lock: threading.Lock
    ) -> None:
        self.folder = folder
        self.exports = folder / 'exports'
        self.video: SeekableFrames | None = None
        self.targets: dict[int, Target] = {}
        self.news = News()
        self._video_folder = folder
        self._path: Path | None = None
        self._control = threading.RLock()  # of who starts and stops the tracking
        self._exporting = threading.Lock()  # one at a time
        self._tracking = TrackingThread(model, model_lock, self.news)
        self._undo: list[dict[int, Target]] = []
        self._next_target = 1
        self._told_frames = 0

    # The video -------------------------------------------------------------------------

    def new_folder(self) -> Path:
        """A folder for the files of a video that is to be opened."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextmanager
    def folder_to_open(self) -> Iterator[Path]:
        """As :meth:`new_folder`; removed if opening the video fails."""
        folder = self.new_folder()
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def open(self, video: SeekableFrames, folder: Path, path: Path | None = None) -> None:
        """Begin with a video, from scratch; the one before is removed.

        Args:
            video: The video.
            folder: Its files, from :meth:`new_folder`.
            path: Of the video, to be read anew beside the tracking; None where all may
                read ``video`` at once, as they do a recording.
        """
        with self._control:
            self.close_video()
            with self.news.lock:
                self.video, self._video_folder, self._path = video, folder, path
                self.news.tell(self._describe_video(resumed=False))

    def close_video(self) -> None:
        """Stop, and remove the video, its targets and what was exported of it."""
        with self._control:
            self.stop()
            with self.news.lock:
                video, self.video = self.video, None
                self.news.take_picture()
                self.targets, self._undo, self._next_target = {}, [], 1
            if video is not None:
                video.close()
                for folder in (self._video_folder, self.exports):
                    shutil.rmtree(folder, ignore_errors=True)

    def video_grew(self) -> None:
        """More of a stream is there."""
        self._tracking.wake()
        with self.news.lock:
            if not isinstance(self.video, Recording):
                return  # not opened yet, or closed already
            times = self.video.times_s[self._told_frames :]
            self._told_frames += len(times)
            self.news.tell(
                {
                    'type': 'length',
                    'times_s': [round(time, 4) for time in times],
                    'growing': self.video.growing,
                    'notes': [] if self.video.growing else self.video.notes,
                }
            )

    def read(self, frame: int) -> np.ndarray:
        """A frame, (H, W, 3) uint8 RGB.

        Raises:
            DataError: There is no such frame, or no video.
        """
        video = self._need_video()
        if not 0 <= frame < len(video.times_s):
            raise DataError(f'no frame {frame}; there are {len(video.times_s)}')
        return video.read(frame)

    def _need_video(self) -> SeekableFrames:
        if self.video is None:
            raise DataError('no video is open; choose one first')
        return self.video

    # What the person does --------------------------------------------------------------

    def set_box(self, target: int | None, frame: int, bbox_xywh: list[float]) -> int:
        """Start a target, or correct one: what came after the frame is tracked anew.

        Args:
            target: Its number; None for a new one.
            frame: Where the box was drawn.
            bbox_xywh: (4,) box in image pixels; what is outside the image is cut off.

        Returns:
            int: The target's number.

        Raises:
            DataError: There is no such frame or target, or nothing of the box is inside
                the image.
        """
        video = self._need_video()
        if not 0 <= frame < len(video.times_s):
            raise DataError(f'no frame {frame}; there are {len(video.times_s)}')
        inside_xywh = clip(bbox_xywh, video.size_wh)
        with self._paused():
            if target is not None:
                self._need_target(target)
            elif len(self.targets) >= MAX_TARGETS:
                raise DataError(f'there can be {MAX_TARGETS} targets at most')
            self._remember()
            if target is None:
                target = self._new_target(self._free_name())
            self.targets[target].set_box(frame, inside_xywh)
            self.news.tell(describe_target(target, self.targets[target]))
        return target

    def load_boxes(self, path: Path, name: str) -> dict[str, int]:
        """Take boxes from a file, all of them or none.

        They correct the targets that have their names, as boxes that are drawn do, and
        start others. What the file has tracked is taken as tracked here.

        Args:
            path: Of the file, see :func:`sstrack_mm.page.imports.read_segments`.
            name: What the person calls it.

        Returns:
            dict[str, int]: How many ``targets`` were taken, and ``boxes`` of a person's.

        Raises:
            DataError: There is no video, the file cannot be read, something of it cannot
                be in this video, or there would be too many targets.
        """
        video = self._need_video()
        read = read_segments(path, name, video)
        with self._paused():
            if self.video is not video:
                raise DataError(f'{name}: the video was closed; nothing is loaded')
            numbers = {target.name: n for n, target in self.targets.items()}
            total = len(numbers.keys() | read.keys())
            if total > MAX_TARGETS:
                raise DataError(
                    f'{name}: with its {len(read)} targets there would be {total}; there '
                    f'can be {MAX_TARGETS} at most'
                )
            self._remember()
            for target_name, segments in read.items():
                number = numbers.get(target_name) or self._new_target(target_name)
                for segment in segments:
                    self.targets[number].put(segment)
                self.news.tell(describe_target(number, self.targets[number]))
        return {'targets': len(read), 'boxes': sum(map(len, read.values()))}

    def _new_target(self, name: str) -> int:
        """A target without a box; its number."""
        number, self._next_target = self._next_target, self._next_target + 1
        self.targets[number] = Target(name)
        return number

    def _free_name(self) -> str:
        """A name for the next target that no other has."""
        taken = {target.name for target in self.targets.values()}
        names = (f'Target {number}' for number in count(self._next_target))
        return next(name for name in names if name not in taken)

    def remove_box(self, target: int, frame: int) -> None:
        """Take back a person's box; a target without any is gone.

        Raises:
            DataError: There is no such target, or no box of a person's in this frame.
        """
        with self._paused():
            try:
                self._need_target(target).place_of(frame)
            except KeyError as error:
                raise DataError(error.args[0]) from None
            self._remember()
            self.targets[target].remove_box(frame)
            if self.targets[target].segments:
                self.news.tell(describe_target(target, self.targets[target]))
            else:
                self._forget(target)

    def rename(self, target: int, name: str) -> None:
        """Give a target another name.

        Raises:
            DataError: There is no such target, or the name is taken or cannot be.
        """
        name = name.strip()[:MAX_NAME]
        with self.news.lock:
            changed = self._need_target(target)
            check_name(name)
            if any(t.name == name for t in self.targets.values() if t is not changed):
                raise DataError(f'there is another target of the name {name}')
            changed.name = name
            self.news.tell({'type': 'name', 'target': target, 'name': name})

    def delete(self, target: int) -> None:
        """Forget a target.

        Raises:
            DataError: There is no such target.
        """
        with self._paused():
            self._need_target(target)
            self._remember()
            self._forget(target)

    def _forget(self, target: int) -> None:
        del self.targets[target]
        self.news.tell({'type': 'deleted', 'target': target})

    def undo(self) -> None:
        """Take back the last change of a box or a target.

        Raises:
            DataError: There is nothing to take back.
        """
        with self._paused():
            if not self._undo:
                raise DataError('there is nothing to take back')
            before = self._undo.pop()
            for target in self.targets.keys() - before.keys():
                self.news.tell({'type': 'deleted', 'target': target})
            self.targets = before
            for target in before:
                self.news.tell(describe_target(target, self.targets[target]))

    def _need_target(self, target: int) -> Target:
        if target not in self.targets:
            raise DataError(f'no target {target}; there are {sorted(self.targets)}')
        return self.targets[target]

    def _remember(self) -> None:
        """Keep how things are, to be gone back to."""
        kept = {
            number: Target(target.name, list(target.segments))
            for number, target in self.targets.items()
        }
        self._undo = [*self._undo[1 - MAX_UNDO :], kept]

    # Tracking --------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the targets are being tracked."""
        return self._tracking.running

    def start(self) -> None:
        """Track what is not tracked yet, in a thread of its own.

        Raises:
            DataError: There is no video or no target.
        """
        video = self._need_video()
        if not self.targets:
            raise DataError('draw a box around a target first')
        with self._control:
            self._tracking.stop()
            self._tracking.start(video, self.targets)

    def stop(self) -> None:
        """Stop tracking after the frame at hand; what was found stays."""
        with self._control:
            self._tracking.stop()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """Hold the tracking while something is changed."""
        with self._control:
            was_running = self.running
            self._tracking.stop()
            try:
                with self.news.lock:
                    yield
            finally:
                if was_running and self.targets:
                    self.start()

    # Taking it away --------------------------------------------------------------------

    def export(
        self, format: str, is_wanted: Callable[[], bool] = lambda: True
    ) -> dict[str, Any]:
        """Write the boxes, or the video with them, into a file.

        Args:
            format: One of :data:`sstrack_mm.page.exports.EXPORTS`.
            is_wanted: Whether anybody waits for it still; asked before each frame.

        Returns:
            dict[str, Any]: ``file``, its name in :attr:`exports`, and ``problems``, what
            to say of it, a line each.

        Raises:
            DataError: There is no video or no such format, the disk is full, or the
                video was closed or nobody waits any more.
        """
        with self.news.lock:
            video, path = self._need_video(), self._path
            boxes = [
                TargetBox(frame, video.times_s[frame], target.name, *found)
                for target in self.targets.values()
                for frame, found in target
            ]
        with self._exporting:
            written = write_export(
                format,
                self.exports,
                boxes,
                video,
                lambda: self.video is video and is_wanted(),
                path,
            )
        return {'file': written.path.name, 'problems': written.problems}

    # News ------------------------------------------------------------------------------

    def snapshot(self) -> list[Message]:
        """All there is, for a page that comes anew; messages so far are dropped."""
        with self.news.lock:
            self.news.take()
            if self.video is None:
                return []
            targets = [describe_target(*item) for item in self.targets.items()]
            running = {'type': 'running', 'running': self.running}
            return [self._describe_video(resumed=True), *targets, running]

    def _describe_video(self, resumed: bool) -> Message:
        video = self._need_video()
        self._told_frames = len(video.times_s)
        return {
            'type': 'video',
            'resumed': resumed,
            'name': video.name,
            'width': video.size_wh[0],
            'height': video.size_wh[1],
            'times_s': [round(time, 4) for time in video.times_s[: self._told_frames]],
            'growing': isinstance(video, Recording) and video.growing,
        }

    def close(self) -> None:
        """End all work, and remove its files."""
        self.close_video()
        shutil.rmtree(self.folder, ignore_errors=True)
