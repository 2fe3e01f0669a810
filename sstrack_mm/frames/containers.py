"""Opens files, devices, pipes and addresses with FFmpeg, and tells what went wrong."""

import os
import re
import select
import stat
import sys
from pathlib import Path
from typing import BinaryIO

import av
import av.logging

from sstrack_mm.errors import DataError

_CAMERAS = {'linux': ('v4l2', '/dev/video{}'), 'darwin': ('avfoundation', '{}')}
"""By platform, FFmpeg's name of the driver, and of the device by its number."""

_NETWORK_OPTIONS = {
    'rtsp_transport': 'tcp',
    # A file over HTTP goes on where the connection broke.
    'reconnect': '1',
    'reconnect_delay_max': '2',
}


_SECRET = re.compile(
    r'(?<=[?&])([^=&#]*(?:pass|pwd|token|key|secret|auth|sig)[^=&#]*)=[^&#]*', re.I
)
"""Of the query of an address: what is not shown."""

_NOT_IN_FILES = {'concat', 'dash', 'hls', 'imf', 'rtsp', 'sdp', 'tty'}
"""Formats that a stranger's file must not have: lists that lead to other files and to the
network; and any text is a video to ``tty``."""


def silence() -> None:
    """Keep FFmpeg's messages from Python's log, where torchvision 0.21 sends them.

    A decoder's thread would wait there for Python's lock, which whoever frees the decoder
    holds while waiting for the thread: a damaged video would stop the program for ever.
    """
    av.logging.set_level(None)


class ConnectionLost(DataError):
    """A stream broke off."""


def open_file(
    file: str | BinaryIO, name: str | None = None
) -> av.container.InputContainer:
    """Open a video file.

    Args:
        file: Its path, or the file itself, opened.
        name: For messages; default: the path.

    Raises:
        DataError: It is no video, or too much of it is missing.
    """
    formats = ','.join(sorted(av.formats_available - _NOT_IN_FILES))
    options = {'protocol_whitelist': 'file', 'format_whitelist': formats}
    name = name or str(file)
    if isinstance(file, str):  # What is before a colon would be a protocol.
        file = os.path.abspath(file)
    return _open(name, file, None, options=options)


def open_pipe(path: str, timeout_s: float) -> av.container.InputContainer:
    """Open a named pipe, through which another program sends a video.

    Raises:
        DataError: Nothing comes, or no video.
    """
    return _open(path, _Pipe(path, timeout_s), timeout_s)


def open_camera(device: str, timeout_s: float) -> av.container.InputContainer:
    """Open a camera.

    Args:
        device: Its number, or its file such as ``/dev/video0``.
        timeout_s: How long to wait for it.

    Raises:
        DataError: There is no such camera, or it is taken.
    """
    if sys.platform not in _CAMERAS:
        raise DataError(
            f'camera {device}: cameras are known on {", ".join(_CAMERAS)}, not on '
            f'{sys.platform}; give the address of a stream instead'
        )
    driver, name = _CAMERAS[sys.platform]
    if device.isdecimal():
        device = name.format(int(device))
    return _open(device, device, timeout_s, format=driver)


def open_address(url: str, timeout_s: float) -> av.container.InputContainer:
    """Open a stream or a file on the network.

    Raises:
        DataError: It cannot be reached, or it is no video.
    """
    return _open(hide_password(url), url, timeout_s, options=_NETWORK_OPTIONS)


def hide_password(url: str) -> str:
    """An address as it may be shown."""
    return _SECRET.sub(r'\1=***', re.sub(r'(?<=://)[^/?#]*@', '', url))


def is_pipe(path: str) -> bool:
    """Whether a path is a named pipe."""
    return os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera, or a device."""
    if source.isdecimal() and not os.path.exists(source):
        return True
    if os.path.exists(source):
        return stat.S_ISCHR(os.stat(source).st_mode)
    return source.startswith('/dev/video')


def is_connection_error(error: BaseException) -> bool:
    """Whether a stream broke off, rather than that its data are damaged."""
    if isinstance(error, (av.error.ExitError, av.error.HTTPError)):
        return True
    return isinstance(error, OSError) and not isinstance(error, av.error.InvalidDataError)


def explain(name: str, error: OSError | av.FFmpegError) -> str:
    """What went wrong with a source, in one line.

    Args:
        name: Of the source.
        error: What FFmpeg or the system said.
    """
    for kinds, text in (
        (av.error.HTTPNotFoundError, 'the server has nothing at this address (404)'),
        (
            (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
            'the server wants a name and a password (http://NAME:PASSWORD@...)',
        ),
        (av.error.HTTPError, f'the server refuses: {error.strerror}'),
        (ConnectionRefusedError, 'nothing answers there (connection refused)'),
        (
            (av.error.ExitError, TimeoutError),
            'no data came in time; is the sender running?',
        ),
        (FileNotFoundError, 'there is no such file, device or address'),
        (PermissionError, 'it may not be read (permission denied)'),
        (
            (av.error.InvalidDataError, av.error.ArgumentError),
            'cannot be decoded as a video (is it one, and complete?)',
        ),
    ):
        if isinstance(error, kinds):
            return f'{name}: {text}'
    return f'{name}: cannot be read ({error.strerror})'


def _open(
    name: str,
    file: object,
    timeout_s: float | None,
    format: str | None = None,
    options: dict[str, str] | None = None,
) -> av.container.InputContainer:
    """Open with FFmpeg, and say clearly what goes wrong."""
    silence()
    try:
        return av.open(
            file, 'r', format, options, timeout=timeout_s, metadata_errors='replace'
        )
    except (av.FFmpegError, OSError) as error:
        raise DataError(explain(name, error)) from None


class _Pipe:
    """A named pipe as a file that is read within a time or not at all."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self.name = Path(path).name
        self._timeout_s = timeout_s
        # Opened at once, whether or not somebody writes yet.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._file = os.fdopen(descriptor, 'rb', buffering=0)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if not self._poll.poll(1000 * self._timeout_s):
            raise TimeoutError(f'no data in {self._timeout_s:g} s')
        return self._file.read(size) or b''
