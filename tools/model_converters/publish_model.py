"""Write the weights of a checkpoint alone, without the state of training.

    python tools/model_converters/publish_model.py SRC DST.safetensors [--half]

DST is a .safetensors file, or a .pth file about a third the size of the training's.
"""

from pathlib import Path

from sstrack_mm.command_line import CommandParser, check_files, check_output, run_command
from sstrack_mm.errors import CheckpointError

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
    args = parser.parse_args()
    check_files(parser, checkpoint=args.src)
    check_output(parser, args.dst, args.src)
    from sstrack_mm.checkpoints import write_checkpoint

    published = publish(args.src, args.prefix)
    if args.half:
        published['state_dict'] = {
            name: value.half() if value.is_floating_point() else value
            for name, value in published['state_dict'].items()
        }
    write_checkpoint(published, args.dst)
    print(f'wrote {args.dst}: {len(published["state_dict"])} weights')


if __name__ == '__main__':
    run_command(main)
