"""Write the weights of a checkpoint alone, without the state of training.

    python tools/model_converters/publish_model.py SRC DST.safetensors [--half]
    python tools/model_converters/publish_model.py SRC DST.safetensors --average OTHER

DST is a .safetensors file, or a .pth file about a third the size of the training's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, check_files, check_output, run_command
from sstrack_mm.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

META = ('experiment_name', 'epoch', 'iter', 'seed', 'cfg')
"""What is kept of the training that wrote the checkpoint."""


def publish(src: Path, prefix: str = '') -> dict:
    """Read a checkpoint and return its weights and where they come from.

    Args:
        src: The checkpoint.
        prefix: Only names that begin with this count; it is taken off.

    Raises:
        CheckpointError: The file cannot be read, or no name begins with the prefix.
    """
    from sstrack_mm.checkpoints import PRESENCE, read_checkpoint
    from sstrack_mm.weights import find_weights, name_some

    checkpoint = read_checkpoint(src)
    weights = find_weights(checkpoint, src)
    kept = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    if not kept:
        raise CheckpointError(
            f'{src}: no weight begins with {prefix!r}; it has {name_some(list(weights))}'
        )
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    return dict(
        meta={key: meta[key] for key in META if isinstance(meta.get(key), (int, str))}
        | {key: meta[key] for key in (PRESENCE,) if key in meta},
        state_dict=kept,
    )


def average(
    paths: Sequence[Path], weights: Sequence[dict[str, 'Tensor']]
) -> dict[str, 'Tensor']:
    """The mean of several runs' weights; what counts, as batches, is of the first.

    Args:
        paths: The checkpoints' files.
        weights: Their weights by name.

    Raises:
        CheckpointError: The names or the shapes differ.
    """
    import torch

    first = weights[0]
    for path, other in zip(paths, weights, strict=True):
        for name in sorted(first.keys() | other.keys()):
            shapes = [
                str(tuple(of[name].shape)) if name in of else 'not there'
                for of in (first, other)
            ]
            if shapes[0] != shapes[1]:
                raise CheckpointError(
                    f'{path}: no mean with {paths[0]} can be taken, for {name} is '
                    f'{shapes[1]} instead of {shapes[0]}'
                )
    return {
        name: torch.stack([of[name].double() for of in weights]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in first.items()
    }


def main() -> None:
    """Run the command."""
    parser = CommandParser(__doc__)
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument('dst', type=Path, help='checkpoint to write')
    parser.add_argument(
        '--prefix',
        default='',
        help='take the weights alone whose names begin with this, such as ema_',
    )
    parser.add_argument(
        '--half', action='store_true', help='in half precision: half the size'
    )
    parser.add_argument(
        '--average',
        nargs='+',
        default=[],
        type=Path,
        metavar='OTHER',
        help='checkpoints of the same network: write the mean of their weights and of '
        "SRC's, to be calibrated anew (tools/analysis_tools/presence.py)",
    )
    args = parser.parse_args()
    paths = [args.src, *args.average]
    for path in paths:
        check_files(parser, checkpoint=path)
        check_output(parser, args.dst, path)
    from sstrack_mm.checkpoints import PRESENCE, write_checkpoint

    published, *others = [publish(path, args.prefix) for path in paths]
    if others:
        published['meta'].pop(PRESENCE, None)  # it is not that of the mean
        weights = [each['state_dict'] for each in (published, *others)]
        published['state_dict'] = average(paths, weights)
    if args.half:
        published['state_dict'] = {
            name: value.half() if value.is_floating_point() else value
            for name, value in published['state_dict'].items()
        }
    write_checkpoint(published, args.dst)
    print(f'wrote {args.dst}: {len(published["state_dict"])} weights')


if __name__ == '__main__':
    run_command(main)
