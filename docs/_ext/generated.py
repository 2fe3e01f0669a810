"""Pages that are made from the code, so that they cannot be out of date.

``reference/configuration.md``: every registered class with its keys, their defaults and
meanings; ``reference/commands.md``: what each command says to ``--help``;
``conventions.md``: the knobs of each convention, and the same boxes under all of them;
``published.md``: the paper's results; ``zoo.md``: the models that come with weights.
"""

import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ('models', 'datasets', 'engine', 'evaluation')
COMMANDS = ('demo', 'tools')
REGISTRIES = {
    'MODELS': 'Networks, heads, losses',
    'DATASETS': 'Datasets and readers',
    'DATA_SAMPLERS': 'Samplers',
    'TRANSFORMS': 'Transforms of clips',
    'TASK_UTILS': 'Proposers',
    'HOOKS': 'Hooks of training',
    'LOOPS': 'Loops',
    'METRICS': 'Metrics',
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect('builder-inited', write_pages)
    return dict(parallel_read_safe=True)


def write_pages(app: Sphinx) -> None:
    """Write all generated pages into the source folder, where they have changed."""
    docs = Path(app.srcdir)
    for name, text in {
        'reference/configuration.md': configuration_page(),
        'reference/commands.md': commands_page(),
        'published.md': published_page(),
        'conventions.md': conventions_page(),
        'zoo.md': zoo_page(),
    }.items():
        path = docs / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def registered_classes() -> dict[str, list[type]]:
    """The classes that this package has in mmtrack's registries, by registry."""
    for package in PACKAGES:
        importlib.import_module(f'sstrack_mm.{package}')
    registry = importlib.import_module('mmtrack.registry')
    found: dict[str, list[type]] = {}
    for name, value in vars(registry).items():
        if not name.isupper():
            continue
        name = name.removeprefix('MMENGINE_')
        ours = {
            cls
            for cls in value.module_dict.values()
            if inspect.isclass(cls) and cls.__module__.startswith('sstrack_mm.')
        }
        if ours:
            found[name] = sorted(ours, key=lambda cls: (cls.__module__, cls.__name__))
    return found


def configuration_page() -> str:
    """Every key of every class that a configuration can name."""
    parts = [
        '# Configuration keys',
        'A configuration names classes by `type`; the other keys are the arguments of '
        'their `__init__`, and whole blocks, such as `model.test_cfg`, are given to the '
        'model. This page is made from the code.',
        *settings_sections(),
    ]
    found = registered_classes()
    assert found.keys() == REGISTRIES.keys(), found.keys()
    for registry, title in REGISTRIES.items():
        parts += [f'## {title}', f'Registered in `{registry}`.']
        for cls in found[registry]:
            parts += [f'### {cls.__name__}', *class_section(cls)]
    return '\n\n'.join(parts) + '\n'


def settings_sections() -> list[str]:
    """The keys of the blocks ``model.test_cfg`` and ``model.train_cfg``."""
    from sstrack_mm.datasets.transforms.synthesis import PasteChange
    from sstrack_mm.models.trackers.sstrack import TRAIN_CFG, SSTrack
    from sstrack_mm.models.trackers.torch_engine import TorchSettings
    from sstrack_mm.tracking.settings import TrackSettings

    tracking = [
        (field.name, field.default, split_google(settings, 'Attributes')[1][field.name])
        for settings in (TrackSettings, TorchSettings)
        for field in fields(settings)
    ]
    meanings = plain(split_google(SSTrack, 'Args')[1]['train_cfg'])
    training = [
        (key, default, re.search(rf'`{key}`:? (.*?)(?= `\w+`: |$)', meanings)[1])
        for key, default in TRAIN_CFG.items()
    ]
    changes = [
        (
            field.name,
            field.default,
            split_google(PasteChange, 'Attributes')[1][field.name],
        )
        for field in fields(PasteChange)
    ]
    return [
        '## How to track: `model.test_cfg`',
        key_table(tracking),
        '## How to learn: `model.train_cfg`',
        key_table(training),
        '## How a pasted target changes: `template_change`, `search_change`',
        'Keys of two arguments of `PasteTarget`.',
        key_table(changes),
        *runtime_sections(),
    ]


def runtime_sections() -> list[str]:
    """What belongs to mmengine, as this package sets it, with the comments there."""
    files = ('default_runtime.py', 'schedules/schedule_150e.py', 'fully_sharded.py')
    parts = [
        "## mmengine's own keys",
        'Runs, hooks, optimisers and schedules are '
        "[mmengine's](https://mmengine.readthedocs.io), as are their keys: "
        '`train_cfg.max_epochs`, `optim_wrapper.optimizer.lr`, `randomness.seed`, '
        '`load_from`, `default_hooks.checkpoint.interval` and so on. The files of '
        '`configs/_base_` set them:',
    ]
    for name in files:
        text = (ROOT / 'configs' / '_base_' / name).read_text().strip()
        parts += [f'`{name}`:', f'```python\n{text}\n```']
    return parts


def key_table(rows: Iterable[tuple[str, Any, str]]) -> str:
    """A table of keys, defaults and meanings."""
    lines = ['| key | default | meaning |', '| --- | --- | --- |']
    lines += [f'| `{key}` | `{value!r}` | {plain(text)} |' for key, value, text in rows]
    return '\n'.join(lines)


def class_section(cls: type) -> list[str]:
    """The purpose of a class and a table of its keys."""
    head, _ = split_google(cls, 'Args')
    keys = keys_of(cls)
    lines = [plain(head.split('\n\n')[0]), f'`{cls.__module__}`']
    if keys:
        rows = [
            f'| `{name}` | {default_of(parameter)} | {plain(meaning)} |'
            for name, (parameter, meaning) in keys.items()
        ]
        lines.append(
            '| key | default | meaning |\n| --- | --- | --- |\n' + '\n'.join(rows)
        )
    return lines


def keys_of(cls: type) -> dict[str, tuple[inspect.Parameter, str]]:
    """The arguments of a class and their meanings.

    Those that it passes on are there, too: to its bases, or to ``passes_on_to``.
    """
    keys: dict[str, tuple[inspect.Parameter, str]] = {}
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__):  # a subclass says what differs
        meanings |= split_google(base, 'Args')[1]
    for base in cls.__mro__:
        if '__init__' not in vars(base):
            continue
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                break
            if name != 'self' and parameter.kind is not parameter.VAR_POSITIONAL:
                keys.setdefault(name, (parameter, meanings.get(name, '')))
        else:  # nothing is passed on
            break
    if taker := getattr(cls, 'passes_on_to', None):
        for name, (parameter, meaning) in keys_of(taker).items():
            if parameter.default is not parameter.empty:  # the others it gives itself
                keys.setdefault(name, (parameter, meaning))
    return keys


