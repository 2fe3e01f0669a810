"""The thread that tracks the targets of one session."""

import threading
from typing import TYPE_CHECKING

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames.seek import SeekableFrames
from sstrack_mm.page.news import News, describe_box
from sstrack_mm.page.recording import Recording
from sstrack_mm.page.targets import Found, Segment, Target

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker
    from sstrack_mm.tracking import TrackState


class TrackingThread:
    """Tracks what is not tracked yet, frame after frame, and tells of it.

    Args:
        model: From :func:`sstrack_mm.apis.init_model`.
        model_lock: Held while the model runs, which several people share.
        news: Where boxes, pictures and the end are told.
    """

    def __init__(self, model: 'Tracker', model_lock: threading.Lock, news: News) -> None:
        self._model, self._model_lock, self._news = model, model_lock, news
        self._thread: threading.Thread | None = None
        self._halt = threading.Event()
        self._more = threading.Event()

    @property
    def running(self) -> bool:
        """Whether the targets are being tracked."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, video: SeekableFrames, targets: dict[int, Target]) -> None:
        """Begin, after an end.

        Args:
            video: What they are in.
            targets: By their number; changed by nobody else until :meth:`stop`.
        """
        self._halt.clear()
        self._thread = threading.Thread(
            target=self._run, args=(video, targets), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End after the frame at hand; what was found stays."""
        if self._thread is not None:
            self._halt.set()
            self._more.set()
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """More of a stream is there."""
        self._more.set()

    def _run(self, video: SeekableFrames, targets: dict[int, Target]) -> None:
        """Track until all is done, or until it is stopped."""
        self._news.tell({'type': 'running', 'running': True})
        problem, skipped = '', 0
        try:
            while not self._halt.is_set():
                self._more.clear()
                due = _due(targets, len(video.times_s))
                if due:
                    skipped += not self._track(video, due)
                elif isinstance(video, Recording) and video.growing:
                    self._more.wait(timeout=1)
                else:
                    break
        except (DataError, OSError, RuntimeError) as error:
            problem = f'{error}'
        except Exception as error:  # a bug: the page must not wait for ever
            problem = f'{type(error).__name__}: {error}'
            raise
        finally:
            self._tell_end(problem, skipped)

    def _tell_end(self, problem: str, skipped: int) -> None:
        if skipped and not problem:
            problem = f'{skipped} frames could not be decoded; their boxes are guesses'
        self._news.tell({'type': 'running', 'running': False, 'problem': problem})

    def _track(self, video: SeekableFrames, due: dict[int, Segment]) -> bool:
        """Take segments one frame on; False where that cannot be decoded."""
        frame = next(iter(due.values())).next_frame
        going = {n: s for n, s in due.items() if s.state is not None}
        starting = [s for s in due.values() if s.state is None]
        followed = {n: s for n, s in due.items() if s.start < frame}
        for segment in starting:
            if segment.start == frame:
                segment.found.clear()
        try:
            image = video.read(frame)
        except DataError:
            for segment in followed.values():  # the last box is a guess
                last = segment.found[-1] if segment.found else segment.box
                segment.found.append(Found(last.bbox_xywh, 0.0, 0.0, 'LOST'))
            for segment in starting:
                segment.skipped += 1
            self._tell_boxes(frame, followed)
            return False
        with self._model_lock:
            for segment in starting:
                segment.state = self._model.init_state(
                    image, np.array(segment.box.bbox_xywh)
                )
            states = self._model.track_batch(
                [image] * len(going), [segment.state for segment in going.values()]
            )
        for segment, state in zip(going.values(), states, strict=True):
            segment.state = state
        for segment in followed.values():
            segment.found.append(_found(segment.state))
        with self._news.lock:
            self._news.show(frame, image)
            self._tell_boxes(frame, followed)
        return True

    def _tell_boxes(self, frame: int, segments: dict[int, Segment]) -> None:
        rows = [describe_box(n, frame, s.found[-1]) for n, s in segments.items()]
        self._news.tell({'type': 'rows', 'rows': rows})


def _due(targets: dict[int, Target], num_frames: int) -> dict[int, Segment]:
    """By target, the segments that go on in the earliest frame that is to be done."""
    segments = {
        number: segment
        for number, target in targets.items()
        if (segment := target.due(num_frames)) is not None
    }
    first = min((s.next_frame for s in segments.values()), default=None)
    return {n: s for n, s in segments.items() if s.next_frame == first}


def _found(state: 'TrackState') -> Found:
    x, y, w, h = (float(value) for value in state.bbox_xywh)
    confidence = state.score if state.confidence is None else state.confidence
    return Found((x, y, w, h), state.score, confidence, state.status.name)
