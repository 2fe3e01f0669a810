"""The exceptions that users of the package may want to catch."""

import contextlib
from collections.abc import Iterator


class DataError(ValueError):
    """Data on disk is not as it must be; the message names the file and the way out."""


@contextlib.contextmanager
def optional_requirements(purpose: str, group: str = 'optional') -> Iterator[None]:
    """Import what not everybody installs; its absence says what to install.

    Args:
        purpose: What it is for.
        group: The file in ``requirements/`` that lists it.

    Raises:
        DataError: An import inside this context fails.
    """
    try:
        yield
    except ImportError as error:
        raise DataError(
            f'{error}; for {purpose}: pip install -r requirements/{group}.txt'
        ) from None
