#!/usr/bin/env python
"""Measure what clips from shards cost: bytes, hits of the block cache, clips a second.

    python tools/analysis_tools/measure_shards.py shards --clips 1000
    python tools/analysis_tools/measure_shards.py s3://bucket/shards --blocks-kb 256 1024

Draws the frames of clips as the paper's configuration does (a labelled frame, three later
ones, and the donor's), and reads and decodes them in one process. The block cache starts
empty for each row; a local folder is read through it as if it were far away.
"""

import argparse
import itertools
import tempfile
import time

from tabulate import tabulate

from sstrack_mm.command_line import CommandParser, at_least, run_command

PIPELINE: list[dict] = [
    dict(type='SampleSelfSupervisedClip', num_search=3, num_views=2, max_gap=400),
    dict(type='LoadClip'),
]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('root', metavar='ROOT', help='folder or address of the shards')
    parser.add_argument(
        '--clips',
        type=at_least(1),
        default=1000,
        metavar='N',
        help='to draw for each row',
    )
    for option, default, text in (
        ('--blocks-kb', [256, 1024], 'sizes of a block'),
        ('--visits', [1, 64], 'clips_per_visit'),
    ):
        parser.add_argument(
            option, type=at_least(1), nargs='+', default=default, metavar='N', help=text
        )
    parser.add_argument(
        '--lanes',
        type=at_least(1),
        default=8,
        metavar='N',
        help='shards in use at a time',
    )
    parser.add_argument(
        '--cache-mb', type=at_least(1), default=1024, metavar='MB', help='room for blocks'
    )
    return parser.parse_args()


def measure(args: argparse.Namespace, block_kb: int, visit: int) -> dict[str, float]:
    """Read clips with an empty cache; a row of the table."""
    from sstrack_mm.datasets import ClipDataset, ShardedVideos

    with tempfile.TemporaryDirectory() as folder:
        reader = dict(
            type=ShardedVideos,
            data_root=args.root,
            lanes=args.lanes,
            clips_per_visit=visit,
            block_bytes=block_kb << 10,
            cache_folder=folder,
            cache_bytes=args.cache_mb << 20,
            cache_local=True,
        )
        dataset = ClipDataset([reader], PIPELINE)
        start_time = time.perf_counter()
        for number in range(args.clips):
            dataset[0, 0, number]
        seconds = time.perf_counter() - start_time
        (videos,) = dataset.datasets
        assert isinstance(videos, ShardedVideos)
        counts = videos.store.counts
    return {
        'block, KiB': block_kb,
        'clips a visit': visit,
        'used, kB a clip': counts.used / args.clips / 1e3,
        'fetched, kB a clip': counts.fetched / args.clips / 1e3,
        'requests a clip': counts.misses / args.clips,
        'hits, %': 100 * counts.hits / (counts.hits + counts.misses),
        'clips/s': args.clips / seconds,
        'unusable': dataset.num_bad,
    }


def main() -> None:
    """Run the command."""
    args = parse_args()
    from mmengine.registry import init_default_scope

    import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in)

    init_default_scope('mmtrack')
    rows = [
        measure(args, block_kb, visit)
        for block_kb, visit in itertools.product(args.blocks_kb, args.visits)
    ]
    print(tabulate(rows, headers='keys', floatfmt='.4g', tablefmt='github'))


if __name__ == '__main__':
    run_command(main)
