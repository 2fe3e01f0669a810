"""Plot the memory that templates take against the length of a video.

    python tools/analysis_tools/plot_memory.py OUT.png --frames 100000 --budget 64

No network runs: the template memory of the tracker is fed with crops of its size.
"""

import argparse
from pathlib import Path

from sstrack_mm.command_line import PICTURES, CommandParser, check_output, run_command
from sstrack_mm.tracking.memory import TemplateMemory

POINTS = 1000
"""How many frames the curve shows."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('out', type=Path, help='picture to write')
    parser.add_argument('--frames', type=int, default=100_000)
    parser.add_argument('--budget', type=int, default=64, help='of crops (default: 64)')
    parser.add_argument('--memory-size', type=int, default=3, help='templates wanted')
    parser.add_argument(
        '--template-size', type=int, default=128, help='side of a crop, in pixels'
    )
    args = parser.parse_args()
    if args.frames < 1 or args.template_size < 1:
        parser.error('--frames and --template-size must be positive')
    check_output(parser, args.out, endings=PICTURES)
    return args


def crops_kept(memory: TemplateMemory, num_frames: int, every: int) -> list[int]:
    """How many crops the memory holds after every so many frames of a video."""
    kept = []
    for frame in range(num_frames):
        memory.add(None)  # crops are only counted
        if frame % every == 0:
            kept.append(len(memory.crops))
    return kept


def main() -> None:
    """Run the command."""
    args = parse_args()
    from matplotlib.figure import Figure

    every = max(args.frames // POINTS, 1)
    megabytes = 3 * args.template_size**2 / 1e6
    figure = Figure(figsize=(6, 3.5))
    axes = figure.subplots()
    for budget, label in (
        (None, 'exact'),
        (args.budget, f'memory_budget={args.budget}'),
    ):
        kept = crops_kept(TemplateMemory(args.memory_size, budget), args.frames, every)
        frames = range(0, args.frames, every)
        axes.plot(frames, [megabytes * number for number in kept], label=label)
        print(f'{label}: {megabytes * max(kept):.1f} MB ({max(kept)} crops) at most')
    axes.set(xlabel='frame', ylabel='template crops (MB)', yscale='symlog')
    axes.grid(alpha=0.3)
    axes.legend()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150, bbox_inches='tight')
    print(f'wrote {args.out}')


if __name__ == '__main__':
    run_command(main)
