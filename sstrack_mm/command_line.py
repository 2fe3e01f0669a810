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
from pathlib import Path
from typing import Any, NoReturn

from sstrack_mm.errors import DocumentedError

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
        # Asleep at once they cost a tenth and more of the speed where nothing else runs
        # (docs/benchmarks.md says what other counts cost, with and without).
        os.environ.setdefault('GOMP_SPINCOUNT', '30000')
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


seed = at_least(0, at_most=2**32 - 1)
"""The type of an option that is a seed, as NumPy and mmengine take them."""


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


def check_files(parser: argparse.ArgumentParser, **paths: str | None) -> None:
    """End the command, with its usage, where a file that was named is missing.

    Args:
        parser: The parser of the command line.
        **paths: By what they are, the files; None for those that were not named.
    """
    for kind, path in paths.items():
        if path is not None and not Path(path).is_file():
            parser.error(f'no such {kind}: {path}')
