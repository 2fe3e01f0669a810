"""What made a set of results: described, named, and compared."""

import hashlib
import json
import os
import platform
from importlib import metadata
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2

from sstrack_mm.errors import DataError
from sstrack_mm.version import __version__


def describe_run(
    config: str,
    checkpoint: str | os.PathLike | None,
    device: str,
    seed: int | None,
    **more: Any,
) -> dict:
    """What made a set of results, for :class:`RunFolder`.

    It has to come out the same when an interrupted run is started again, so it holds
    no dates and no paths.

    Args:
        config: Text of the whole configuration.
        checkpoint: The file of the weights, of which the content counts; None where
            there are none.
        device: Kind of device (``cpu``, ``cuda``), the same for all processes.
        seed: The seed.
        **more: Anything else that changes the results, as JSON takes it.

    Returns:
        dict: The description.

    Raises:
        DataError: The checkpoint cannot be read.
    """
    versions = dict(
        python=platform.python_version(), sstrack_mm=__version__, opencv=cv2.__version__
    )
    for library in ('mmengine', 'mmtrack', 'numpy', 'timm', 'torch'):
        versions[library] = metadata.version(library)
    return dict(
        config=config,
        device=device,
        seed=seed,
        versions=versions,
        checkpoint_sha256=None if checkpoint is None else _file_sha256(checkpoint),
        **more,
    )


def _file_sha256(path: str | os.PathLike) -> str:
    try:
        with open(path, 'rb') as file:
            # In pieces: a checkpoint can be large.
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f'{path}: the checkpoint cannot be read: {error}') from None
    return digest.hexdigest()


def read_run_info(folder: str | os.PathLike) -> dict | None:
    """The description of the run that made a results folder; None where it has none.

    Raises:
        DataError: ``run.json`` is not what a run writes.
    """
    path = Path(folder) / 'run.json'
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise DataError(f'{path}: not the description of a run: {error}') from None


def format_run_info(run_info: dict) -> str:
    """The description of a run as ``run.json`` holds it."""
    return json.dumps(run_info, indent=2, sort_keys=True)


def run_identity(run_info: dict) -> str:
    """A short name for a run: the same for equal descriptions."""
    return text_sha256(format_run_info(run_info))[:16]


def text_sha256(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe_differences(first: dict, second: dict) -> str:
    """A sentence that lists the keys in which two runs differ, with both values."""
    old, new = _flatten(first), _flatten(second)
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    shown = []
    for key in keys:
        there, here = _first_difference(old.get(key), new.get(key))
        shown.append(f'{key} ({_shorten(there)} there, {_shorten(here)} here)')
    return f'They differ in {", ".join(shown)}.'


def _first_difference(first: Any, second: Any) -> tuple[Any, Any]:
    """Two values, or of two texts the first lines that differ."""
    if isinstance(first, str) and isinstance(second, str):
        for lines in zip_longest(first.splitlines(), second.splitlines()):
            if lines[0] != lines[1]:
                return lines
    return first, second


def _flatten(info: dict, prefix: str = '') -> dict[str, Any]:
    flat = {}
    for key, value in info.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f'{prefix}{key}.'))
        else:
            flat[prefix + key] = value
    return flat


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:56]}...'
