"""Decodes whatever FFmpeg decodes."""

import gc
import os
import struct
from collections.abc import Iterator
from typing import Any

import av
import cv2
import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames.containers import ConnectionLost, explain, is_connection_error
from sstrack_mm.frames.images import MAX_PIXELS, to_8_bits
from sstrack_mm.frames.source import FrameReader, Reading
from sstrack_mm.frames.timeline import JoinedTimes, Timeline

_MICROSECONDS = 1_000_000

# A forked process has its parent's decoders, but not their threads, for whose end it
# would wait for ever if it freed one: what was garbage at the fork stays garbage.
os.register_at_fork(after_in_child=gc.freeze)


class VideoFrames(FrameReader):
    """The frames of a container that FFmpeg reads: a video file, a pipe, a stream.

    Frames are turned as the display matrix says (the way a phone was held), and scaled
    to the size of the first where the size changes. Their times are those of the stream.

    Args:
        name: For messages.
        container: Where the video is in; closed with the source.
        orient: Obey the display matrix; False for boxes that were drawn on raw pixels.
        value_range: What is black and what is white in 16-bit grey video.

    Raises:
        DataError: There is no video, no decoder for it, or no frame can be decoded.
    """

    def __init__(
        self,
        name: str,
        container: av.container.InputContainer,
        orient: bool = True,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(name)
        self._orient = orient
        self._value_range = value_range
        self._open(container)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else None
        self.num_frames = self._stream.frames or None
        self.duration_s = self._find_duration()
        self.has_audio = bool(container.streams.audio)
        self._look_ahead()

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._container.close()

    def _open(self, container: av.container.InputContainer) -> None:
        """Choose the video of a container, and set up its decoder."""
        self._container = container
        # A picture of the cover is a video to FFmpeg.
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            container.close()
            raise DataError(f'{self.name}: there is no video in it')
        if streams[0].codec_context is None:
            container.close()
            raise DataError(f'{self.name}: FFmpeg has no decoder for its video')
        self._stream = streams[0]
        self._stream.thread_type = 'AUTO'
        self._stream.codec_context.options = {'max_pixels': str(MAX_PIXELS)}
        self._timeline = Timeline(self._stream)
        self._joined = JoinedTimes()
        self._end_s = 0.0
        # Its packets lie anywhere, and a list of them says where.
        self._is_mp4 = 'mp4' in container.format.name

    def _find_duration(self) -> float | None:
        """What the file says of its length, in seconds."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        duration = self._container.duration
        return duration / _MICROSECONDS if duration else None

    def _read(self) -> Iterator[Reading]:
        for packet in self._demux():
            for frame in self._decode(packet):
                missing = self._timeline.add_frame(frame)
                if missing is None:
                    continue
                for pts in missing:
                    yield self._missing(pts)
                yield self._convert(frame)
        for pts in self._timeline.end():
            yield self._missing(pts)
        self._check_end()

    def _demux(self) -> Iterator[av.Packet]:
        """The packets of all streams, up to the end or to where it cannot be read."""
        try:
            yield from self._container.demux()
        except (av.FFmpegError, OSError) as error:
            if is_connection_error(error):
                raise ConnectionLost(explain(self.name, error)) from None
            self.report.cut = f'cannot be read to its end ({error.strerror})'

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        """The frames that a packet completes."""
        if packet.size and not self._is_mp4:
            self._timeline.add_bytes(packet)
        if packet.stream is self._stream:
            self._joined.correct(packet)
        if packet.pts is not None and packet.time_base:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self._end_s = max(self._end_s, float(end))
        if packet.stream is not self._stream:
            return []
        if packet.size:
            self._timeline.add_packet(packet)
        if packet.is_corrupt and self._is_mp4:  # It is the last, and cut off.
            return []
        try:
            return packet.decode()
        except av.FFmpegError:
            self._timeline.add_damage()
            return []

    def _time(self, pts: int | None) -> float:
        """Seconds from the start of the video."""
        if pts is None or not self._stream.time_base:
            return (self.report.read + self.report.missing) / (self.fps or 25)
        start = max(self._container.start_time or 0, 0) / _MICROSECONDS
        return float(pts * self._stream.time_base) - start

    def _missing(self, pts: int) -> Reading:
        time_s = self._time(pts)
        problem = f'first at {time_s:.3f} s'
        return Reading(time_s, None, problem)

    def _convert(self, frame: av.VideoFrame) -> Reading:
        """To RGB, upright, in the size of the first frame."""
        if frame.format.name.startswith('gray16'):
            grey = to_8_bits(frame.to_ndarray(), self._value_range, self.name)
            image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        else:
            image = frame.to_ndarray(format='rgb24')
        matrix: Any = frame.side_data.get('DISPLAYMATRIX') if self._orient else None
        if matrix is not None:
            image = _turn(image, bytes(matrix))
        image = self._scale_to_first(image)
        self.report.patched += frame.is_corrupt
        return Reading(self._time(frame.pts), np.ascontiguousarray(image))

    def _check_end(self) -> None:
        """Note it if the video is shorter than it says."""
        if self.report.cut or self._stopped.is_set():
            return
        expected, timeline = self._stream.frames, self._timeline
        lacking = expected - timeline.num_packets - timeline.num_lost
        if self._is_mp4:
            if lacking > 0:
                self.report.cut = (
                    f'is cut off: {lacking} of {expected} frames are missing at its end'
                )
            return
        start_s = max(self._container.start_time or 0, 0) / _MICROSECONDS
        end_s = self._end_s - start_s
        due_s = (self._container.duration or 0) / _MICROSECONDS
        if expected and self.fps:
            due_s = max(due_s, expected / self.fps)
        if lacking > 0 and timeline.has_hole:
            self.report.cut = (
                f'lacks {lacking} of {expected} frames where it is damaged; the numbers '
                'of the frames after that are too low'
            )
        elif due_s - end_s > 3 / (self.fps or 25):
            self.report.cut = f'is cut off: it ends after {end_s:.2f} of {due_s:.2f} s'


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether a stream is a picture that belongs to a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _turn(image: np.ndarray, matrix: bytes) -> np.ndarray:
    """Turn and mirror an image by a display matrix, of which quarter turns count."""
    a, b, _, c, d = struct.unpack('<5i', matrix[:20])
    if abs(b) > abs(a):
        image, (a, d) = cv2.transpose(image), (c, b)
    if a < 0:
        image = cv2.flip(image, 1)
    if d < 0:
        image = cv2.flip(image, 0)
    return image
