"""Convert a published SSTrack or ODTrack checkpoint to ours, or back.

    python tools/model_converters/convert_official.py SRC DST [--reverse]

SRC and DST are .pth or .safetensors files.
Every key is accounted for: those without a place in the model are named and kept under
``unused`` in the converted file, from where ``--reverse`` puts them back.
"""

import re
from collections import OrderedDict
from pathlib import Path

from sstrack_mm.command_line import CommandParser, check_output, run_command
from sstrack_mm.errors import CheckpointError

# published name -> ours; i is the layer, from 1 there and from 0 here
BRANCHES = {'ctr': 'score_branch', 'size': 'size_branch', 'offset': 'offset_branch'}
LAYERS = {'0': 'conv', '1': 'bn'}
OFFICIAL = re.compile(r'box_head\.conv([1-5])_(ctr|size|offset)\.(?:([01])\.)?(\w+)')
OURS = re.compile(r'head\.(score|size|offset)_branch\.([0-4])\.(?:(conv|bn)\.)?(\w+)')
# of the plain ViT the published network derives from; its forward pass never uses it
UNUSED = {'backbone.pos_embed'}


def to_ours(key: str) -> str | None:
    """Our name of a published key; None if the model has no place for it."""
    if key in UNUSED:
        return None
    if key.startswith('backbone.'):
        return key
    match = OFFICIAL.fullmatch(key)
    if match is None:
        return None
    index, branch, layer, name = match.groups()
    middle = f'{LAYERS[layer]}.' if layer else ''
    return f'head.{BRANCHES[branch]}.{int(index) - 1}.{middle}{name}'


def to_official(key: str) -> str | None:
    """The published name of one of our keys; None if there is none."""
    if key.startswith('backbone.'):
        return key
    match = OURS.fullmatch(key)
    if match is None:
        return None
    branch, index, layer, name = match.groups()
    branch = 'ctr' if branch == 'score' else branch
    middle = {'conv': '0.', 'bn': '1.', None: ''}[layer]
    return f'box_head.conv{int(index) + 1}_{branch}.{middle}{name}'


def convert(src: Path) -> dict:
    """Read a published checkpoint and return ``{'meta', 'state_dict', 'unused'}``."""
    from sstrack_mm.checkpoints import read_checkpoint
    from sstrack_mm.weights import find_weights, name_some, take_off_prefixes

    checkpoint = read_checkpoint(src)
    net = take_off_prefixes(
        find_weights(checkpoint, src),
        lambda name: name in UNUSED or to_ours(name) is not None,
        src,
    )
    if not any(name.startswith('box_head.') for name in net):
        raise CheckpointError(
            f'{src}: not a published checkpoint, of which some weights are named '
            f'box_head. ...; it has {name_some(list(net), 5)}'
        )
    state_dict, unused = OrderedDict(), OrderedDict()
    for key, value in net.items():
        ours = to_ours(key)
        if ours is None:
            unused[key] = value
        else:
            state_dict[ours] = value
    print(f'{src}: {len(state_dict)} keys converted')
    for key in unused:
        print(f"  no place for {key}: kept under 'unused'")
    meta = {k: v for k, v in checkpoint.items() if type(v) in (int, float, str)}
    return dict(meta=dict(official=meta), state_dict=state_dict, unused=unused)


def reverse(src: Path) -> dict:
    """Read one of our checkpoints and return ``{'net': ..., **meta}``."""
    from sstrack_mm.checkpoints import read_checkpoint
    from sstrack_mm.weights import find_weights, take_off_prefixes

    checkpoint = read_checkpoint(src)
    weights = take_off_prefixes(
        find_weights(checkpoint, src), lambda name: to_official(name) is not None, src
    )
    net = OrderedDict()
    for key, value in weights.items():
        official = to_official(key)
        if official is None:
            raise CheckpointError(
                f'{src}: {key} has no name in a published checkpoint (is it one '
                'already, or was the model trained with another head or stem?)'
            )
        net[official] = value
    net.update(checkpoint.get('unused', {}))
    print(f'{src}: {len(net)} keys converted')
    for key in sorted(UNUSED - set(net)):
        print(
            f'  {key} is not in the file: published code that loads strictly wants it, '
            'though it never uses it'
        )
    meta = checkpoint.get('meta', {})
    return dict(net=net) | (meta.get('official', {}) if isinstance(meta, dict) else {})


def main() -> None:
    """Run the command."""
    parser = CommandParser(__doc__)
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument('dst', type=Path, help='checkpoint to write')
    parser.add_argument(
        '--reverse', action='store_true', help='convert ours to the published form'
    )
    args = parser.parse_args()
    if not args.src.is_file():
        parser.error(f'no such file: {args.src}')
    check_output(parser, args.dst, args.src)
    from sstrack_mm.checkpoints import write_checkpoint

    converted = reverse(args.src) if args.reverse else convert(args.src)
    write_checkpoint(converted, args.dst)
    print(f'wrote {args.dst}')


if __name__ == '__main__':
    run_command(main)
