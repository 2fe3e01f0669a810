"""What all commands have in common: how they are parsed, and how they end.

Nothing heavy is imported here, and commands import what computes in their ``main``, after
their arguments were read: ``--help`` and a wrong option answer at once.

===========  ========================================================================
exit code    meaning
===========  ========================================================================
0            done
1            it could not be done: the data, a file, the disk (the doctor: problems)
2            the command line is wrong (the doctor: the check could not run)
130, 143     stopped by Ctrl-C, by SIGTERM
===========  ========================================================================
"""

import argparse
import io
import json
import math
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sstrack_mm.errors import ConfigurationError, DataError, DocumentedError

if TYPE_CHECKING:
    from mmengine.config import Config

    from sstrack_mm.apis import Tracker

DEFAULT_MODEL = 'sstrack-tiny'
"""Of the zoo, shipped with the package."""
MEMORY_BUDGET = 512
"""Of each target, where nothing else is said."""

# Warnings about which neither a user nor this project can do anything: of mmcv about the
# published network's layers, of mmengine about classes and about itself.
NOISE = (
    'Unnecessary conv bias before batch/instance norm',
    'has no metainfo. ``dataset_meta`` in visualizer',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'Distributed training is not used, all SyncBatchNorm',
    'paramwise_options -- ',  # three lines for each of the parameters
)
_ERROR_FILE = 'TORCHELASTIC_ERROR_FILE'
_SLURM_ENDS_OTHERS_S = 5


class CommandParser(argparse.ArgumentParser):
    """A parser that shows its description as it stands, with the options of all commands.

    Args:
        description: Usually the command's docstring.
    """

    def __init__(self, description: str | None = None) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        self.register('type', Path, _read_path)
        self.add_argument(
            '--debug', action='store_true', help='show where an error comes from'
        )

    def error(self, message: str) -> NoReturn:
        """End with the usage; a process of ``tools/launch.py`` quietly."""
        if path := os.environ.get(_ERROR_FILE):
            _leave_message(path, message)
            self.exit(2)
        _let_first_process_tell()
        super().error(message)


def _read_path(text: str) -> Path:
    """What ``type=Path`` makes of a text; an empty one would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError('the path is empty; . is the current folder')
    return Path(text)


def run_command(main: Callable[[], int | None], failure: int = 1) -> NoReturn:
    """Run a command, and end the process with one line and a code where it fails.

    What a user can repair (:class:`~sstrack_mm.errors.DocumentedError`, other values
    that cannot be, files, the disk, the memory) is told in a line on standard error; the
    last line, so that it is what one sees. With ``--debug`` there is the traceback
    instead. A process of ``tools/launch.py`` leaves the line to that, which prints it
    once.

    Args:
        main: The command; it returns its exit code, None for 0.
        failure: The exit code where it could not be done.
    """
    # Threads that wait must not spin: beside another busy process an iteration of
    # training took six times as long. Read when torch is imported.
    if os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE') == 'PASSIVE':
        # Asleep at once they cost a tenth of the speed where nothing else runs.
        os.environ.setdefault('GOMP_SPINCOUNT', '1000')
    ignore_noise()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be no UTF-8
        sys.stdout.reconfigure(errors='backslashreplace')
    if _ERROR_FILE not in os.environ:
        signal.signal(signal.SIGTERM, _end_at_sigterm)
    try:
        code = main()
        sys.stdout.flush()
    except BaseException as error:
        if '--debug' in sys.argv[1:]:
            raise
        code = _describe_end(error, failure)
        if code is None:
            raise
    sys.exit(code)


def ignore_noise() -> None:
    """Keep the warnings of :data:`NOISE` off the screen."""
    for message in NOISE:
        warnings.filterwarnings('ignore', message=f'.*{re.escape(message)}')


def _end_at_sigterm(number: int, frame: Any) -> NoReturn:
    """End as after an error: files are closed, and what is half written is removed."""
    sys.exit(128 + number)


def _describe_end(error: BaseException, failure: int) -> int | None:
    """Say in a line what ended a command, and return its exit code; None for a bug."""
    if isinstance(error, BrokenPipeError):  # as of `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, KeyboardInterrupt):
        if _ERROR_FILE not in os.environ:
            _let_first_process_tell()
            print('stopped', file=sys.stderr)
        return 128 + signal.SIGINT
    message = describe_error(error)
    if message is None:
        return None
    sys.stdout.flush()
    if path := os.environ.get(_ERROR_FILE):
        _leave_message(path, message)
    else:
        _let_first_process_tell()
        print(f'error: {message}', file=sys.stderr)
    return failure


def _let_first_process_tell() -> None:
    """Wait in the other processes of Slurm, which ends them all when the first one fails.

    So its line is the only one, but for what went wrong in another process alone.
    """
    if 'slurm' in sys.argv and os.environ.get('SLURM_PROCID', '0') != '0':
        time.sleep(_SLURM_ENDS_OTHERS_S)


def _leave_message(path: str, message: str) -> None:
    """Write why a process ended where torchrun looks for it."""
    content = dict(message=message, timestamp=int(time.time()))
    Path(path).write_text(json.dumps(content), encoding='utf-8')


def describe_error(error: BaseException) -> str | None:
    """What a user is told of an error; None where only its traceback tells enough."""
    text, kind = str(error), type(error).__name__
    if text.startswith('Caught '):  # a data-loading worker adds its own traceback
        text = f'{error}'.rpartition(f'{kind}: ')[2].strip()
    if isinstance(error, DocumentedError):
        return text
    if isinstance(error, OSError):
        named = error.filename is not None and error.strerror is not None
        return f'{error.filename}: {error.strerror}' if named else text
    if isinstance(error, (MemoryError, ValueError)):
        return f'{text or "out of memory"} (--debug shows where)'
    # torch's, which is not imported here
    return text if kind == 'OutOfMemoryError' else None


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


def at_least(minimum: int, at_most: int | None = None) -> Callable[[str], int]:
    """The type of an option that is a whole number in a range."""

    def whole_number(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f'needs {minimum} at least, got {number}')
        if at_most is not None and number > at_most:
            raise argparse.ArgumentTypeError(f'needs {at_most} at most, got {number}')
        return number

    return whole_number


def positive_number(text: str) -> float:
    """The type of an option that is above 0, and finite."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'needs a number above 0, got {number:g}')
    return number


