#!/usr/bin/env python
"""Write the training videos of a configuration as tar shards, for disks and servers.

    python tools/dataset_tools/make_shards.py configs/sstrack_unlabelled.py shards
    python tools/dataset_tools/make_shards.py configs/sstrack_b256.py shards --reader 1
    python tools/dataset_tools/make_shards.py --check s3://bucket/shards

The shards are in WebDataset's layout with the index of `wids`. After a kill the same
command goes on. Copy the folder to where it is read from, and train with

    dict(type='ShardedVideos', data_root='s3://bucket/shards')

in place of the reader. `--check` reads all shards and names those that are not what was
written.

Exit code: 0 it is done, 1 it is not, or a shard is broken.
"""

import argparse
import sys
from pathlib import Path

from sstrack_mm.command_line import CommandParser, run_command, seed
from sstrack_mm.command_options import add_config_arguments, find_configuration


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    if '--check' in sys.argv[1:]:
        parser = CommandParser(__doc__)
        parser.add_argument('--check', metavar='ROOT', help='folder or address to check')
        return parser.parse_args()
    parser = CommandParser(__doc__)
    add_config_arguments(parser)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write to')
    parser.add_argument(
        '--reader',
        type=int,
        default=0,
        metavar='N',
        help="which of the configuration's readers, from 0 (default: %(default)s)",
    )
    parser.add_argument(
        '--shard-mb',
        type=int,
        default=256,
        metavar='MB',
        help='a shard is full when it is that large (default: %(default)s)',
    )
    parser.add_argument(
        '--labels',
        action='store_true',
        help='write the boxes of all frames, for supervised training; else the first '
        'box of each video alone',
    )
    parser.add_argument('--seed', type=seed, default=0, help='of the order of the videos')
    parser.add_argument('--check', metavar='ROOT', help='check shards, write none')
    args = parser.parse_args()
    find_configuration(args)
    if args.shard_mb < 1:
        parser.error(f'--shard-mb needs a positive number, got {args.shard_mb}')
    return args


def check(root: str) -> int:
    """Read all shards of a folder; return how many are broken."""
    from sstrack_mm.datasets.shards.index import find_broken
    from sstrack_mm.datasets.shards.store import ShardStore

    num_broken = 0
    for message in find_broken(ShardStore(root)):
        print(message)
        num_broken += 1
    print(f'{root}: {num_broken} broken' if num_broken else f'{root}: healthy')
    return num_broken


def write(args: argparse.Namespace) -> None:
    """Write the shards."""
    import logging

    from mmengine.registry import init_default_scope
    from mmtrack.registry import DATASETS

    import sstrack_mm.datasets  # noqa: F401  (registers the readers)
    from sstrack_mm.command_options import load_training_config
    from sstrack_mm.datasets.shards.writer import write_shards
    from sstrack_mm.errors import DataError

    logging.basicConfig(level=logging.INFO, format='%(message)s')
    cfg = load_training_config(args)
    init_default_scope(cfg.default_scope)
    readers = cfg.train_dataloader.dataset.datasets
    if not 0 <= args.reader < len(readers):
        raise DataError(
            f'--reader {args.reader}: {args.config} has {len(readers)} readers, counted '
            'from 0'
        )
    source = readers[args.reader].to_dict()
    write_shards(
        DATASETS.build(source),
        args.out,
        source,
        args.shard_mb << 20,
        args.seed,
        args.labels,
    )
    print(args.out)


def main() -> int:
    """Run the command; see the module for what it returns."""
    args = parse_args()
    if args.check:
        return int(bool(check(args.check)))
    write(args)
    return 0


if __name__ == '__main__':
    run_command(main)
