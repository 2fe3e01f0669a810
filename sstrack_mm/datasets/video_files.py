"""Video files: the table of their frames, and single frames of them by seeking."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, pairwise
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame as DecodedFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from sstrack_mm.datasets.shards.store import Member
from sstrack_mm.disk import printable
from sstrack_mm.errors import DataError
from sstrack_mm.frames import FilePath
from sstrack_mm.frames.containers import explain, open_file

THUMBNAIL_WIDTH = 96
_PROBE_SECONDS = 0.5  # keyframes that follow sooner are not looked at
_EARLIER_SECONDS = 2  # more than a frame is decoded before it is shown


class VideoFrame(NamedTuple):
    """Where one frame of a video file is, and how large it is wanted.

    Attributes:
        path: The file, on a disk or in a shard.
        index: Its place in the file, in the order of display, from 0.
        pts: Its time, in the stream's own unit.
        key_pts: The time of the keyframe that decoding it starts at.
        image_wh: Width and height to deliver, upright, in pixels.
        scale: These over the file's own.
    """

    path: str | Member
    index: int  # type: ignore[assignment]
    pts: int
    key_pts: int
    image_wh: tuple[int, int]
    scale: float = 1.0

    def __str__(self) -> str:
        return f'{_name_of(self.path)}, frame {self.index}'


class Sample(NamedTuple):
    """One frame that was looked at while indexing.

    Attributes:
        pts: Its time, in the stream's own unit.
        thumbnail: (h, 96, 3) uint8 BGR; None where the frame is damaged.
    """

    pts: int
    thumbnail: np.ndarray | None


class FrameTable(NamedTuple):
    """What one pass over the packets of a file tells, in the order of display.

    Attributes:
        pts: (N,) int64 times, in the stream's own unit.
        key: (N,) bool, whether decoding may start at the frame.
        num_bytes: (N,) int64 sizes of the compressed frames.
        seconds: Length of the stream's unit of time.
        image_wh: Width and height of the frames, upright, in pixels.
        probes: Keyframes, at least half a second apart.
        num_lost: How many more frames the file says it holds than can be found.
    """

    pts: np.ndarray
    key: np.ndarray
    num_bytes: np.ndarray
    seconds: float
    image_wh: tuple[int, int]
    probes: list[Sample]
    num_lost: int


def _name_of(path: FilePath | Member) -> str:
    return str(path) if isinstance(path, Member) else printable(path)


@contextmanager
def open_video(path: FilePath | Member) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and its first video stream, to be decoded by one thread.

    Raises:
        DataError: It is missing, no video, or breaks off while it is read.
    """
    name = _name_of(path)
    try:
        with (
            (
                path.open() if isinstance(path, Member) else nullcontext(os.fspath(path))
            ) as file,
            open_file(file, name) as container,
        ):
            # A cover picture in an audio file is a video stream, too.
            streams = [
                stream
                for stream in container.streams.video
                if not stream.disposition & av.stream.Disposition.attached_pic
            ]
            if not streams:
                raise DataError(f'{name}: there is no video in this file')
            if streams[0].codec_context is None:
                raise DataError(f'{name}: FFmpeg has no decoder for its video')
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except av.FFmpegError as error:
        raise DataError(explain(name, error)) from None


def read_table(path: FilePath) -> FrameTable:
    """Read the packets of a video file, and decode some of its keyframes.

    Raises:
        DataError: As :func:`open_video`, or there is no frame, or none has a time.
    """
    rows, probes, num_untimed = [], [], 0
    with open_video(path) as (container, stream):
        context, reformatter = stream.codec_context, VideoReformatter()
        seconds = float(stream.time_base or 0)
        next_probe = -np.inf
        for packet in container.demux(stream):
            num_untimed += packet.pts is None and packet.size > 0
            if packet.pts is None or packet.is_discard or not packet.size:
                continue
            rows.append((packet.pts, packet.is_keyframe, packet.size))
            if packet.is_keyframe and packet.pts >= next_probe:
                next_probe = packet.pts + _PROBE_SECONDS / seconds
                thumbnail = _decode_keyframe(context, packet, reformatter)
                probes.append(Sample(packet.pts, thumbnail))
        if num_untimed and not rows:
            raise DataError(
                f'{printable(path)}: its frames have no times; put it into a container: '
                'ffmpeg -i A -c copy A.mp4'
            )
        if _is_timed_by_storage(container, stream, rows):
            raise DataError(
                f'{printable(path)}: AVI does not say in which order its frames are '
                'shown; convert it: ffmpeg -i A.avi A.mp4'
            )
        image_wh = _upright_size(path, container, stream)
        num_announced = stream.frames
    if not rows:
        raise DataError(f'{printable(path)}: there is no frame in this video')
    pts, key, num_bytes = (np.array(column) for column in zip(*rows, strict=True))
    _, order = np.unique(pts, return_index=True)
    probes = sorted(probes, key=lambda sample: sample.pts)
    return FrameTable(
        pts[order],
        key[order],
        num_bytes[order],
        seconds,
        image_wh,
        probes,
        num_lost=max(num_announced - len(order), 0),
    )


def _is_timed_by_storage(
    container: InputContainer, stream: VideoStream, rows: list[tuple[int, bool, int]]
) -> bool:
    """Whether the times are those of storage though frames are shown in another order.

    So it is with H.264 in AVI; of MPEG-4 FFmpeg finds out.
    """
    return (
        container.format.name == 'avi'
        and stream.codec_context.has_b_frames
        and all(before[0] < after[0] for before, after in pairwise(rows))
    )