PICTURES = ('.png', '.jpg', '.jpeg', '.pdf', '.svg')
"""Endings of what a figure can be written to."""


def check_output(
    parser: argparse.ArgumentParser,
    out: str | os.PathLike,
    *sources: str | os.PathLike,
    endings: Sequence[str] = (),
) -> None:
    """End the command, with its usage, where a file cannot be written at its end.

    Args:
        parser: The parser of the command line.
        out: The file that is to be written.
        *sources: The files that are read, which it must not overwrite.
        endings: Of its name, one of which it must have; none given allows any.
    """
    path = Path(out)
    if path.is_dir():
        parser.error(f'{out} is a folder; name a file in it')
    for source in sources:
        if path.exists() and os.path.samefile(out, source):
            parser.error(f'{out} is what is read; write to another file')
    if endings and path.suffix.lower() not in endings:
        parser.error(f'{out}: its name must end in {", ".join(endings)}')
    place = path if path.exists() else path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path and not place.is_dir():
        parser.error(f'{out}: {place} is no folder')
    if not os.access(place, os.W_OK):
        parser.error(f'{out}: {place} cannot be written to')


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


def check_files(parser: argparse.ArgumentParser, **paths: str | None) -> None:
    """End the command, with its usage, where a file that was named is missing.

    Args:
        parser: The parser of the command line.
        **paths: By what they are, the files; None for those that were not named.
    """
    for kind, path in paths.items():
        if path is not None and not Path(path).is_file():
            parser.error(f'no such {kind}: {path}')


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

    device = choose_device(args.device)
    model = init_model(args.config, args.checkpoint, device, cfg_options=args.cfg_options)
    budgets = (args.memory_budget, model.settings.memory_budget, MEMORY_BUDGET)
    budget = next(budget for budget in budgets if budget is not None)
    presence = args.presence
    if presence is None:
        presence = model.settings.presence or model.judge is not None
    model.settings = replace(model.settings, memory_budget=budget, presence=presence)
    return model


def choose_device(name: str | None) -> str:
    """The device of this process: the one that was asked for, if it is there.

    Args:
        name: As PyTorch names it; None for a GPU if there is one, else the CPU.

    Raises:
        DataError: It cannot be used.
    """
    import torch

    if name is None:
        if not torch.cuda.is_available():
            return 'cpu'
        return f'cuda:{os.environ.get("LOCAL_RANK", 0)}'
    try:
        torch.ones(1, device=name).cpu()  # `meta` has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f'--device {name} cannot be used here: {reason} (it is cpu, cuda, cuda:1 ...)'
        ) from None
    return name


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
