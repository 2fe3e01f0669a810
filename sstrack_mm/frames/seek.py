"""Any frame of a video at any time."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

import av
import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames import containers
from sstrack_mm.frames.images import FilePath, list_frames, read_image
from sstrack_mm.frames.source import Frame, ReadReport, scale_to
from sstrack_mm.frames.timeline import JoinedTimes
from sstrack_mm.frames.video import VideoFrames

_IMAGES_FPS = 25.0

_CACHE_BYTES = 256 << 20
"""Of the frames of a video that are kept, unless one alone is larger."""


class SeekableFrames(Protocol):
    """A video whose frames are read in any order, from any thread.

    Attributes:
        name: For messages.
        size_wh: Width and height of the frames.
        times_s: When each frame is shown, in seconds; there are as many frames.
        fps: Frames a second on average; None if unknown.
        sound_of: The video file that has their sound; None if there is none.
    """

    name: str
    size_wh: tuple[int, int]
    times_s: list[float]
    fps: float | None
    sound_of: str | None

    def read(self, index: int) -> np.ndarray:
        """Decode a frame.

        Args:
            index: Of the frame, from 0.

        Returns:
            np.ndarray: (H, W, 3) uint8 RGB, to be left as it is.

        Raises:
            DataError: It cannot be decoded, or the video is closed.
        """

    def close(self) -> None:
        """Let go of the file."""


def open_seekable(path: FilePath, name: str | None = None) -> SeekableFrames:
    """Open a video file or a folder of images, to read its frames in any order.

    Args:
        path: A video file, or a folder of images (in natural order).
        name: For messages; default: the path.

    Returns:
        SeekableFrames: To be closed. The frames have the numbers and the times that
        :func:`sstrack_mm.frames.open_frames` gives them, unless a part of a damaged file
        is lost altogether.

    Raises:
        DataError: It cannot be opened, or its first frame cannot be decoded.
    """
    path = os.fspath(path)
    name = name or path
    if os.path.isdir(path):
        return SeekableImages(name, path)
    return SeekableVideo(name, path)


def read_all(video: SeekableFrames, report: ReadReport) -> Iterator[Frame]:
    """Read all frames in order.

    Args:
        video: Whose; what it grows by meanwhile is left out.
        report: Counts the frames, and those that cannot be decoded.

    Returns:
        Iterator[Frame]: Without an image where the frame cannot be decoded.
    """
    for index, time_s in enumerate(video.times_s[:]):
        try:
            image = video.read(index)
        except DataError:
            problem = f'first at {time_s:.3f} s'
            report.first_problem = report.first_problem or problem
            report.missing += 1
            yield Frame(index, time_s, None, problem)
        else:
            report.read += 1
            yield Frame(index, time_s, image)


class SeekableImages:
    """The images of a folder, 25 of them a second, in the size of the first.

    Args:
        name: For messages.
        folder: Where the images are.

    Raises:
        DataError: There are no images, or the first one cannot be read.
    """

    fps: float | None = _IMAGES_FPS
    sound_of: str | None = None

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self._paths = [os.path.join(folder, frame) for frame in list_frames(folder)]
        self.times_s = [index / _IMAGES_FPS for index in range(len(self._paths))]
        height, width = read_image(self._paths[0]).shape[:2]
        self.size_wh = width, height

    def read(self, index: int) -> np.ndarray:
        """See :meth:`SeekableFrames.read`."""
        return scale_to(read_image(self._paths[index]), self.size_wh)

    def close(self) -> None:
        """Nothing is open."""


class SeekableVideo(VideoFrames):
    """A video file that is decoded from the key frame before the frame that is wanted.

    Args:
        name: For messages.
        path: The file.
        cached: How many frames are kept at most, those that were asked for last; fewer
            where they are large.

    Raises:
        DataError: It is no video, or its first frame cannot be decoded.
    """

    def __init__(self, name: str, path: str, cached: int = 8) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._is_closed = False
        self._cached = cached
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._at = -1  # the frame that was decoded last
        super().__init__(name, containers.open_file(path, name))
        self._pts, self._keys = self._list_frames()
        self.num_frames = len(self._pts)
        self.times_s = [self._time(int(pts)) for pts in self._pts]
        self.sound_of = path if self.has_audio else None

    def _list_frames(self) -> tuple[np.ndarray, np.ndarray]:
        """The times of all frames and those of the key frames, in the stream's units."""
        times: set[int] = set()
        keys: list[int] = []
        joined = JoinedTimes()
        with (
            containers.open_file(self._path) as container,
            contextlib.suppress(av.FFmpegError, OSError),  # It ends where it is damaged.
        ):
            for packet in container.demux(container.streams[self._stream.index]):
                if packet.pts is None or packet.is_discard:
                    continue
                joined.correct(packet)
                if joined.has_jumped:
                    raise DataError(
                        f'{self.name}: its times jump back, as where videos were put '
                        'together; make them go on: ffmpeg -dts_delta_threshold 1 '
                        '-i VIDEO -c copy NEW.mp4'
                    )
                times.add(packet.pts)
                # Times of MPEG program streams are wrong after a jump.
                if packet.is_keyframe and (not keys or container.format.name != 'mpeg'):
                    keys.append(packet.pts)
        if not times:
            raise DataError(f'{self.name}: its frames have no times to find them by')
        return np.array(sorted(times)), np.array(sorted(keys) or [min(times)])

    def read(self, index: int) -> np.ndarray:
        """See :meth:`SeekableFrames.read`."""
        with self._lock:
            if self._is_closed:  # FFmpeg would read memory that is not there any more.
                raise DataError(f'{self.name}: the video is closed')
            if index not in self._cache:
                self._cache[index] = self._decode_to(index)
            self._cache.move_to_end(index)
            image = self._cache[index]
            if len(self._cache) > max(min(self._cached, _CACHE_BYTES // image.nbytes), 1):
                self._cache.popitem(last=False)
            return image

    def close(self) -> None:
        """See :meth:`SeekableFrames.close`."""
        with self._lock:
            self._is_closed = True
            super().close()

    def _decode_to(self, index: int) -> np.ndarray:
        """Decode up to a frame, from where the decoder is or from a key frame."""
        key = max(int(np.searchsorted(self._keys, self._pts[index], 'right')) - 1, 0)
        if not 0 <= self._at < index or self._keys[key] > self._pts[self._at]:
            self._seek(key)
        image, is_late = self._find(index)
        step = 1
        # Some containers are sought by guess, and the guess may be too late.
        while image is None and is_late and key:
            key, step = max(key - step, 0), 2 * step
            self._seek(key)
            image, is_late = self._find(index)
        if image is None:
            raise DataError(f'{self.name}: frame {index} cannot be decoded')
        return image

    def _find(self, index: int) -> tuple[np.ndarray | None, bool]:
        """Decode up to a frame; without it, say whether that began after the frame."""
        is_late = self._at < 0
        for frame in self._decoded:
            if frame.pts is None:
                continue
            self._at = int(np.searchsorted(self._pts, frame.pts))
            if self._at == index:
                return self._convert(frame).image, False
            if self._at > index:
                return None, is_late
            is_late = False
        self._at = -1
        return None, is_late

    def _seek(self, key: int) -> None:
        """Go to a key frame."""
        self._at = -1
        if key:
            self._container.seek(int(self._keys[key]), stream=self._stream)
        else:
            self._container.close()
            self._open(containers.open_file(self._path, self.name))
        self._decoded = self._decode_on()

    def _decode_on(self) -> Iterator[av.VideoFrame]:
        """The frames from here on; damaged packets are left out."""
        with contextlib.suppress(av.FFmpegError, OSError):  # It ends where it is damaged.
            for packet in self._container.demux(self._stream):
                with contextlib.suppress(av.FFmpegError):
                    yield from packet.decode()
