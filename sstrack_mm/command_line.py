"""What the commands that take a configuration have in common."""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration, changes of it, and what launchers of processes need."""
    parser.add_argument('config', help='configuration file')
    add_cfg_options(parser, 'model.backbone.init_cfg=None')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none'
    )
    # torch.distributed.launch passes it; torchrun sets the variable instead
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS
    )


def add_cfg_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add changes of the configuration, with an example in the help."""
    parser.add_argument(
        '--cfg-options',
        nargs='*',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help=f'override settings, e.g. {example}',
    )


def check_files(parser: argparse.ArgumentParser, **paths: str | None) -> None:
    """End the command, with its usage, where a file that was named is missing.

    Args:
        parser: The parser of the command line.
        **paths: By what they are, the files; None for those that were not named.
    """
    for kind, path in paths.items():
        if path is not None and not Path(path).is_file():
            parser.error(f'no such {kind}: {path}')


def load_config(args: argparse.Namespace) -> Config:
    """The configuration with the changes of the command line.

    The rank that a launcher gives as an argument is put where mmengine looks for it.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    return cfg
