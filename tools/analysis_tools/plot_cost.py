"""Plot how the cost of tracking grows with templates, targets, crops and frames' sizes.

    python tools/analysis_tools/plot_cost.py configs/sstrack_t256.py OUT.png --device cpu

One thing is varied at a time, with random weights, in the steady state of a video; the
table that is printed has the numbers.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sstrack_mm.analysis.settings import DTYPES, Settings
from sstrack_mm.command_line import (
    PICTURES,
    CommandParser,
    check_files,
    check_output,
    run_command,
)
from sstrack_mm.command_options import add_cfg_options, add_device
from sstrack_mm.device import choose_device
from sstrack_mm.tracking.memory import num_steady_templates

MEMORY_SIZES = (1, 2, 3, 5, 8)
TARGETS = (1, 2, 4, 8, 16)
SEARCH_SIZES = (128, 192, 256, 320, 384)
FRAME_SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))


@dataclass(frozen=True)
class Measurement:
    """One point of a curve.

    Attributes:
        varied: What was varied, and what the axis says.
        value: Its value.
        ms: Milliseconds a frame, without decoding: the median of the repeats' means.
        gflop: Arithmetic of a frame.
        crop_ms: What of it is cropping.
    """

    varied: str
    value: float
    ms: float
    gflop: float
    crop_ms: float


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('out', type=Path, help='picture to write')
    add_device(parser)
    parser.add_argument(
        '--dtype', choices=[d for d in DTYPES if d != 'int8'], default='float32'
    )
    parser.add_argument('--compile', action='store_true', help='with torch.compile')
    parser.add_argument(
        '--frames', type=int, default=10, help='in a repeat (default: %(default)s)'
    )
    parser.add_argument(
        '--repeats', type=int, default=3, help='of each point (default: %(default)s)'
    )
    add_cfg_options(parser, 'model.backbone.keep_ratio=0.5')
    args = parser.parse_args()
    check_files(parser, configuration=args.config)
    check_output(parser, args.out, args.config, endings=PICTURES)
    return args


def measure(settings: Settings) -> list[Measurement]:
    """Vary one thing at a time around the configuration's values."""
    from sstrack_mm.analysis.benchmark import run_benchmark

    points = []

    def add(varied: str, value: float, **changes: Any) -> None:
        options = settings.cfg_options | changes.pop('cfg_options', {})
        report = run_benchmark(replace(settings, cfg_options=options, **changes))
        ours = report['ours']
        points.append(
            Measurement(
                varied,
                value,
                1000 / ours['fps'],
                ours['flops'] / 1e9,
                ours['stages_ms']['crop'],
            )
        )
        print(f'{varied}: {value:g}: {points[-1].ms:.1f} ms', file=sys.stderr)

    for size in MEMORY_SIZES:
        options = {'model.test_cfg.memory_size': size}
        add('templates', num_steady_templates(size), cfg_options=options)
    for targets in TARGETS:
        add('targets', targets, targets=targets)
    for size in SEARCH_SIZES:
        options = {
            'model.backbone.search_size': size,
            'model.backbone.template_size': size // 2,
        }
        add('search size (pixels)', size, cfg_options=options)
    for width, height in FRAME_SIZES:
        add('frame (megapixels)', width * height / 1e6, frame_size=(width, height))
    return points


def plot(points: list[Measurement], title: str, path: Path) -> None:
    """A curve for each thing that was varied."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(point.varied for point in points))
    figure = Figure(figsize=(3.2 * len(names), 3))
    axes = figure.subplots(1, len(names))
    for axis, name in zip(axes, names, strict=True):
        curve = [point for point in points if point.varied == name]
        axis.plot([p.value for p in curve], [p.ms for p in curve], marker='o')
        axis.set(xlabel=name, ylim=(0, 1.1 * max(p.ms for p in curve)))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('ms a frame')
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150, bbox_inches='tight')


def main() -> None:
    """Run the command."""
    args = parse_args()
    from tabulate import tabulate

    settings = Settings(
        args.config,
        'track',
        device=choose_device(args.device),
        dtype=args.dtype,
        compile=args.compile,
        frames=args.frames,
        repeats=args.repeats,
        cfg_options=args.cfg_options or {},
    )
    points = measure(settings)
    title = f'{Path(args.config).stem}, {args.dtype}, {settings.device}'
    args.out.parent.mkdir(parents=True, exist_ok=True)
    plot(points, title, args.out)
    print(
        tabulate(
            [(p.varied, p.value, p.ms, p.gflop, p.crop_ms) for p in points],
            ('varied', 'value', 'ms a frame', 'GFLOP', 'crop (ms)'),
            floatfmt=('', 'g', '.1f', '.1f', '.2f'),
            tablefmt='github',
        )
    )
    print(f'wrote {args.out}')


if __name__ == '__main__':
    run_command(main)
