"""Teach a checkpoint when its target is lost, and measure what that gives.

    python tools/analysis_tools/presence.py CONFIG CHECKPOINT --calibrate OUT.safetensors
    python tools/analysis_tools/presence.py CONFIG CHECKPOINT --plot reliability.png
    python tools/analysis_tools/presence.py sstrack-tiny-int8

The first fits the judge on procedural videos in which targets get covered and leave the
image, and writes the checkpoint (or ONNX file) with it. The others track other such
videos twice, with `model.test_cfg.presence` and without, and compare.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import (
    CommandParser,
    check_files,
    check_output,
    run_command,
    seed,
)
from sstrack_mm.command_options import add_device, find_models
from sstrack_mm.disk import write_atomically

if TYPE_CHECKING:
    from sstrack_mm.analysis.judging import Measured


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file, or a name of the zoo')
    parser.add_argument('checkpoint', nargs='?', help='weights, or an ONNX file')
    parser.add_argument(
        '--calibrate', type=Path, metavar='OUT', help='fit, and write this checkpoint'
    )
    parser.add_argument(
        '--videos', type=int, default=60, help='how many (default: %(default)s)'
    )
    parser.add_argument(
        '--seed',
        type=seed,
        help='of the videos (default: 600 to calibrate, 700 to measure)',
    )
    parser.add_argument('--out', type=Path, help='write the numbers here, as JSON')
    parser.add_argument('--plot', type=Path, help='draw the reliability diagram here')
    add_device(parser)
    args = parser.parse_args()
    find_models(args)
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    if args.checkpoint is None:
        parser.error('name a checkpoint')
    if args.videos < 3:
        parser.error(f'--videos needs at least 3, got {args.videos}')
    for out in filter(None, (args.calibrate, args.out, args.plot)):
        check_output(parser, out, args.config, args.checkpoint)
    return args


def summarize(measured: 'Measured') -> dict[str, Any]:
    """The numbers of one way of tracking."""
    import numpy as np

    frames = measured.recovery_frames
    return {
        'AUC': measured.auc,
        'AUC without absences': measured.auc_without_absences,
        'absences': measured.absences,
        'found again in 30 frames, %': measured.found_soon,
        'median frames to recovery': float(np.median(frames)) if frames else None,
        'recoveries': len(measured.recovery_overlaps),
        'false recoveries, %': measured.false_share,
        'ms a frame': measured.milliseconds,
        'ECE': measured.ece if len(measured.confidences) else None,
    }


def main() -> None:
    """Run the command."""
    args = parse_args()
    from tabulate import tabulate

    from sstrack_mm.analysis.judging import (
        calibrate,
        describe,
        measure,
        plan_videos,
        reliability,
        write_calibrated,
    )
    from sstrack_mm.apis import init_model

    model = init_model(args.config, args.checkpoint, args.device)
    if args.calibrate:
        judge = calibrate(model, 600 if args.seed is None else args.seed, args.videos)
        write_calibrated(Path(args.checkpoint), judge, args.calibrate)
        print(f'{describe(judge)}\nwrote {args.calibrate}')
        return
    plans = plan_videos(700 if args.seed is None else args.seed, args.videos)
    ways = {name: measure(model, plans, name == 'on') for name in ('off', 'on')}
    rows = {name: summarize(way) for name, way in ways.items()}
    print(tabulate(rows.values(), headers='keys', floatfmt='.3g', showindex=rows.keys()))
    bins = reliability(ways['on'].confidences, ways['on'].is_on)
    if args.out:
        content = json.dumps(dict(rows, reliability=bins), indent=2)
        write_atomically(args.out, content)
    if args.plot:
        from sstrack_mm.visualization.plots import plot_reliability

        plot_reliability(bins, args.plot)


if __name__ == '__main__':
    run_command(main)
