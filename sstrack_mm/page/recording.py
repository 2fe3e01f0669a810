"""A stream, recorded as it comes, so that one can go back in it."""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames, read_image

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


class Recording:
    """The frames of a stream, each a JPEG file. It grows until the stream ends.

    It has what :class:`sstrack_mm.frames.seek.SeekableFrames` have.

    Args:
        source: Address of the stream, or the number of a camera.
        folder: Where the frames are kept; it has to be there.
        max_bytes: How many bytes of them; then the recording ends.
        on_frame: Called after each frame and at the end, by the thread that records.

    Attributes:
        growing: Whether more frames may come.
        notes: At the end, what people should know of it; a line each.
        fps: None: frames come as they come.
        sound_of: None: sound is not recorded.

    Raises:
        DataError: The stream cannot be opened, or no frame of it can be decoded or kept.
    """

    fps: float | None = None
    sound_of: str | None = None

    def __init__(
        self, source: str, folder: Path, max_bytes: int, on_frame: Callable[[], None]
    ) -> None:
        self._frames = open_frames(source)
        self.name = self._frames.name
        self.size_wh = self._frames.size_wh
        self.times_s: list[float] = []
        self.growing = True
        self.notes: list[str] = []
        self._folder, self._on_frame, self._left = folder, on_frame, max_bytes
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()
        self._begun.wait()
        if not self.times_s:
            raise DataError(f'{self.name}: nothing is recorded; {" ".join(self.notes)}')

    def _record(self) -> None:
        """Keep frame after frame, in the thread."""
        try:
            with self._frames:
                for frame in self._frames:
                    if frame.image is not None:
                        self._keep(frame.image)
                    self.times_s.append(frame.time_s)
                    self._begun.set()
                    self._on_frame()
                    if self._left <= 0:
                        self.notes.append('The recording is full, so it ended.')
                        break
        except DataError as error:
            self.notes.append(f'{error}')
        except OSError as error:  # The person does not know the path.
            self.notes.append(f'The recording ended: {error.strerror or error}')
        except Exception as error:  # a bug: nobody must wait for ever
            self.notes.append(f'The recording ended: {type(error).__name__}: {error}')
            raise
        finally:
            self.notes += self._frames.report.lines()
            self.growing = False
            self._begun.set()
            self._on_frame()

    def _keep(self, image_rgb: np.ndarray) -> None:
        """Write a frame."""
        bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
        data = cv2.imencode('.jpg', bgr, _QUALITY)[1]
        self._path(len(self.times_s)).write_bytes(data.tobytes())
        self._left -= data.size

    def _path(self, index: int) -> Path:
        return self._folder / f'{index}.jpg'

    def read(self, index: int) -> np.ndarray:
        """See :meth:`sstrack_mm.frames.seek.SeekableFrames.read`."""
        return read_image(self._path(index))

    def close(self) -> None:
        """End the recording."""
        self._frames.stop()
        self._thread.join()
