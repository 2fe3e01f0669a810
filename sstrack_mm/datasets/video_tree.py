"""Where the videos of a folder tree are."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from sstrack_mm.disk import printable
from sstrack_mm.frames import IMAGE_SUFFIXES, is_hidden, natural_key

# What FFmpeg reads as video. Other files of the tree are not touched: it would make
# pictures of plain text, too.
VIDEO_SUFFIXES = tuple(
    '.3gp .avi .flv .gif .h264 .h265 .hevc .ivf .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4 '
    '.mpeg .mpg .mts .mxf .nut .obu .ogg .ogv .ts .vob .webm .wmv .y4m'.split()
)


class Found(NamedTuple):
    """A video file or image folder of the tree, relative to the data root."""

    path: str
    is_folder: bool


def find_videos(root: str, unusable: list[str]) -> Iterator[Found]:
    """The video files and image folders of a tree, in natural order, no hidden ones.

    Links to folders are followed; a folder that is met again is left out.

    Args:
        root: The folder.
        unusable: Gets a line for each folder that cannot be read, and for what has the
            name of a video and is no file.
    """

    def refuse(error: OSError) -> None:
        unusable.append(f'{printable(error.filename)}: {error.strerror}')

    visited = set()
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(
            (name for name in folders if not is_hidden(name)), key=natural_key
        )
        shown = [name for name in names if not is_hidden(name)]
        relative = os.path.relpath(folder, root)
        if any(name.lower().endswith(IMAGE_SUFFIXES) for name in shown):
            yield Found(relative, True)
        for name in sorted(shown, key=natural_key):
            if not name.lower().endswith(VIDEO_SUFFIXES):
                continue
            if _is_no_file(os.path.join(folder, name)):
                unusable.append(f'{printable(os.path.join(folder, name))}: it is no file')
            else:
                yield Found(os.path.normpath(os.path.join(relative, name)), False)


def _is_no_file(path: str) -> bool:
    """Whether this is a pipe or a device, which reading may wait for without end."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # reading it says why
