"""The videos of the page: any of their frames can be read at any time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np

from sstrack_mm.errors import DataError

CONTAINERS = 'mov,matroska,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,yuv4mpegpipe'
"""FFmpeg's names of the formats that are read: none of them leads to other files."""


class Video(Protocol):
    """A video of which any frame can be read.

    Attributes:
        name: For people.
        size_wh: Width and height, in pixels.
        times_s: When each frame is shown; grows while a stream is recorded.
        growing: Whether more frames may come.
        problem: Why no more frames come, where that is one.
    """

    problem: str
    name: str
    size_wh: tuple[int, int]
    times_s: list[float]
    growing: bool

    def read(self, frame: int) -> np.ndarray:
        """Decode a frame, (H, W, 3) uint8 RGB; from one thread at a time."""

    def close(self) -> None:
        """Let go of the files."""


class VideoFile:
    """A video file, sought by its key frames.

    Args:
        path: The file.
        name: For people.
    """

    growing = False
    problem = ''

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        options = {'protocol_whitelist': 'file', 'format_whitelist': CONTAINERS}
        try:
            self._container = av.open(str(path), options=options)
            self._stream = self._container.streams.video[0]
            packets = self._container.demux(self._stream)
            shown = {p.pts: p.is_keyframe for p in packets if p.pts is not None}
        except (av.FFmpegError, IndexError) as error:
            raise DataError(
                f'{name}: not a video that can be decoded ({error})'
            ) from None
        if not shown:
            raise DataError(f'{name}: the video has no frames')
        self._stream.thread_type = 'AUTO'
        self._pts = np.array(sorted(shown))
        self._keys = np.array(sorted(pts for pts, is_key in shown.items() if is_key))
        self.times_s = (
            (self._pts - self._pts[0]) * float(self._stream.time_base)
        ).tolist()
        self._decoded = iter(())
        self._at = -1
        self.size_wh = self.read(0).shape[1::-1]

    def read(self, frame: int) -> np.ndarray:
        with self._lock:
            if frame not in self._cache:
                self._decode(frame)
            self._cache.move_to_end(frame)
            return self._cache[frame]

    def _decode(self, frame: int) -> None:
        pts = self._pts[frame]
        key = self._keys[max(0, np.searchsorted(self._keys, pts, 'right') - 1)]
        behind = self._at < 0 or not self._pts[self._at] < pts
        if behind or key > self._pts[self._at]:
            self._container.seek(int(key), stream=self._stream)
            self._decoded = self._container.decode(self._stream)
        for picture in self._decoded:
            if picture.pts is None:
                continue
            self._at = int(np.searchsorted(self._pts, picture.pts))
            if picture.pts >= pts:
                self._keep(frame, picture.to_ndarray(format='rgb24'))
                return
        raise DataError(f'{self.name}: frame {frame} cannot be decoded')

    def _keep(self, frame: int, image: np.ndarray) -> None:
        self._cache[frame] = image
        if len(self._cache) > 8:
            self._cache.popitem(last=False)

    def close(self) -> None:
        with self._lock:
            self._container.close()


class Recording:
    """A stream, recorded as it comes, so that one can go back in it.

    Args:
        url: Of the stream.
        folder: Where its frames are kept, which has to be there.
        max_bytes: How many bytes of them; then the recording ends.
        on_frame: Called after each frame, by the thread that records.
    """

    def __init__(
        self, url: str, folder: Path, max_bytes: int, on_frame: Callable[[], None]
    ) -> None:
        self.name = url
        self.times_s: list[float] = []
        self.growing = True
        self.problem = ''
        self._folder, self._on_frame, self._left = folder, on_frame, max_bytes
        try:
            self._container = av.open(url, timeout=10)
            self._frames = self._container.decode(video=0)
            self._record(next(self._frames))
        except (av.FFmpegError, IndexError, StopIteration) as error:
            raise DataError(f'{url}: cannot be opened as a stream ({error})') from None
        self.size_wh = self.read(0).shape[1::-1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for picture in self._frames:
                if not self.growing:
                    break
                if self._left <= 0:
                    self.problem = 'The recording is full.'
                    break
                self._record(picture)
                self._on_frame()
        except av.FFmpegError as error:
            self.problem = f'The stream ended: {error}'
        self.growing = False
        self._container.close()
        self._on_frame()

    def _record(self, picture: av.VideoFrame) -> None:
        bgr = picture.to_ndarray(format='bgr24')
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        (self._folder / f'{len(self.times_s)}.jpg').write_bytes(data)
        self._left -= len(data)
        self.times_s.append(picture.time or 0.0)

    def read(self, frame: int) -> np.ndarray:
        return cv2.cvtColor(
            cv2.imread(str(self._folder / f'{frame}.jpg')), cv2.COLOR_BGR2RGB
        )

    def close(self) -> None:
        self.growing = False
        self._thread.join(timeout=5)
