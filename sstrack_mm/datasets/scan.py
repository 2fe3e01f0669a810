"""One look at every video of a dataset; what is wrong with some is said at once."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from sstrack_mm.datasets.index import VideoEntry
from sstrack_mm.datasets.sequence_reader import VideoFiles
from sstrack_mm.errors import DataError

logger = logging.getLogger(__name__)

Found = tuple[VideoFiles, VideoEntry | DataError]

_MAX_LISTED_ERRORS = 10


def scan_each(
    videos: Iterable[VideoFiles], scan: Callable[[VideoFiles], VideoEntry]
) -> Iterator[Found]:
    """Look at each video; what is wrong with one does not stop the others.

    Yields:
        tuple: Where the video should be, and what was found there: its entry, or why
        it cannot be used.
    """
    for video in videos:
        try:
            yield video, scan(video)
        except DataError as error:
            yield video, error


def usable_entries(
    found: Iterable[Found],
    data_root: str,
    expected: str,
    skip_bad: bool,
    complaints: list[str],
) -> Iterator[VideoEntry]:
    """The entries among what was found.

    Args:
        found: Of :func:`scan_each`.
        data_root: Folder of the dataset, for messages.
        expected: What its reader expects there, for messages.
        skip_bad: Go on without videos that cannot be used, instead of raising one error
            for all.
        complaints: Gets what is gone on without.

    Raises:
        DataError: Some videos cannot be used, or there is none.
    """
    logger.info('Scanning the videos in %s', data_root)
    start_time = time.perf_counter()
    count, errors = 0, []
    for _, entry in found:
        if isinstance(entry, DataError):
            errors.append(str(entry))
        else:
            yield entry
            count += 1
    if not errors and not count:
        raise DataError(f'{data_root}: no video found. {expected}')
    if errors:
        message = describe_errors(data_root, errors, count + len(errors))
        if not skip_bad or not count:
            raise DataError(
                f'{message}Repair them, or leave them out with --skip-bad (in a '
                f'configuration skip_bad_videos=True). '
                f'{expected}'
            )
        complaints.append(f'{message}Going on without them.\n')
    seconds = time.perf_counter() - start_time
    logger.info('Found %d videos in %s (%.1f s)', count, data_root, seconds)


def describe_errors(data_root: str, errors: list[str], num_videos: int) -> str:
    """Which of the videos of a folder cannot be used, and why: whole lines."""
    listed = '\n  '.join(errors[:_MAX_LISTED_ERRORS])
    if len(errors) > _MAX_LISTED_ERRORS:
        listed += f'\n  ... and {len(errors) - _MAX_LISTED_ERRORS} more'
    return (
        f'{data_root}: {len(errors)} of {num_videos} videos cannot be used:\n  {listed}\n'
    )
