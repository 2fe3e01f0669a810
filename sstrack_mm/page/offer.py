"""What a server offers to its pages: the videos of a folder, and streams."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sstrack_mm.disk import printable
from sstrack_mm.errors import DataError
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page import uploads
from sstrack_mm.page.exports import EXPORTS
from sstrack_mm.page.recording import Recording
from sstrack_mm.page.session import Session

STREAM_SCHEMES = (
    'rtsp://',
    'rtsps://',
    'http://',
    'https://',
    'rtmp://',
    'udp://',
    'srt://',
)
MAX_LIBRARY = 1000
"""Videos of the folder that a page lists."""


@dataclass(frozen=True)
class Settings:
    """What a server offers.

    Attributes:
        videos: A folder whose videos may be opened by anybody; None for none.
        streams: Whether streams may be opened.
        max_bytes: Of an upload and of the recording of a stream.
        max_sessions: People at a time.
        keep_s: How long the work of a page that is gone is kept, in seconds.
        names: Of this server, besides ``localhost`` and any address.
    """

    videos: Path | None = None
    streams: bool = True
    max_bytes: int = 2 << 30
    max_sessions: int = 16
    keep_s: float = 120
    names: tuple[str, ...] = field(default=())


def describe_offer(settings: Settings) -> dict[str, Any]:
    """What a page may do, as it is told."""
    library = sorted(list_library(settings.videos))
    return {
        'library': library[:MAX_LIBRARY],
        'more': len(library[MAX_LIBRARY:]),
        'streams': settings.streams,
        'max_bytes': settings.max_bytes,
        'formats': [
            {'format': name, 'file': file, 'title': title}
            for name, (file, title) in EXPORTS.items()
        ],
        'suffixes': sorted(uploads.SUFFIXES),
        'boxes': {
            'suffixes': sorted(uploads.BOXES_SUFFIXES),
            'max_bytes': min(settings.max_bytes, uploads.MAX_BOXES_BYTES),
        },
    }


def list_library(folder: Path | None) -> dict[str, Path]:
    """The videos under a folder, by their paths in it; not what links lead out to."""
    if folder is None:
        return {}
    videos = (
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in uploads.SUFFIXES
        and path.is_file()
        and path.resolve().is_relative_to(folder.resolve())
    )
    return {printable(path.relative_to(folder)): path for path in videos}


def open_source(session: Session, settings: Settings, source: str) -> None:
    """Open a video of the folder, or a stream.

    Raises:
        DataError: It is neither, or cannot be opened.
    """
    with session.folder_to_open() as folder:
        if path := list_library(settings.videos).get(source):
            session.open(open_seekable(path, source), folder, path)
            return
        if not settings.streams:
            raise DataError(
                f'{source}: not a video of the folder; streams are not allowed'
            )
        if not (source.startswith(STREAM_SCHEMES) or source.isdecimal()):
            raise DataError(
                f'{source}: neither a video of the folder, nor a camera (0, 1, ...), nor '
                f'a stream ({", ".join(STREAM_SCHEMES)})'
            )
        recording = Recording(source, folder, settings.max_bytes, session.video_grew)
        session.open(recording, folder)
        session.video_grew()