def default_of(parameter: inspect.Parameter) -> str:
    """A default value as Markdown."""
    if parameter.default is inspect.Parameter.empty:
        return 'required'
    return f'`{parameter.default!r}`'.replace('|', '\\|')


def split_google(cls: type, section: str) -> tuple[str, dict[str, str]]:
    """The text before a section of a class's docstring, and the meaning of each name."""
    head, _, rest = (inspect.getdoc(cls) or '').partition(f'\n{section}:\n')
    args = re.split(r'\n(?=\S)', rest)[0]
    meanings: dict[str, str] = {}
    for match in re.finditer(r'(?ms)^    (\w+)[^:\n]*: (.*?)(?=^    \S|\Z)', args):
        meanings[match[1]] = ' '.join(match[2].split())
    return head, meanings


def plain(text: str) -> str:
    """A docstring's reStructuredText as Markdown for a table cell."""
    text = re.sub(r':\w+:`~?(?:[\w.]+\.)?([\w]+)`', r'`\1`', text)
    return ' '.join(text.replace('``', '`').replace('|', '\\|').split())


def commands_page() -> str:
    """What each command says to ``--help``."""
    parts = [
        '# Commands',
        'This page is made by asking each command for `--help`; '
        '[shell scripts](#shell-scripts) say it in their first lines.',
    ]
    for folder in COMMANDS:
        for path in sorted((ROOT / folder).rglob('*.py')):
            if 'CommandParser(' not in path.read_text():
                continue
            command = f'python {path.relative_to(ROOT)}'
            result = subprocess.run(
                [sys.executable, str(path), '--help'],
                capture_output=True,
                text=True,
                cwd=ROOT,
                env={**os.environ, 'COLUMNS': '92'},
                check=True,
            )
            parts += [
                f'## {path.relative_to(ROOT)}',
                f'```text\n$ {command} --help\n{result.stdout.strip()}\n```',
            ]
    parts.append('## Shell scripts')
    for path in sorted((ROOT / 'tools').glob('*.sh')):
        first, *lines = path.read_text().splitlines()
        if first == '#!/usr/bin/env bash':  # else it is a part of others
            said = itertools.takewhile(lambda line: line.startswith('#'), lines)
            text = '\n'.join(line.removeprefix('#').removeprefix(' ') for line in said)
            parts += [f'### {path.relative_to(ROOT)}', f'```text\n{text}\n```']
    return '\n\n'.join(parts) + '\n'


