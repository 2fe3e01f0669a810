"""Arguments that several commands have, and what they become: a configuration, a tracker.

As in :mod:`sstrack_mm.command_line`, nothing heavy is imported before it is needed.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import check_files
from sstrack_mm.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config

    from sstrack_mm.apis import Tracker
    from sstrack_mm.tracking import TrackSettings

DEFAULT_MODEL = 'sstrack-tiny'
"""Of the zoo, shipped with the package."""
MEMORY_BUDGET = 512
"""Of each target, where nothing else is said."""


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration, changes of it, and what launchers of processes need."""
    parser.add_argument('config', help='configuration file, or a name of the zoo')
    add_cfg_options(parser, 'model.backbone.init_cfg=None')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none'
    )
    # torch.distributed.launch passes it; torchrun sets the variable instead
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS
    )


class _OptionAction(argparse.Action):
    """Collects ``KEY=VALUE`` in a dict, with values as mmengine reads them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            options = parse_options(values or ())
        except DataError as error:
            parser.error(f'{option_string}: {error}')
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), **options})


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Changes of a configuration from ``KEY=VALUE`` texts.

    A value is a number, ``true``, ``false``, ``None``, text, or a list of these.

    Raises:
        ConfigurationError: A text is not of that form.
    """
    from mmengine.config import DictAction

    options = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not (key and equals):
            raise ConfigurationError(f'expected KEY=VALUE, got {text!r}')
        try:
            options[key] = DictAction._parse_iterable(value)
        except AssertionError as error:
            raise ConfigurationError(f'{text}: {error}') from None
    return options


def add_cfg_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add changes of the configuration, with an example in the help."""
    parser.add_argument(
        '--cfg-options',
        nargs='*',
        action=_OptionAction,
        default={},
        metavar='KEY=VALUE',
        help=f'override settings, e.g. {example}',
    )


def add_skipping(parser: argparse.ArgumentParser, missing: bool = True) -> None:
    """Add what to do about data and results that cannot be used, or are not there.

    Args:
        parser: The parser.
        missing: Whether results may be missing.
    """
    parser.add_argument(
        '--skip-bad',
        action='store_true',
        help='go on without the videos and results that cannot be used (they are listed)',
    )
    if missing:
        parser.add_argument(
            '--missing',
            choices=['error', 'skip'],
            help='what to do about sequences without results (default: error; with '
            '--skip-bad: skip)',
        )


def choose_missing(args: argparse.Namespace) -> str:
    """What to do about sequences without results."""
    return args.missing or ('skip' if args.skip_bad else 'error')


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the device."""
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')


def find_models(args: argparse.Namespace) -> None:
    """Replace names of the zoo in ``args.config`` and ``args.checkpoint`` by files.

    Raises:
        DataError: As :func:`sstrack_mm.zoo.resolve`.
    """
    from sstrack_mm.zoo import resolve

    args.config, args.checkpoint = resolve(args.config, args.checkpoint)


def find_configuration(args: argparse.Namespace) -> None:
    """Replace a name of the zoo in ``args.config``, of which no weights are needed.

    Raises:
        DataError: As :func:`sstrack_mm.zoo.find_config`.
    """
    from sstrack_mm.zoo import find_config, list_models

    if model := list_models().get(args.config):
        args.config = str(find_config(model))


def add_tracker(parser: argparse.ArgumentParser) -> None:
    """Add what tracks: the model that is shipped, unless another one is named."""
    parser.add_argument(
        '--config',
        help='needed unless the checkpoint is of the zoo, or an ONNX file',
    )
    parser.add_argument(
        '--checkpoint',
        default=DEFAULT_MODEL,
        help='weights, an ONNX file of tools/export_onnx.py, or a name of the zoo '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--memory-budget',
        type=int,
        help='template crops to keep of each target at most (default: the '
        f"configuration's, else {MEMORY_BUDGET})",
    )
    add_presence(parser, 'where the checkpoint is calibrated for it')
    add_cfg_options(parser, 'model.test_cfg.dtype=bfloat16')
    add_device(parser)


def add_presence(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the switch of :mod:`sstrack_mm.tracking.presence`, None unless it is given."""
    parser.add_argument(
        '--presence',
        action=argparse.BooleanOptionalAction,
        help='judge each frame: give a confidence, know when a target is lost, and '
        f'search for it (default: {default})',
    )


def check_tracker(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Find the files of what tracks; end the command, with its usage, without them.

    Raises:
        DataError: As :func:`sstrack_mm.zoo.resolve`.
    """
    find_models(args)
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    if args.config is None and not args.checkpoint.endswith('.onnx'):
        parser.error(
            '--config is needed, unless --checkpoint is of the zoo or an ONNX file'
        )


def load_tracker(args: argparse.Namespace) -> 'Tracker':
    """Load what tracks, with a bound on its memory: a video may be endless."""
    from sstrack_mm.apis import init_model

    model = init_model(args.config, args.checkpoint, args.device, args.cfg_options)
    model.settings = choose_settings(model, args.memory_budget, args.presence)
    return model


def choose_settings(
    model: 'Tracker', memory_budget: int | None = None, presence: bool | None = None
) -> 'TrackSettings':
    """How a model tracks in a video that may be endless, and judges where it can.

    Args:
        model: What tracks.
        memory_budget: None for the model's own, else :data:`MEMORY_BUDGET`.
        presence: None for yes where the model wants it, or is calibrated for it.
    """
    budgets = (memory_budget, model.settings.memory_budget, MEMORY_BUDGET)
    budget = next(budget for budget in budgets if budget is not None)
    if presence is None:
        presence = model.settings.presence or model.judge is not None
    return replace(model.settings, memory_budget=budget, presence=presence)


def load_config(args: argparse.Namespace) -> 'Config':
    """The configuration with the changes of the command line.

    The rank that a launcher gives as an argument is put where mmengine looks for it.

    Raises:
        DataError: The process was not started by the launcher that is named.
    """
    from sstrack_mm.configuration import read_config

    launcher = getattr(args, 'launcher', 'none')
    variable = dict(pytorch='RANK', slurm='SLURM_PROCID').get(launcher)
    if variable and variable not in os.environ:
        script = 'dist' if launcher == 'pytorch' else 'slurm'
        raise DataError(
            f'--launcher {launcher}: {variable} is not set, so this process was not '
            f'started by it; use tools/{script}_*.sh'
        )
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return read_config(args.config, args.cfg_options)


def load_training_config(args: argparse.Namespace) -> 'Config':
    """As :func:`load_config`, of a configuration that trains.

    Raises:
        ConfigurationError: It has no training data.
    """
    cfg = load_config(args)
    if 'train_dataloader' not in cfg:
        raise ConfigurationError(
            f'{args.config}: has no train_dataloader, so it tracks and does not train; '
            'name a configuration of training, as those in configs/'
        )
    return cfg
