"""Writes video that browsers play, and that plays whatever stops the writing."""

import contextlib
import itertools
import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from sstrack_mm.disk import FULL_DISK, FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.frames import containers
from sstrack_mm.frames.timeline import JoinedTimes

_TICK = Fraction(1, 90_000)
_KEPT_SOUND = ('aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac', 'alac')
"""Codecs of sound that an mp4 file takes as they are; others become AAC."""

_MAX_RATE = 48_000
_QUALITY = {'crf': '20', 'bf': '0'}  # Without B-frames video starts with the sound.
_LARGE = 1920 * 1088
"""Pixels above which a faster preset is taken: a third of the time, 1.4 of the size."""

# In pieces while it is being written, in one when it is closed: with an index.
_PIECES = 'hybrid_fragmented+frag_keyframe+default_base_moof'


class VideoWriter:
    """Writes H.264 in an mp4 file.

    What was written up to a second ago can be played at any time, and all of it after
    :meth:`close`, which the end of a ``with`` block calls, whatever ended it.

    Args:
        path: The file; its folder is made if need be.
        size_wh: Of the frames; a side that is odd gets a pixel more.
        fps: Frames a second; where they differ, the times of the frames count.
        sound_of: A video file to take the sound from.

    Raises:
        DataError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size_wh: tuple[int, int],
        fps: float,
        sound_of: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.size_wh = size_wh
        self._newest = -1
        self._is_closed = False
        containers.silence()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # In a path that is not absolute, a colon would end a protocol.
            file, options = os.path.abspath(path), {'movflags': _PIECES}
            self._container = av.open(file, 'w', format='mp4', container_options=options)
        except (av.FFmpegError, OSError) as error:
            raise DataError(f'{path}: cannot be written: {error.strerror}') from None
        rate = Fraction(fps).limit_denominator(1001)
        preset = 'ultrafast' if math.prod(size_wh) > _LARGE else 'veryfast'
        options = {'preset': preset, **_QUALITY}
        self._stream = self._container.add_stream('libx264', rate=rate, options=options)
        self._stream.width, self._stream.height = (side + side % 2 for side in size_wh)
        self._stream.pix_fmt = 'yuv420p'
        self._stream.gop_size = max(1, round(fps))
        self._stream.codec_context.colorspace = Colorspace.ITU601
        self._stream.codec_context.color_range = ColorRange.MPEG
        self._stream.codec_context.time_base = _TICK
        self._sound = _Sound(self._container, sound_of) if sound_of else None

    def write(self, frame_rgb: np.ndarray, time_s: float) -> None:
        """Write a frame.

        Args:
            frame_rgb: (H, W, 3) uint8; scaled where it has another size than was said.
            time_s: When it is shown, in seconds; later than the frame before.

        Raises:
            FullDiskError: There is no room.
        """
        width, height = self.size_wh
        if frame_rgb.shape[:2] != (height, width):
            frame_rgb = cv2.resize(frame_rgb, self.size_wh, interpolation=cv2.INTER_AREA)
        if width % 2 or height % 2:
            border = (0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            frame_rgb = cv2.copyMakeBorder(frame_rgb, *border)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_rgb), 'rgb24')
        self._newest = max(self._newest + 1, round(time_s / _TICK))
        frame.pts, frame.time_base = self._newest, _TICK
        with self._full_disk_is_told():
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.write_until(time_s)

    def close(self) -> None:
        """Write what is still to be written, and the index.

        Raises:
            FullDiskError: There is no room; what is on the disk can be played.
        """
        if self._is_closed:
            return
        self._is_closed = True
        container = self._container
        try:
            with self._full_disk_is_told():
                container.mux(self._stream.encode())
                if self._sound is not None:
                    self._sound.finish(float((self._newest + 1) * _TICK))
                container.close()
        except FullDiskError:
            with contextlib.suppress(OSError):
                container.close()
            _cut_last_piece(self.path)
            raise
        finally:
            if self._sound is not None:
                self._sound.close()

    def __enter__(self) -> 'VideoWriter':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _full_disk_is_told(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            if error.errno in FULL_DISK:
                raise FullDiskError(
                    f'{self.path}: the disk is full ({error.strerror}); what is there '
                    'can be played'
                ) from None
            raise DataError(f'{self.path}: cannot be written: {error.strerror}') from None


def write_video(
    path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: float = 25
) -> None:
    """Write frames as a video, as they come.

    Args:
        path: An mp4 file; its folder is made if need be.
        frames: (H, W, 3) uint8 RGB; scaled to the size of the first.
        fps: Frames a second.

    Raises:
        DataError: There are no frames, or the file cannot be written.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise DataError(f'{path}: there are no frames to write')
    height, width = first.shape[:2]
    with VideoWriter(path, (width, height), fps) as writer:
        for index, frame in enumerate(itertools.chain([first], rest)):
            writer.write(frame, index / fps)