def published_page() -> str:
    """The paper's results, from :mod:`sstrack_mm.evaluation.published`."""
    from sstrack_mm.evaluation.published import published_table

    return published_table() + '\n'


def zoo_page() -> str:
    """The models that come with weights, and what was measured of them."""
    from sstrack_mm.zoo import FOLDER, list_models

    lines = ['| model | file | measured |', '| --- | --- | --- |']
    for model in list_models().values():
        if model.weights is None or '://' in model.weights:
            continue
        size = (FOLDER / model.weights).stat().st_size / 1e6
        measured = '; '.join(
            f'{metric} {value} ({result["Dataset"]})'
            for result in model.results
            for metric, value in result['Metrics'].items()
        )
        lines.append(f'| `{model.name}` | {size:.1f} MB | {measured} |')
    return '\n'.join(lines) + '\n'


def conventions_page() -> str:
    """The knobs of each convention, and the same boxes under all of them."""
    from sstrack_mm.evaluation.conventions import CONVENTIONS, Convention

    meanings = split_google(Convention, 'Attributes')[1]
    names = list(CONVENTIONS)
    lines = [
        '| knob | ' + ' | '.join(f'`{name}`' for name in names) + ' |',
        '| --- |' + ' --- |' * len(names),
    ]
    for field in fields(Convention):
        if field.name != 'source':
            values = [shown(getattr(CONVENTIONS[name], field.name)) for name in names]
            lines.append(f'| `{field.name}` | ' + ' | '.join(values) + ' |')
    knobs = '\n'.join(
        f'`{field.name}`\n: {plain(meanings[field.name])}\n'
        for field in fields(Convention)
        if field.name != 'source'
    )
    return '\n\n'.join(['\n'.join(lines), knobs, worked_example(names)]) + '\n'


def shown(value: Any) -> str:
    """A knob's setting: a word, a number, or the name of a test as words."""
    return getattr(value, '__name__', str(value)).replace('_', ' ')


def worked_example(conventions: list[str]) -> str:
    """Two small sequences under every convention, computed now."""
    from sstrack_mm.evaluation import evaluate

    with tempfile.TemporaryDirectory() as folder:
        sequences, predictions = example_sequences(Path(folder))
        rows = [
            (name, evaluate(predictions, sequences, name).metrics) for name in conventions
        ]
    keys = ('auc', 'op50', 'precision', 'norm_precision')
    lines = [
        '**The same boxes.** Two sequences of a target of 40x40 pixels that moves by 4 '
        'pixels a frame. In the first (20 frames) the tracker lags by 8 pixels and the '
        'target is hidden in five; in the second (60 frames) it lags by 2, and one '
        'prediction is empty. In percent:',
        '| convention | ' + ' | '.join(keys) + ' |\n| --- |' + ' --- |' * len(keys),
    ]
    lines[-1] += ''.join(
        f'\n| `{name}` | ' + ' | '.join(f'{metrics[key]:.1f}' for key in keys) + ' |'
        for name, metrics in rows
    )
    lines.append(
        'Take `op50`, the share of frames with more than half an overlap. **PyTracking** '
        'counts the five hidden frames as failures and each sequence the same: the mean '
        'of 15/20 and 60/60. **PySOT** does not fill the empty prediction either: 15/20 '
        'and 59/60. **GOT-10k** leaves the hidden frames and the first ones out and '
        'pools the frames of both: 14 + 58 of 14 + 59. **OTB** looks at the hidden '
        'frames as at any other, and fills the empty prediction: all of them. Nobody is '
        'wrong, and nobody can be compared with another.'
    )
    return '\n\n'.join(lines)


def example_sequences(folder: Path) -> tuple[list, dict[str, np.ndarray]]:
    """The sequences of :func:`worked_example`, and a tracker's boxes on them."""
    from sstrack_mm.structures.sequence import VideoSequence

    image = folder / 'frame.png'
    Image.new('RGB', (640, 480)).save(image)
    sequences, predictions = [], {}
    for name, num_frames, lag in (('hidden', 20, 8), ('empty', 60, 2)):
        x = 100.0 + 4 * np.arange(num_frames)
        gt_xywh = np.stack([x, x, np.full_like(x, 40), np.full_like(x, 40)], axis=1)
        bboxes_xywh = gt_xywh - [lag, 0, 0, 0]
        visible = np.ones(num_frames, dtype=bool)
        if name == 'hidden':
            visible[8:13] = False
        else:
            bboxes_xywh[30, 2:] = 0
        sequences.append(VideoSequence(name, [str(image)] * num_frames, gt_xywh, visible))
        predictions[name] = bboxes_xywh
    return sequences, predictions