def _decode_keyframe(
    context: av.VideoCodecContext, packet: av.Packet, reformatter: VideoReformatter
) -> np.ndarray | None:
    """Decode a keyframe by itself to a thumbnail; None if it is damaged."""
    try:
        frames = [*context.decode(packet), *context.decode(None)]
        context.flush_buffers()
        return _thumbnail(frames[0], reformatter) if frames else None
    except av.FFmpegError:
        return None


def _upright_size(
    path: FilePath, container: InputContainer, stream: VideoStream
) -> tuple[int, int]:
    """Width and height of the first frame that can be decoded, as it is shown."""
    container.seek(0)
    for frame in _decode(stream, container.demux(stream)):
        size = (frame.width, frame.height)
        return size if frame.rotation % 180 == 0 else size[::-1]
    raise DataError(f'{printable(path)}: no frame of this video can be decoded')


def _decode(stream: VideoStream, packets: Iterable[av.Packet]) -> Iterator[DecodedFrame]:
    """Decode packets, over those that are damaged."""
    for packet in packets:
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.InvalidDataError:
            continue


def _thumbnail(frame: DecodedFrame, reformatter: VideoReformatter) -> np.ndarray | None:
    """A frame as (h, 96, 3) uint8 BGR; None if it is damaged.

    Setting up the scaling costs more than the scaling: a file has one reformatter.
    """
    if frame.is_corrupt:
        return None
    height = max(round(THUMBNAIL_WIDTH * frame.height / frame.width), 8)
    return reformatter.reformat(
        frame, THUMBNAIL_WIDTH, height, 'bgr24', interpolation='AREA'
    ).to_ndarray()


def sample_span(path: FilePath, start_pts: int, stop_pts: int) -> Iterator[Sample]:
    """Decode the frames from a keyframe on, but those that no other frame needs.

    Args:
        path: The file.
        start_pts: Time of the keyframe.
        stop_pts: Time of the keyframe to go to. Two samples after it follow: what comes
            after a cut tells it from motion.
    """
    num_after, reformatter = 0, VideoReformatter()
    with open_video(path) as (container, stream):
        packets = _packets_from(container, stream, start_pts)
        stream.codec_context.skip_frame = 'NONREF'
        for frame in _decode(stream, packets):
            if frame.pts is not None and frame.pts >= start_pts:
                yield Sample(frame.pts, _thumbnail(frame, reformatter))
                num_after += frame.pts >= stop_pts
            if num_after == 3:
                return


def read_video_frames(frames: Iterable[VideoFrame]) -> dict[VideoFrame, np.ndarray]:
    """Decode single frames, each file from the keyframes next to them.

    Args:
        frames: What is wanted, of any files.

    Returns:
        dict[VideoFrame, np.ndarray]: (H, W, 3) uint8 RGB, upright.

    Raises:
        DataError: A file is missing or broken, or has no such frame any more.
    """
    files: dict[str | Member, list[VideoFrame]] = {}
    for frame in frames:
        files.setdefault(frame.path, []).append(frame)
    images: dict[VideoFrame, np.ndarray] = {}
    for path, wanted in files.items():
        with open_video(path) as (container, stream):
            images.update(
                _read_in_order(container, stream, sorted(set(wanted), key=_by_time))
            )
    return images


def _by_time(frame: VideoFrame) -> int:
    return frame.pts


def _read_in_order(
    container: InputContainer, stream: VideoStream, wanted: list[VideoFrame]
) -> Iterator[tuple[VideoFrame, np.ndarray]]:
    """Decode frames of one file, sorted by time; on from the last one where it pays."""
    decoded: Iterator[DecodedFrame] = iter(())
    position = -np.inf
    for frame in wanted:
        if frame.key_pts > position:
            packets = _packets_from(container, stream, frame.key_pts)
            decoded = _decode(stream, packets)
        found = next(
            (one for one in decoded if one.pts is not None and one.pts >= frame.pts), None
        )
        if found is None or found.pts != frame.pts:
            raise DataError(
                f'{frame}: it is not there any more, the file breaks off or has changed '
                'since it was indexed; start again to have it indexed anew'
            )
        if found.is_corrupt:
            raise DataError(f'{frame}: it is damaged')
        position = frame.pts
        yield frame, to_image(found, frame.image_wh)


def _packets_from(
    container: InputContainer, stream: VideoStream, key_pts: int
) -> Iterator[av.Packet]:
    """Packets from a keyframe on, or from before it.

    MPEG streams are sought by the time of decoding, and so behind the keyframe. Where
    it is not found from a bit earlier either, the file is read from its start.
    """
    earlier = round(_EARLIER_SECONDS / (stream.time_base or 1))
    for pts in (key_pts, key_pts - earlier):
        leading = []
        try:
            container.seek(pts, stream=stream)
            packets = container.demux(stream)
            for packet in packets:
                leading.append(packet)
                if packet.pts == key_pts and packet.is_keyframe:
                    return chain(leading, packets)
                if packet.dts is not None and packet.dts > key_pts:
                    break
        except av.FFmpegError:
            continue
    container.seek(0)
    return container.demux(stream)


def to_image(frame: DecodedFrame, image_wh: tuple[int, int]) -> np.ndarray:
    """A decoded frame as (H, W, 3) uint8 RGB, upright and of the size asked for."""
    quarters = round(frame.rotation / 90) % 4
    width, height = image_wh if quarters % 2 == 0 else image_wh[::-1]
    image = frame.to_ndarray(
        format='rgb24', width=width, height=height, interpolation='AREA'
    )
    return np.ascontiguousarray(np.rot90(image, quarters))
