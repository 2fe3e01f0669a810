"""The exceptions that users of the package may want to catch.

Each has a section of its name in ``docs/troubleshooting.md``, which its message names.
"""

import contextlib
from collections.abc import Iterator


class DocumentedError(Exception):
    """Its text ends with its section of the manual; inside of an f-string it does not."""

    def __str__(self) -> str:
        return f'{self} (see docs/troubleshooting.md#{type(self).__name__.lower()})'

    def __format__(self, spec: str) -> str:
        return format(super().__str__(), spec)


class DataError(DocumentedError, ValueError):
    """What was given is not as it must be; the message shows it, and the way out."""


class CheckpointError(DataError):
    """A checkpoint cannot be read, or is of another model or another run."""


class ConfigurationError(DataError):
    """A configuration has no such key, or a key has no such value."""


class RequirementError(DataError):
    """Something optional is not installed."""


class LossError(DocumentedError, FloatingPointError):
    """Training diverges: the loss, or what the network predicts, is not a number.

    Attributes:
        remedy: What to try, for the message.
    """

    remedy = (
        'The last checkpoint is untouched: resume from it without --amp, or start anew '
        'from its weights (load_from) with a lower learning rate '
        '(optim_wrapper.optimizer.lr)'
    )


class StoreError(DocumentedError, OSError):
    """A server of data does not answer."""


@contextlib.contextmanager
def optional_requirements(purpose: str, group: str = 'optional') -> Iterator[None]:
    """Import what not everybody installs; its absence says what to install.

    Args:
        purpose: What it is for.
        group: The file in ``requirements/`` that lists it.

    Raises:
        RequirementError: An import inside this context fails.
    """
    try:
        yield
    except ImportError as error:
        raise RequirementError(
            f'{error}; for {purpose}: pip install -r requirements/{group}.txt'
        ) from None
