"""The plain files that video datasets are made of: frame folders, boxes, flags."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.frames import FilePath, is_hidden, natural_key

Box = tuple[float, float, float, float]

_DIGITS = re.compile(r'(\d+)')
_DELIMITERS = str.maketrans(',;', '  ')


def list_folders(folder: FilePath) -> list[str]:
    """Names of the folders in ``folder``, in natural order, hidden ones left out.

    Raises:
        DataError: It cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not is_hidden(entry.name) and _is_folder(entry)
            ]
    except OSError as error:
        raise DataError(f'{folder}: {error.strerror}') from None
    return sorted(names, key=natural_key)


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder; one that cannot be told is, to be reported later."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return True


def frame_numbers(frames: list[str]) -> list[int]:
    """The numbers of frames: the last digits of each name, -1 where it has none."""
    return [
        int(digits[-1]) if (digits := _DIGITS.findall(Path(frame).stem)) else -1
        for frame in frames
    ]


def frame_range(
    folder: FilePath, frames: list[str], first: int | None, last: int | None
) -> tuple[int, int]:
    """Places of the frames numbered ``first`` to ``last`` in a listing.

    Args:
        folder: The folder of the frames, for messages.
        frames: Names of all its frames, sorted; the last digits of a name are its
            number.
        first: Number of the first frame; None for the start of the listing.
        last: Number of the last frame; None for the end of the listing.

    Returns:
        tuple: ``start`` and ``stop``, so that ``frames[start:stop]`` are the frames.

    Raises:
        DataError: Some of these frames are missing.
    """
    if first is None and last is None:
        return 0, len(frames)
    numbers = frame_numbers(frames)
    first = numbers[0] if first is None else first
    last = numbers[-1] if last is None else last
    if first in numbers and last in numbers:
        start, stop = numbers.index(first), numbers.index(last) + 1
        if stop - start == last - first + 1:
            return start, stop
    raise DataError(
        f'{folder}: the video is made of the frames {first} to {last}, but '
        f'they are not all among {frames[0]} ... {frames[-1]} '
        f'({len(frames)} images)'
    )


def parse_numbers(line: str) -> list[float]:
    """Numbers separated by commas, tabs, spaces or semicolons, mixed as they come.

    Raises:
        ValueError: A value is no number.
    """
    return [float(value) for value in line.translate(_DELIMITERS).split()]


def parse_box(line: str) -> Box:
    """One line of a box file: ``x, y, w, h``, or a polygon of four corners.

    Args:
        line: 4 numbers, or 8 (``x1, y1, ... x4, y4``), of which the axis-aligned
            bounding box is taken.

    Returns:
        tuple: ``x, y, w, h`` in image pixels.

    Raises:
        ValueError: The line holds anything else.
    """
    values = parse_numbers(line)
    if len(values) == 4:
        x, y, w, h = values
        return x, y, w, h
    if len(values) == 8:
        corners = np.array(values).reshape(4, 2)
        # min and max propagate NaN, whichever corner it is in.
        left, top = corners.min(0).tolist()
        right, bottom = corners.max(0).tolist()
        return left, top, right - left, bottom - top
    raise ValueError(
        f'expected 4 numbers (x, y, w, h) or 8 (a polygon), got {len(values)}'
    )


def read_lines(path: FilePath) -> list[str]:
    """Lines of a text file, without the empty ones at its end.

    Raises:
        DataError: The file is missing, cannot be read or is empty.
    """
    try:
        text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f'{path}: no such file') from None
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from None
    text = text.rstrip()
    if not text:
        raise DataError(f'{path}: the file is empty')
    return text.split('\n')


def read_names(path: FilePath) -> list[str]:
    """The names in a list file, one a line; empty lines do not count."""
    return [line.strip() for line in read_lines(path) if line.strip()]


def parse_lines(
    path: FilePath, lines: list[tuple[int, str]], parse: Callable[[str], Sequence[float]]
) -> np.ndarray:
    """Parse numbered lines of a box file.

    Args:
        path: The file, for messages.
        lines: Line numbers, counted from 1, and the lines.
        parse: What makes numbers of a line, as :func:`parse_box`.

    Returns:
        np.ndarray: (N, number of values) float64.

    Raises:
        DataError: A line does not parse; the message has the first one and the numbers of
            all others.
    """
    values, bad = [], []
    for number, line in lines:
        try:
            values.append(parse(line))
        except ValueError as error:
            bad.append((number, f'{error}: {line[:80]!r}'))
    if bad:
        number, message = bad[0]
        others = ', '.join(str(number) for number, _ in bad[1:])
        more = f' (and so line{"s" * (len(bad) > 2)} {others})' if others else ''
        raise DataError(f'{path}, line {number}: {message}{more}')
    return np.array(values, dtype=np.float64)


def describe_extra_lines(lines: list[tuple[int, str]]) -> str:
    """Where a box file has lines that can be no box, which; else nothing.

    Args:
        lines: Numbered lines, as of :func:`parse_lines`.
    """
    for number, line in lines:
        if not line.strip():
            return f'. Line {number} is blank'
        try:
            parse_numbers(line)
        except ValueError:
            return f'. Line {number} is no box: {line[:80]!r}'
    return ''


def read_flags(path: FilePath, count: int) -> np.ndarray:
    """Whole numbers, one a line or separated by commas or spaces.

    Returns:
        np.ndarray: (count,) int64.

    Raises:
        DataError: The file is missing, does not parse, or has another length.
    """
    text = ' '.join(read_lines(path)).translate(_DELIMITERS)
    try:
        flags = np.array([int(value) for value in text.split()])
    except ValueError as error:
        raise DataError(f'{path}: {error}') from None
    if len(flags) != count:
        raise DataError(f'{path}: {len(flags)} flags, expected {count}')
    return flags
