"""What all sources of frames have in common."""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

import cv2
import numpy as np

from sstrack_mm.errors import DataError


class Reading(NamedTuple):
    """What a source gives for one frame, before it is numbered.

    Attributes:
        time_s: When the frame is shown, in seconds.
        image: (H, W, 3) uint8 RGB; None if it could not be decoded.
        problem: Why not.
    """

    time_s: float
    image: np.ndarray | None
    problem: str = ''


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a video.

    Attributes:
        index: Its place, counted from 0; frames that could not be decoded count too.
        time_s: When it is shown, in seconds from the start of the video.
        image: (H, W, 3) uint8 RGB; None if it could not be decoded.
        problem: Why not.
    """

    index: int
    time_s: float
    image: np.ndarray | None
    problem: str = ''


@dataclass
class ReadReport:
    """What became of the frames of a source so far.

    Attributes:
        read: Frames that were decoded.
        missing: Frames that could not be; they keep their place.
        patched: Decoded frames of which the decoder had to make up a part.
        scaled: Frames of another size than the first, which were scaled to it.
        dropped: Frames that came too late for live tracking.
        reconnects: How often the connection was lost and found again.
        cut: How the end of the video is missing; empty if it is not.
        first_problem: Why the first missing frame is missing.
    """

    read: int = 0
    missing: int = 0
    patched: int = 0
    scaled: int = 0
    dropped: int = 0
    reconnects: int = 0
    cut: str = ''
    first_problem: str = ''

    def lines(self) -> list[str]:
        """What a user should know, a line each; none if all went well."""
        told = {
            f'could not be decoded ({self.first_problem})': self.missing,
            'are damaged and were patched up by the decoder': self.patched,
            'have another size than the first and were scaled to it': self.scaled,
            'came too late and were dropped': self.dropped,
        }
        total = self.read + self.missing
        lines = [f'{n} of {total} frames {what}' for what, n in told.items() if n]
        if self.reconnects:
            lines.append(f'the connection was lost and found again {self.reconnects}x')
        return lines + [self.cut] * bool(self.cut)


class FrameSource(ABC):
    """An open source of frames, to be iterated over once, and closed.

    As a context manager it closes itself.

    Attributes:
        name: For messages.
        first_image: The first frame that can be decoded: (H, W, 3) uint8 RGB.
        size_wh: Its width and height.
        fps: Frames a second on average; None if unknown.
        num_frames: How many frames there should be; None if unknown.
        duration_s: How long the video should be, in seconds; None if unknown.
        has_audio: Whether there is sound.
        is_live: Whether frames come at their own pace, such as those of a camera.
        report: What became of the frames so far.
        was_stopped: Whether it was told to stop.
    """

    first_image: np.ndarray
    size_wh: tuple[int, int]
    fps: float | None = None
    num_frames: int | None = None
    duration_s: float | None = None
    has_audio: bool = False
    is_live: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.report = ReadReport()
        self.was_stopped = False
        self._stopped = threading.Event()

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames, until the end or until :meth:`stop`.

        Raises:
            DataError: A stream is lost or stands still.
        """

    def stop(self) -> None:
        """End the iteration after the frame that is being read; from any thread."""
        self.was_stopped = True
        self._stopped.set()

    def close(self) -> None:
        """Let go of the file or the device."""
        self._stopped.set()

    def __enter__(self) -> 'FrameSource':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def scale_to(image: np.ndarray, size_wh: tuple[int, ...]) -> np.ndarray:
    """An image, (H, W, 3) uint8, in the size of the others of its video."""
    if image.shape[1::-1] == size_wh:
        return image
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)


class FrameReader(FrameSource):
    """A source that reads its frames itself, and numbers them.

    The first frame that can be decoded is read when it is opened, so that what is known
    of a video is known before the first is asked for.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._shape: tuple[int, ...] | None = None
        self._ahead: deque[Frame] = deque()
        self._frames = self._number()

    @abstractmethod
    def _read(self) -> Iterator[Reading]:
        """Decode the frames, in the order in which they are shown."""

    def __iter__(self) -> Iterator[Frame]:
        while not self._stopped.is_set():
            frame = self._ahead.popleft() if self._ahead else next(self._frames, None)
            if frame is None:
                return
            yield frame

    def _number(self) -> Iterator[Frame]:
        """Give the frames their numbers, and count them."""
        for index, reading in enumerate(self._read()):
            if reading.image is None:
                self.report.first_problem = self.report.first_problem or reading.problem
                self.report.missing += 1
            else:
                self.report.read += 1
            yield Frame(index, *reading)

    def _scale_to_first(self, image: np.ndarray) -> np.ndarray:
        """An image in the size of the first, in whose pixels boxes are; counted."""
        if self._shape is None:
            self._shape = image.shape
        if image.shape == self._shape:
            return image
        self.report.scaled += 1
        return scale_to(image, self._shape[1::-1])

    def _look_ahead(self) -> None:
        """Read up to the first frame that can be decoded.

        Raises:
            DataError: There is none.
        """
        for frame in self._frames:
            self._ahead.append(frame)
            if frame.image is not None:
                self.first_image = frame.image
                height, width = frame.image.shape[:2]
                self.size_wh = width, height
                return
        self.close()
        if not self._ahead:
            raise DataError(f'{self.name}: the video has no frames')
        raise DataError(
            f'{self.name}: none of its {len(self._ahead)} frames can be decoded '
            f'({self.report.first_problem})'
        )
