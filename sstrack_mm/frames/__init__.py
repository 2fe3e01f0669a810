"""Frames from wherever they come: images, videos, cameras, streams.

The ground floor of the package: it needs neither PyTorch nor OpenMMLab.
"""

import math
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames import containers
from sstrack_mm.frames.images import (
    IMAGE_SUFFIXES,
    FilePath,
    ImageFrames,
    decode_image,
    is_hidden,
    list_frames,
    natural_key,
    read_image,
)
from sstrack_mm.frames.read_ahead import ReadAhead
from sstrack_mm.frames.source import Frame, FrameSource, ReadReport
from sstrack_mm.frames.streams import LiveVideoFrames
from sstrack_mm.frames.video import VideoFrames

__all__ = [
    'IMAGE_SUFFIXES',
    'FilePath',
    'Frame',
    'FrameSource',
    'ReadAhead',
    'ReadReport',
    'Source',
    'decode_image',
    'is_hidden',
    'list_frames',
    'natural_key',
    'open_frames',
    'read_image',
]

Source = int | FilePath | Iterable[FilePath | np.ndarray]
"""What can be opened, see :func:`open_frames`."""

_LIVE_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'rtmps', 'rtp', 'udp', 'srt')


def open_frames(
    source: Source,
    *,
    live: bool | None = None,
    image_fps: float = 25,
    orient: bool = True,
    value_range: tuple[float, float] | None = None,
    timeout_s: float = 10,
    reconnects: int = 3,
    scale_images: bool = True,
) -> FrameSource:
    """Open a source of frames.

    A frame that cannot be decoded comes with ``image=None`` and keeps its place, so that
    the numbers of the others are right; ``report`` of the source counts them and says
    whether the end of the video is missing::

        with open_frames('video.mp4') as frames:
            for frame in frames:
                frame.index, frame.time_s, frame.image

    Args:
        source: A video file (or GIF), an image file or a folder of them (in natural
            order), a named pipe, the number of a camera or its device, the address of a
            stream (``rtsp://``, ``http://``, ...), or an iterable of image files or of
            (H, W, 3) uint8 RGB arrays.
        live: Always give the newest frame, and drop and count those that come too late.
            By default cameras and RTSP streams are live, and the others give every frame.
            A live stream is connected to again where it breaks off.
        image_fps: Frames a second of images, which tell no times.
        orient: Turn frames as EXIF or the display matrix say; False for boxes that were
            drawn on raw pixels.
        value_range: What becomes black and what white in 16-bit images or grey video.
        timeout_s: How long to wait for a camera, a pipe or an address.
        reconnects: How often in a row to connect to a live stream again.
        scale_images: Scale images to the size of the first, as all frames of videos are;
            False for boxes that are in the pixels of each image.

    Returns:
        FrameSource: To be closed, or used as a context manager.

    Raises:
        DataError: It cannot be opened, or none of its frames can be decoded.
    """
    if not 0 < timeout_s < math.inf:
        raise DataError(f'a timeout is above 0 seconds, but got {timeout_s:g}')
    options: dict[str, Any] = dict(orient=orient, value_range=value_range)
    if not isinstance(source, (int, str, os.PathLike)):
        return ImageFrames('images', source, image_fps, scale=scale_images, **options)
    name = os.fspath(source) if isinstance(source, os.PathLike) else str(source)
    again: dict[str, Any] = dict(options, reconnects=reconnects)
    frames: FrameSource
    if containers.is_camera(name):
        connect = partial(containers.open_camera, name, timeout_s)
        frames = LiveVideoFrames(f'camera {name}', connect, **again)
    elif '://' in name:
        connect = partial(containers.open_address, name, timeout_s)
        shown = containers.hide_password(name)
        if live or (live is None and name.split('://')[0].lower() in _LIVE_SCHEMES):
            frames = LiveVideoFrames(shown, connect, **again)
        else:
            frames = VideoFrames(shown, connect(), **options)
    elif containers.is_pipe(name):
        frames = VideoFrames(name, containers.open_pipe(name, timeout_s), **options)
    elif live:
        raise DataError(f'{name}: a file waits; only cameras, pipes and streams are live')
    else:
        return _open_files(name, image_fps, scale_images, options)
    is_live = frames.is_live if live is None else live
    return ReadAhead(frames, depth=1, drop_late=True) if is_live else frames


def _open_files(
    name: str, image_fps: float, scale: bool, options: dict[str, Any]
) -> FrameSource:
    """Open a folder of images, an image or a video file."""
    if os.path.isdir(name):
        paths = [os.path.join(name, frame) for frame in list_frames(name)]
        return ImageFrames(name, paths, image_fps, scale=scale, **options)
    if not os.path.isfile(name):
        raise DataError(f'{name}: no such video file or folder of images')
    if name.lower().endswith(IMAGE_SUFFIXES):
        return ImageFrames(name, [name], image_fps, **options)
    return VideoFrames(name, containers.open_file(name), **options)
