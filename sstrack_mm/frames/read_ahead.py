"""Reads frames in a thread of its own."""

import threading
from collections import deque
from collections.abc import Iterator

from sstrack_mm.frames.source import Frame, FrameSource

_PATIENCE_S = 30.0
_LOOK_S = 0.1  # How often what waits looks whether it is to stop.


class ReadAhead(FrameSource):
    """Reads a source while its frames are being used.

    Args:
        source: What to read; closed with this one, and not to be used any more.
        depth: How many frames to hold.
        drop_late: Where all places are taken, forget the oldest frame rather than wait:
            with a depth of 1, the next frame is always the newest. The first one stays
            until it is taken, since boxes are drawn in it. Frames that could not be
            decoded are not given then.
    """

    def __init__(
        self, source: FrameSource, depth: int = 4, drop_late: bool = False
    ) -> None:
        super().__init__(source.name)
        self._source = source
        self._drop_late = drop_late
        self._depth = depth
        self.first_image, self.size_wh = source.first_image, source.size_wh
        self.fps, self.num_frames = source.fps, source.num_frames
        self.duration_s, self.has_audio = source.duration_s, source.has_audio
        self.is_live = source.is_live or drop_late
        self.report = source.report
        self._queue: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._has_begun = self._done = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while not self._stopped.is_set():
            with self._changed:
                if not self._queue and not self._done:
                    self._changed.wait(_LOOK_S)
                    continue
                if not self._queue:
                    break
                frame = self._queue.popleft()
                self._has_begun = True
                self._changed.notify_all()
            yield frame
        if self._error is not None and not self._stopped.is_set():
            raise self._error

    def stop(self) -> None:
        """End the iteration at once; from any thread, and from a signal's handler."""
        super().stop()
        self._source.stop()

    def close(self) -> None:
        """Stop, and wait until the source is closed."""
        self.stop()
        self._thread.join(_PATIENCE_S)

    def _fill(self) -> None:
        """Read the source, in the thread."""
        try:
            with self._source:
                for frame in self._source:
                    self._put(frame)
        except Exception as error:  # noqa: BLE001  (raised where the frames are used)
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> None:
        """Hand a frame on."""
        with self._changed:
            if not self._drop_late:
                while len(self._queue) >= self._depth and not self._stopped.is_set():
                    self._changed.wait(_LOOK_S)
            elif frame.image is None:
                return
            elif len(self._queue) == self._depth + (not self._has_begun):
                del self._queue[not self._has_begun]
                self.report.dropped += 1
            self._queue.append(frame)
            self._changed.notify_all()
