"""Export the tracking step to ONNX, and check the file against PyTorch.

    python tools/export_onnx.py CONFIG CHECKPOINT OUT.onnx [--int8]

Track with it by ``python demo/track_video.py VIDEO --checkpoint OUT.onnx --box X Y W H``.
"""

import argparse
from pathlib import Path

from sstrack_mm.command_line import CommandParser, check_files, check_output, run_command
from sstrack_mm.command_options import add_cfg_options, find_models
from sstrack_mm.errors import DataError, optional_requirements

TOLERANCE = 1e-3
"""Above this the file computes something else; rounding gives 2e-5 and less."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument(
        '--opset', type=int, default=18, help="of ONNX's operators (default: 18)"
    )
    parser.add_argument(
        '--int8',
        action='store_true',
        help='weights of the transformer in 8 bits: a smaller file, faster on a CPU with '
        'int8 instructions, and not quite the same boxes',
    )
    add_cfg_options(parser, 'model.test_cfg.memory_size=5')
    args = parser.parse_args()
    find_models(args)
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    check_output(parser, args.out, args.config, args.checkpoint)
    return args


def main() -> None:
    """Run the command."""
    args = parse_args()
    from sstrack_mm.apis import init_model
    from sstrack_mm.models.trackers.one_stream import OneStreamTracker

    with optional_requirements('ONNX'):
        from sstrack_mm.deploy.export import difference_from_torch, export_tracker

    model = init_model(args.config, args.checkpoint, 'cpu', cfg_options=args.cfg_options)
    if not isinstance(model, OneStreamTracker):
        raise DataError(f'{args.checkpoint}: is exported already; name a checkpoint')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    export_tracker(model, args.out, args.opset, args.int8)
    print(f'wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)')
    differences = difference_from_torch(model, args.out)
    for name, difference in differences.items():
        print(f'{name}: differs from PyTorch by {difference:.1e} at most')
    if not args.int8 and max(differences.values()) > TOLERANCE:
        raise DataError(f'{args.out} does not compute what the network does')


if __name__ == '__main__':
    run_command(main)
