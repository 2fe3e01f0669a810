#!/usr/bin/env python
"""Look for what is wrong with a dataset, and list all of it.

    python tools/dataset_tools/doctor.py got10k data/got10k
    python tools/dataset_tools/doctor.py otb100 data/otb100 --full --json otb100.json

NAME is a dataset (otb100, lasot_ext, ...), `folder`, or got10k, lasot, trackingnet or
coco, of which all parts that are there are looked at, and the training videos searched
for among the others.

Exit code: 0 the dataset is healthy, 1 problems were found, 2 the check could not run.
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from sstrack_mm.command_line import CommandParser, check_output, run_command
from sstrack_mm.disk import write_atomically

if TYPE_CHECKING:
    from sstrack_mm.datasets.doctor import Diagnosis


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('name', metavar='NAME', help='the dataset')
    parser.add_argument('root', metavar='ROOT', help='its folder')
    parser.add_argument(
        '--full',
        action='store_true',
        help='decode every image (default: a sample spread over all videos)',
    )
    parser.add_argument(
        '--sample',
        type=int,
        default=5000,
        metavar='N',
        help='images to decode in each part of the dataset (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='N',
        help='threads (default: one for each of the %(default)s cores)',
    )
    parser.add_argument('--json', type=Path, metavar='OUT', help='write what was found')
    args = parser.parse_args()
    for option in ('sample', 'workers'):
        if getattr(args, option) < 1:
            parser.error(
                f'--{option} needs a positive number, got {getattr(args, option)}'
            )
    if args.json is not None:
        check_output(parser, args.json)
    return args


def print_diagnosis(diagnosis: 'Diagnosis') -> None:
    """Print the problems, then the table of the parts."""
    for problem in diagnosis.problems:
        print(f'{problem.kind}: {problem.message}')
    if diagnosis.problems:
        print()
    kinds = ('video', 'image', 'box', 'duplicate')
    rows = []
    for part in diagnosis.parts:
        numbers = Counter(p.kind for p in diagnosis.problems if p.part == part.part)
        rows.append(vars(part) | {f'{kind} problems': numbers[kind] for kind in kinds})
    print(tabulate(rows, headers='keys', missingval='-'))
    verdict = f'{len(diagnosis.problems)} problems' if diagnosis.problems else 'healthy'
    print(f'\n{diagnosis.dataset} in {diagnosis.root}: {verdict}')
    for part in diagnosis.parts:
        if part.published not in (None, part.videos):
            print(
                f'note: {part.part} has {part.published} videos as published, '
                f'{part.videos} here'
            )


def main() -> int:
    """Run the command; see the module for what it returns."""
    args = parse_args()
    # Imported here, as readers import mmtrack, for which --help need not wait.
    from sstrack_mm.datasets.doctor import diagnose

    sample = None if args.full else args.sample
    diagnosis = diagnose(args.name, args.root, sample, args.workers)
    print_diagnosis(diagnosis)
    if args.json:
        write_atomically(args.json, json.dumps(diagnosis.to_dict(), indent=2))
    return int(bool(diagnosis.problems))


if __name__ == '__main__':
    run_command(main, failure=2)
