"""Measure what training, tracking or the loading of clips costs on this machine.

``pipeline`` measures track_video, the path of tools/test.py and the demo; its baseline is
mmtrack's inference_sot.

Examples (each on one line):
    python tools/analysis_tools/benchmark.py configs/sstrack_b256.py track --baseline
    python tools/analysis_tools/benchmark.py configs/sstrack_b256.py train --baseline
        --device cuda --dtype bfloat16 --batch-size 32 --compile --json train.json

The weights are random and the videos procedural: no data is needed. With --baseline, the
straightforward implementation of the same mathematics, in float32, is measured on the
same inputs, by turns.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

import sstrack_mm  # noqa: F401  (before mmtrack: stands in for missing operators)
from sstrack_mm.analysis.benchmark import SIDES, format_table, run_benchmark
from sstrack_mm.analysis.side import DTYPES, ENGINES, Settings
from sstrack_mm.command_line import add_cfg_options, check_files


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='configuration file')
    parser.add_argument('mode', choices=list(SIDES))
    parser.add_argument(
        '--baseline',
        action='store_true',
        help='also measure the straightforward implementation, and compare',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='default: %(default)s',
    )
    parser.add_argument(
        '--dtype',
        choices=DTYPES,
        default='float32',
        help='what the network computes in, but for the baseline (default: %(default)s)',
    )
    parser.add_argument(
        '--engine',
        choices=ENGINES,
        default='pytorch',
        help='what runs the network in tracking, but for the baseline '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=2,
        metavar='B',
        help='clips in a training step or in a batch (default: %(default)s)',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=20,
        metavar='N',
        help='frames in a repeat of tracking (default: %(default)s)',
    )
    parser.add_argument(
        '--targets',
        type=int,
        default=1,
        metavar='K',
        help='targets tracked at once (default: %(default)s)',
    )
    parser.add_argument('--compile', action='store_true', help='with torch.compile')
    parser.add_argument(
        '--repeats',
        type=int,
        default=3,
        metavar='R',
        help='how often each side is measured (default: %(default)s)',
    )
    parser.add_argument(
        '--frame-size',
        type=int,
        nargs=2,
        default=(1280, 720),
        metavar=('W', 'H'),
        help='of the videos, pixels (default: 1280 720)',
    )
    parser.add_argument(
        '--keep-ratio',
        type=float,
        default=1.0,
        metavar='R',
        help='share of the search tokens kept at each elimination in training '
        '(default: 1, as in the first epochs; at last it is 0.7)',
    )
    add_cfg_options(parser, 'train_dataloader.num_workers=4')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the numbers')
    args = parser.parse_args()
    check_files(parser, configuration=args.config)
    return args


def main() -> None:
    """Run the command."""
    args = vars(parse_args())
    baseline, out = args.pop('baseline'), args.pop('json')
    settings = Settings(**args | dict(frame_size=tuple(args['frame_size'])))
    try:
        report = run_benchmark(settings, baseline)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(report, indent=2) + '\n')
    except (ValueError, RuntimeError, OSError) as error:  # DataError is a ValueError.
        sys.exit(f'error: {error}')
    print(format_table(report))


if __name__ == '__main__':
    main()
