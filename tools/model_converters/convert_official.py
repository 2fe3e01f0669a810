"""Convert a published SSTrack or ODTrack checkpoint to ours, or back.

    python tools/model_converters/convert_official.py SRC DST [--reverse]

Every key is accounted for: those without a place in the model are named and kept under
``unused`` in the converted file, from where ``--reverse`` puts them back.
"""

import pickle
import re
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sstrack_mm.command_line import CommandParser, run_command

# published name -> ours; i is the layer, from 1 there and from 0 here
BRANCHES = {'ctr': 'score_branch', 'size': 'size_branch', 'offset': 'offset_branch'}
LAYERS = {'0': 'conv', '1': 'bn'}
OFFICIAL = re.compile(r'box_head\.conv([1-5])_(ctr|size|offset)\.(?:([01])\.)?(\w+)')
OURS = re.compile(r'head\.(score|size|offset)_branch\.([0-4])\.(?:(conv|bn)\.)?(\w+)')
# of the plain ViT the published network derives from; its forward pass never uses it
UNUSED = {'backbone.pos_embed'}


# what torch and pickle raise on files that are no checkpoint
BROKEN = (
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


class _Inert:
    """Takes the place of any pickled class that is no tensor: no code of it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Take an item, as a list would."""

    def extend(self, items: Any) -> None:
        """Take items, as a list would."""

    def add(self, item: Any) -> None:
        """Take an item, as a set would."""


class _TensorsOnly(pickle.Unpickler):
    """Unpickles tensors and containers; everything else becomes :class:`_Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        import torch

        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if module == 'torch._utils' and name in (
            '_rebuild_tensor_v2',
            '_rebuild_parameter',
        ):
            return getattr(torch._utils, name)
        if module == 'torch' and name.endswith('Storage'):
            return getattr(torch, name)
        return type(name, (_Inert,), {})


def load_tensors(path: Path) -> dict:
    """Load a checkpoint without running any code that it may carry.

    Published checkpoints also hold the trainer's own objects (settings, statistics),
    which torch refuses to unpickle; they are read as inert placeholders.
    """
    import torch

    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError:
        return _load_inert(path)
    except BROKEN as error:
        raise SystemExit(f'{path}: not a checkpoint, or cut short ({error})') from None


def _load_inert(path: Path) -> dict:
    """Load a checkpoint with placeholders for all that is no tensor."""
    import torch

    module = SimpleNamespace(
        __name__='tensors_only',
        Unpickler=_TensorsOnly,
        load=lambda file, **kwargs: _TensorsOnly(file, **kwargs).load(),
    )
    try:
        return torch.load(
            path, map_location='cpu', weights_only=False, pickle_module=module
        )
    except BROKEN as error:
        raise SystemExit(f'{path}: not a checkpoint, or cut short ({error})') from None


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
    """Read ``{'net': ...}`` and return ``{'meta', 'state_dict', 'unused'}``."""
    checkpoint = load_tensors(src)
    if 'net' not in checkpoint:
        raise SystemExit(
            f"{src}: no 'net' in it (it has {sorted(checkpoint)}); expected a "
            "published checkpoint {'net': state_dict}"
        )
    state_dict, unused = OrderedDict(), OrderedDict()
    for key, value in checkpoint['net'].items():
        ours = to_ours(key)
        if ours is None:
            unused[key] = value
        else:
            state_dict[ours] = value
    if not any(key.startswith('head.') for key in state_dict):
        raise SystemExit(
            f'{src}: none of its keys belong to a box head; they are '
            f'{list(checkpoint["net"])[:5]} ...'
        )
    print(f'{src}: {len(state_dict)} keys converted')
    for key in unused:
        print(f"  no place for {key}: kept under 'unused'")
    meta = {k: v for k, v in checkpoint.items() if isinstance(v, (int, float, str))}
    return dict(meta=dict(official=meta), state_dict=state_dict, unused=unused)


def reverse(src: Path) -> dict:
    """Read one of our checkpoints and return ``{'net': ..., **meta}``."""
    checkpoint = load_tensors(src)
    if 'state_dict' not in checkpoint:
        raise SystemExit(
            f"{src}: no 'state_dict' in it (it has {sorted(checkpoint)}); "
            'expected a checkpoint of this project'
        )
    net = OrderedDict()
    for key, value in checkpoint['state_dict'].items():
        official = to_official(key)
        if official is None:
            raise SystemExit(
                f'{src}: {key} has no name in a published checkpoint (was the '
                'model trained with another head or stem?)'
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
    import torch

    converted = reverse(args.src) if args.reverse else convert(args.src)
    args.dst.parent.mkdir(parents=True, exist_ok=True)
    torch.save(converted, args.dst)
    print(f'wrote {args.dst}')


if __name__ == '__main__':
    run_command(main)
