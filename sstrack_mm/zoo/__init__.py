"""Models by name: their configurations, weights, and what they reach.

``metafile.yml`` beside this file lists them, as ``mim`` reads it. Each has ``Config``, a
file of the repository; ``Weights``, a file in this folder or a URL that is downloaded
once; ``SHA256`` of the weights; and ``Results``. A model whose weights cannot be shipped
has ``Conversion`` in their place: what to do to get them.

    init_model('sstrack-tiny')
    python tools/test.py sstrack-tiny --dataset folder --root data/mine
    python demo/track_video.py clip.mp4 --checkpoint sstrack-tiny --box X Y W H
"""

import hashlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sstrack_mm.disk import cache_folder
from sstrack_mm.errors import DataError

FOLDER = Path(__file__).resolve().parent
METAFILE = FOLDER / 'metafile.yml'


@dataclass(frozen=True)
class ZooModel:
    """One model of the zoo.

    Attributes:
        name: What it is called on a command line.
        config: Its configuration, a file of the repository.
        weights: A file of this folder or a URL; None where there are none.
        sha256: Of the weights.
        conversion: How to get weights that are not shipped; None where they are.
        results: As the metafile has them.
    """

    name: str
    config: str
    weights: str | None
    sha256: str | None
    conversion: str | None
    results: tuple[dict[str, Any], ...]


def list_models(metafile: Path = METAFILE) -> dict[str, ZooModel]:
    """The models by name, in the order of the metafile."""
    content = yaml.safe_load(metafile.read_text(encoding='utf-8'))
    return {
        entry['Name']: ZooModel(
            entry['Name'],
            entry['Config'],
            entry.get('Weights'),
            entry.get('SHA256'),
            entry.get('Conversion'),
            tuple(entry.get('Results', ())),
        )
        for entry in content['Models']
    }


def resolve(
    config: Any, checkpoint: str | None, metafile: Path = METAFILE
) -> tuple[Any, str | None]:
    """Replace names of the zoo by files; all else stays as it is.

    Args:
        config: A configuration, its file, a name of the zoo, or None.
        checkpoint: A file, a name of the zoo, or None.
        metafile: The list of the models.

    Returns:
        tuple[Any, str | None]: The configuration, or its file, and the file of the
        weights. A name as configuration brings its weights with it, and a name as
        checkpoint brings its configuration, where the other one is None.

    Raises:
        DataError: The weights are not shipped, or are not those that the zoo lists; the
            configuration is not there.
    """
    models = list_models(metafile)
    if isinstance(config, str) and config in models:
        checkpoint = config if checkpoint is None else checkpoint
        config = str(find_config(models[config], metafile))
    if checkpoint in models:
        model = models[checkpoint]
        checkpoint = str(find_weights(model, metafile.parent))
        if config is None:
            config = str(find_config(model, metafile))
    return config, checkpoint


def find_config(model: ZooModel, metafile: Path = METAFILE) -> Path:
    """The configuration of a model, in the repository or in an installed package.

    Raises:
        DataError: It is in neither.
    """
    package = metafile.parents[1]
    for root in (package.parent, package / '.mim'):
        if (root / model.config).is_file():
            return root / model.config
    raise DataError(
        f'{model.name}: its configuration {model.config} is missing; install it again'
    )


def find_weights(model: ZooModel, folder: Path = FOLDER) -> Path:
    """The file of a model's weights, which is checked, and downloaded if need be.

    Args:
        model: The model.
        folder: Where files of the zoo are.

    Raises:
        DataError: The weights are not shipped, cannot be had, or have another hash.
    """
    if model.weights is None:
        raise DataError(f'{model.name}: its weights are not shipped. {model.conversion}')
    path = folder / model.weights
    if '://' in model.weights:
        path = cache_folder() / f'{model.sha256}{Path(model.weights).suffix}'
        if not path.is_file():
            _download(model, model.weights, path)
    if not path.is_file():
        raise DataError(f'{model.name}: its weights {path} are missing; install it again')
    _check_hash(model, path)
    return path


def _download(model: ZooModel, url: str, path: Path) -> None:
    """Fetch a model's weights; the file appears when it is complete and right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f'.{os.getpid()}.part')
    try:
        with urllib.request.urlopen(url) as source, part.open('wb') as target:
            shutil.copyfileobj(source, target)
        _check_hash(model, part)
        part.rename(path)
    except OSError as error:
        raise DataError(f'{model.name}: {model.weights}: {error}') from None
    finally:
        part.unlink(missing_ok=True)


def _check_hash(model: ZooModel, path: Path) -> None:
    """Raise DataError unless a file is what the zoo lists."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != model.sha256:
        raise DataError(
            f'{model.name}: {path} is not the file that the zoo lists: its SHA-256 is '
            f'{digest}, not {model.sha256}; install or download it again'
        )
