"""What may be uploaded: videos, by their first bytes, and boxes, up to a size."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from sstrack_mm.disk import FULL_DISK, FullDiskError
from sstrack_mm.errors import DataError

SUFFIXES = frozenset(
    '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv '
    '.y4m'.split()
)

BOXES_SUFFIXES = frozenset('.csv .json .jsonl .txt .xml'.split())
MAX_BOXES_BYTES = 32 << 20
"""Of a file of boxes: it is read at once, a video is not."""

_MAGIC = (
    *((4, kind) for kind in (b'ftyp', b'moov', b'mdat', b'free', b'wide', b'skip')),
    (0, b'\x1aE\xdf\xa3'),  # Matroska, WebM
    (8, b'AVI '),
    (0, b'\x00\x00\x01\xba'),  # MPEG program stream
    (0, b'\x00\x00\x01\xb3'),  # MPEG video
    (0, b'OggS'),
    (0, b'FLV'),
    (0, b'0&\xb2u'),  # ASF, WMV
    (0, b'YUV4MPEG2'),
)
_SYNC = b'\x47'
"""Begins each packet of an MPEG transport stream."""


HEAD_BYTES = 256
"""Of a file that tell whether it is a video."""


class TooLargeError(DataError):
    """An upload is larger than allowed."""


def is_video(head: bytes) -> bool:
    """Whether a file is a video, by its first bytes."""
    if any(head.startswith(magic, at) for at, magic in _MAGIC):
        return True
    return any(
        head[at : at + 1] == head[at + size : at + size + 1] == _SYNC
        for at, size in ((0, 188), (4, 192))
    )


async def save(
    chunks: AsyncIterator[bytes], path: Path, name: str, max_bytes: int
) -> None:
    """Write a video as it comes; of one that fails nothing is left.

    Args:
        chunks: Its bytes.
        path: Where to.
        name: What the person calls it.
        max_bytes: How large it may be.

    Raises:
        TooLargeError: It is larger.
        FullDiskError: There is no room for it.
        DataError: It is no video, by its name or its first bytes.
    """
    _check_suffix(name, SUFFIXES, 'a video')
    await _write(chunks, path, name, max_bytes, _check_head)


async def save_boxes(
    chunks: AsyncIterator[bytes], path: Path, name: str, max_bytes: int
) -> None:
    """Write a file of boxes as it comes; of one that fails nothing is left.

    Args:
        chunks: Its bytes.
        path: Where to.
        name: What the person calls it.
        max_bytes: How large it may be, if it is less than :data:`MAX_BOXES_BYTES`.

    Raises:
        TooLargeError: It is larger.
        FullDiskError: There is no room for it.
        DataError: It is no file of boxes, by its name.
    """
    _check_suffix(name, BOXES_SUFFIXES, 'a file of boxes')
    limit = min(max_bytes, MAX_BOXES_BYTES)
    await _write(chunks, path, name, limit, lambda head, name: None)


def _check_suffix(name: str, suffixes: frozenset[str], what: str) -> None:
    if Path(name).suffix.lower() not in suffixes:
        raise DataError(f'{name}: not {what}; these are: {", ".join(sorted(suffixes))}')


async def _write(
    chunks: AsyncIterator[bytes],
    path: Path,
    name: str,
    max_bytes: int,
    check_head: Callable[[bytes, str], None],
) -> None:
    size, head = 0, b''
    try:
        with path.open('wb') as file:
            async for chunk in chunks:
                if len(head) < HEAD_BYTES:
                    head += chunk
                    if len(head) >= HEAD_BYTES:
                        check_head(head, name)
                size += len(chunk)
                if size > max_bytes:
                    raise TooLargeError(
                        f'{name}: larger than {max_bytes / 2**20:g} MiB, the limit here'
                    )
                file.write(chunk)
        check_head(head, name)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise FullDiskError(
                f'{name}: the disk of the server is full ({error.strerror})'
            ) from None
        raise


def _check_head(head: bytes, name: str) -> None:
    if not is_video(head):
        raise DataError(f'{name}: its name says that it is a video, its content does not')
