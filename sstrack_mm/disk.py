"""Files that are whole or not there."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sstrack_mm.errors import DataError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no room for a file."""


def printable(path: str | bytes | os.PathLike) -> str:
    """A path as text that any log takes: bytes that are no UTF-8 become ``\\xNN``."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')


def cache_folder() -> Path:
    """What is of this package in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'sstrack_mm'


class FullDiskError(DataError):
    """A file could not be written because the disk is full."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is never seen in part, whatever happens.

    The content is on the disk, not only in a cache, when the function returns.

    Raises:
        FullDiskError: The disk is full.
    """
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write and read it; see :func:`write_atomically`.

    A device or a pipe (``/dev/stdout``) is written to, and not replaced.

    Raises:
        FullDiskError: The disk is full.
        IsADirectoryError: A folder is in the file's place.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    is_special = path.exists() and not path.is_file()
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_special:
            with open(path, 'wb') as file:
                yield file
            return
        with open(temporary, 'w+b') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise FullDiskError(
                f'{path}: the disk is full ({error.strerror}). Free '
                'some space and start the same command again: what is '
                'finished is kept'
            ) from None
        raise


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too (a folder is a file that lists names)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
