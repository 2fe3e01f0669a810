"""Measure what training, tracking or the loading of clips costs on this machine.

``pipeline`` measures track_video, the path of tools/test.py and the demo; its baseline is
mmtrack's inference_sot. ``file`` measures a video file through track_file, which decodes,
tracks and writes side by side; its baseline does one after another.

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
from pathlib import Path

from sstrack_mm.analysis.settings import DTYPES, ENGINES, MODES, Settings
from sstrack_mm.command_line import CommandParser, check_files, check_output, run_command
from sstrack_mm.command_options import add_cfg_options, add_device
from sstrack_mm.device import choose_device
from sstrack_mm.disk import write_atomically


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('mode', choices=MODES)
    parser.add_argument(
        '--baseline',
        action='store_true',
        help='also measure the straightforward implementation, and compare',
    )
    add_device(parser)
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
    if args.json is not None:
        check_output(parser, args.json, args.config)
    return args


def main() -> None:
    """Run the command."""
    args = vars(parse_args())
    from sstrack_mm.analysis.benchmark import format_table, run_benchmark

    baseline, out, _ = (args.pop(name) for name in ('baseline', 'json', 'debug'))
    args.update(
        frame_size=tuple(args['frame_size']), device=choose_device(args['device'])
    )
    report = run_benchmark(Settings(**args), baseline)
    if out is not None:
        write_atomically(out, json.dumps(report, indent=2) + '\n')
    print(format_table(report))


if __name__ == '__main__':
    run_command(main)
