#!/usr/bin/env python
"""Start in more frames than the first one, forwards and backwards.

    python tools/dataset_tools/more_starts.py --dataset folder --root data/mine \\
        --out data/starts
    python tools/test.py CONFIG CHECKPOINT --dataset folder --root data/starts --eval OPE

On few sequences, one early loss decides a number. Each sequence becomes up to seven:
forwards from its first frame and from a fifth, two and three fifths of the way on,
backwards from the last frame and from a fifth and two fifths of the way back, always to
the end, as in the temporal robustness evaluation of OTB
(https://ieeexplore.ieee.org/document/6619156) and the anchors of VOT2020. Where no box
is known, the next frame with one begins. OUT holds links to the frames.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sstrack_mm.command_line import CommandParser, run_command
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from sstrack_mm.structures.sequence import VideoSequence

STARTS = {'forward': (0, 1, 2, 3), 'backward': (0, 1, 2)}
"""Fifths of the way at which to begin."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--dataset', required=True, metavar='NAME', help='a benchmark, or `folder`'
    )
    parser.add_argument('--root', help='its folder')
    parser.add_argument('--out', type=Path, required=True, help='new folder to write')
    return parser.parse_args()


def cut(sequence: 'VideoSequence') -> dict[str, np.ndarray]:
    """Which frames, in which order, each of the new sequences has, by its name.

    Raises:
        DataError: Not every frame has a label.
    """
    count = len(sequence)
    if len(sequence.gt_xywh) != count:
        raise DataError(f'{sequence.name}: only {len(sequence.gt_xywh)} boxes are known')
    begins = (sequence.gt_xywh[:, 2:] > 0).all(axis=1) & sequence.visible
    orders = {}
    for way, starts in STARTS.items():
        frames = np.arange(count)[:: 1 if way == 'forward' else -1]
        for fifths in starts:
            rest = frames[fifths * count // 5 :]
            known = np.flatnonzero(begins[rest])
            if len(known) and known[0] < len(rest) - 1:
                orders[f'{sequence.name}_{way}_{fifths}'] = rest[known[0] :]
    return orders


def write(folder: Path, sequence: 'VideoSequence', order: np.ndarray) -> None:
    """Write the boxes, and link the frames."""
    (folder / 'img').mkdir(parents=True)
    for number, index in enumerate(order, 1):
        path = Path(sequence.frame_paths[index]).absolute()
        (folder / 'img' / f'{number:06d}{path.suffix}').symlink_to(path)
    boxes = folder / 'groundtruth_rect.txt'
    np.savetxt(boxes, sequence.gt_xywh[order], fmt='%.10g', delimiter=',')


def main() -> None:
    """Run the command."""
    args = parse_args()
    from sstrack_mm.datasets.catalogue import open_dataset

    if args.out.exists():
        raise DataError(f'{args.out} is there already; remove it, or change --out')
    number = 0
    for sequence in open_dataset(args.dataset, args.root).sequences():
        for name, order in cut(sequence).items():
            write(args.out / name, sequence, order)
            number += 1
    print(f'{args.out}: {number} sequences')


if __name__ == '__main__':
    run_command(main)
