"""The files that evaluation servers take, checked before they leave.

Each is a zip of text files (:data:`SERVERS`). A line is ``x,y,w,h`` in image pixels, or
the seconds of a frame; the given first frame is included.
"""

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sstrack_mm.datasets.catalogue import CATALOGUE
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.results import Results
from sstrack_mm.structures.sequence import VideoSequence

logger = logging.getLogger(__name__)

BOX_DECIMALS, TIME_DECIMALS = 3, 8


class Server(NamedTuple):
    """What an evaluation server wants for a sequence in the zip.

    Attributes:
        boxes: Path of its boxes, with ``{name}`` for its name.
        times: Path of its times; None where the server wants none.
    """

    boxes: str
    times: str | None = None


SERVERS = {
    # as the GOT-10k toolkit writes them
    'got10k_test': Server('{name}/{name}_001.txt', '{name}/{name}_time.txt'),
    'trackingnet': Server('{name}.txt'),
}
"""The servers by the name of their dataset."""


def find_server(dataset: SequenceDataset) -> str:
    """The name of a dataset that has a server.

    Raises:
        DataError: There is no server for it.
    """
    reader, split = type(dataset).__name__, dataset.split
    for name in SERVERS:
        known = CATALOGUE[name]
        if (reader, str(split).lower()) == (known.reader, known.split):
            return name
    part = f' (split {split!r})' if split else ''
    raise DataError(
        f'{reader}{part}: no evaluation server takes results of this dataset; there is '
        f'one for {" and ".join(SERVERS)}. Evaluate here, with --eval'
    )


def write_submission(
    path: Path, dataset_name: str, sequences: list[VideoSequence], results: Results
) -> None:
    """Check results, and write them as the server of a dataset takes them.

    Args:
        path: The zip, which is written whole or not at all. The same results make the
            same bytes.
        dataset_name: One of :data:`SERVERS`.
        sequences: All sequences of the dataset.
        results: The results of a run.

    Raises:
        DataError: As :func:`check_submission`.
        FullDiskError: The disk is full.
    """
    check_submission(dataset_name, sequences, results)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for sequence in sequences:
            for place, text in _format_files(
                SERVERS[dataset_name], sequence.name, results
            ):
                entry = zipfile.ZipInfo(place)  # of a fixed date
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, text)
    write_atomically(path, buffer.getvalue())
    expected = CATALOGUE[dataset_name].num_videos
    if len(sequences) != expected:
        logger.warning(
            '%s has %d sequences, but the server of %s evaluates %d: what is missing '
            'counts as a failure, if it takes the file at all',
            path,
            len(sequences),
            dataset_name,
            expected,
        )


def check_submission(
    dataset_name: str, sequences: list[VideoSequence], results: Results
) -> None:
    """Look for what a server would refuse, or silently count as a failure.

    Every sequence has to be there with every frame, with finite boxes whose sides are
    above 0 as they are written, and where the server wants times, with finite ones above
    0. Arguments as :func:`write_submission`.

    Raises:
        DataError: They are not; the message names the sequence, the frame (counted from
            1, as the lines of its file) and the value.
    """
    absent = [
        sequence.name
        for sequence in sequences
        if sequence.name not in results.bboxes_xywh
    ]
    if absent:
        raise DataError(
            f'{results.folder}: {len(absent)} of {len(sequences)} sequences have no '
            f'result: {", ".join(absent[:10])}{", ..." if absent[10:] else ""}. Start '
            'the same command again to track them'
        )
    for sequence in sequences:
        name = sequence.name
        bboxes_xywh = results.bboxes_xywh[name]
        positive = (bboxes_xywh[:, 2:].round(BOX_DECIMALS) > 0).all(axis=1)
        good = np.isfinite(bboxes_xywh).all(axis=1) & positive
        _check_frames(results, sequence, 'x, y, w, h', bboxes_xywh, good)
        if SERVERS[dataset_name].times is not None:
            times = results.times.get(name, np.zeros(0))
            good = np.isfinite(times) & (times.round(TIME_DECIMALS) > 0)
            _check_frames(results, sequence, 'seconds', times, good)


def _check_frames(
    results: Results,
    sequence: VideoSequence,
    what: str,
    values: np.ndarray,
    good: np.ndarray,
) -> None:
    """Raise DataError where a frame is missing, or is not good."""
    name, num_frames = sequence.name, len(sequence)
    again = (
        f'Remove {results.folder / name}.txt, and start the same command again to '
        'track the sequence again'
    )
    if len(values) != num_frames:
        raise DataError(
            f'{name}: {what} of {len(values)} frames, but it has {num_frames}. {again}'
        )
    if not good.all():
        frame = int(np.argmin(good))
        raise DataError(
            f'{name}, frame {frame + 1} (counted from 1): {what} = '
            f'{values[frame].tolist()} ({(~good).sum()} of {num_frames} frames are '
            'like that). The server needs finite numbers, and a width, a height and '
            f'seconds above 0. {again}'
        )


def _format_files(
    server: Server, name: str, results: Results
) -> Iterator[tuple[str, str]]:
    """The path and the text of each file of a sequence."""
    yield (
        server.boxes.format(name=name),
        _format(results.bboxes_xywh[name], BOX_DECIMALS),
    )
    if server.times is not None:
        yield server.times.format(name=name), _format(results.times[name], TIME_DECIMALS)


def _format(values: np.ndarray, decimals: int) -> str:
    """Numbers as text, a row a line, with commas between them."""
    text = io.StringIO()
    np.savetxt(text, values, fmt=f'%.{decimals}f', delimiter=',')
    return text.getvalue()