class _Sound:
    """Copies the sound of a video beside the frames of another."""

    def __init__(self, container: av.container.OutputContainer, path: str) -> None:
        self._container = container
        self._source = containers.open_file(path)
        stream = self._source.streams.audio[0]
        self._start_s = max(self._source.start_time or 0, 0) / 1_000_000
        self._is_kept = stream.codec_context.name in _KEPT_SOUND
        self._stream: av.AudioStream
        if self._is_kept:
            self._stream = container.add_stream_from_template(stream)
        else:
            self._stream = container.add_stream(
                'aac',
                rate=min(stream.rate, _MAX_RATE),
                layout='mono' if stream.channels == 1 else 'stereo',
            )
        self._packets = self._source.demux(stream)
        self._joined = JoinedTimes()
        self._next: tuple[float, av.Packet] | None = None
        self._encoded: int | None = None  # samples, with those before the sound starts

    def write_until(self, time_s: float) -> None:
        """Write the sound up to a time."""
        while (taken := self._take()) is not None and taken[0] <= time_s:
            self._next = None
            if self._is_kept:
                self._copy(taken[1])
            else:
                self._encode(taken[1])

    def finish(self, time_s: float) -> None:
        """Write the sound up to a time, and what the encoder still holds."""
        self.write_until(time_s)
        if not self._is_kept:
            self._container.mux(self._stream.encode())

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _take(self) -> tuple[float, av.Packet] | None:
        """The time of the next packet that has one, and the packet; None at the end."""
        while self._next is None:
            try:
                packet = next(self._packets, None)
            except (av.FFmpegError, OSError):  # It is damaged; the frames say so.
                return None
            if packet is None:
                return None
            self._joined.correct(packet)
            if packet.size and packet.pts is not None and packet.time_base is not None:
                time_s = float(packet.pts * packet.time_base) - self._start_s
                self._next = time_s, packet
        return self._next

    def _copy(self, packet: av.Packet) -> None:
        if packet.pts is not None and packet.time_base is not None:
            packet.pts -= round(self._start_s / packet.time_base)
            packet.dts = packet.pts  # Sound is shown in the order of its packets.
        packet.stream = self._stream
        self._container.mux(packet)

    def _encode(self, packet: av.Packet) -> None:
        with contextlib.suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    rate = frame.sample_rate
                    if self._encoded is None:
                        delay_s = max((frame.time or 0) - self._start_s, 0)
                        self._encoded = round(delay_s * rate)
                    frame.pts, frame.time_base = self._encoded, Fraction(1, rate)
                    self._encoded += frame.samples
                    self._container.mux(self._stream.encode(frame))


def _cut_last_piece(path: Path) -> None:
    """Cut off what is not whole at the end of an mp4 file in pieces."""
    with open(path, 'r+b') as file:
        size = file.seek(0, os.SEEK_END)
        start, whole = 0, 0
        while start + 16 <= size:
            file.seek(start)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], 'big'), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:], 'big')
            if length < 8 or start + length > size:
                break
            start += length
            if kind != b'moof':  # It is of no use without the data after it.
                whole = start
        file.truncate(whole)
