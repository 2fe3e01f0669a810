"""Cameras and addresses: frames that come at their own pace, and may break off."""

import time
from collections.abc import Callable, Iterator

import av

from sstrack_mm.errors import DataError
from sstrack_mm.frames.containers import ConnectionLost
from sstrack_mm.frames.source import Reading
from sstrack_mm.frames.video import VideoFrames

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 4.0


class LiveVideoFrames(VideoFrames):
    """The frames of a live stream, which is connected to again where it breaks off.

    Their times count from the first frame, and go on by the clock after a break.

    Args:
        name: For messages.
        connect: Opens the stream, or raises DataError.
        reconnects: How often in a row to try again before giving up.
        orient: See :class:`VideoFrames`.
        value_range: See :class:`VideoFrames`.

    Raises:
        DataError: The stream cannot be opened, or no frame of it can be decoded.
    """

    is_live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], av.container.InputContainer],
        reconnects: int = 3,
        orient: bool = True,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self._connect = connect
        self._reconnects = reconnects
        super().__init__(name, connect(), orient, value_range)

    def _read(self) -> Iterator[Reading]:
        began, failures = None, 0
        while True:
            shift = None
            try:
                for reading in super()._read():
                    now = time.monotonic()
                    began = now if began is None else began
                    shift = now - began - reading.time_s if shift is None else shift
                    failures = 0
                    yield reading._replace(time_s=reading.time_s + shift)
                if self.duration_s:  # It has an end, and this is it.
                    return
                lost = DataError(f'{self.name}: the stream ended')
            except ConnectionLost as error:
                lost = error
            self.report.cut = ''
            failures = self._connect_again(failures, lost)
            if self._stopped.is_set():
                return

    def _connect_again(self, failures: int, lost: DataError) -> int:
        """Connect again, after a while that grows from time to time.

        Returns:
            int: How often that was tried since the last frame.

        Raises:
            ConnectionLost: It was tried often enough.
        """
        self._container.close()
        while failures < self._reconnects:
            wait_s = min(_FIRST_WAIT_S * 2**failures, _LONGEST_WAIT_S)
            failures += 1
            if self._stopped.wait(wait_s):
                return failures
            try:
                self._open(self._connect())
            except DataError as error:
                lost = error
            else:
                self.report.reconnects += 1
                return failures
        raise ConnectionLost(
            f'{lost} (given up after {failures} attempts to connect again)'
        )
