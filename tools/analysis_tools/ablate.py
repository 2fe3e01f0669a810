#!/usr/bin/env python
"""Train variants of a configuration on procedural video, and say what each was worth.

    python tools/analysis_tools/ablate.py configs/studies/claims.py --out work_dirs/claims

Every variant of the study is trained with every seed, and tracks the same test videos.
OUT/table.md has for each the AUC (mean over the seeds), and how far it is from that of
the first variant, with a 95 % interval over the test videos; at the end stands that of
the first box, kept where it was. Run it again to go on after an interruption: what is
finished is not done again.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import CommandParser, check_files, run_command
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from sstrack_mm.evaluation import Report
    from sstrack_mm.structures.sequence import VideoSequence

TOOLS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Variant:
    """One row of a study.

    Attributes:
        config: Configuration file.
        options: ``KEY=VALUE`` changes of it, for training and tracking.
        test_options: Changes for tracking alone; a variant with such is the first one,
            its weights too, tracked in another way.
        footage: Folder under OUT/data that ``$SSTRACK_VIDEO_ROOT`` names.
    """

    config: str
    options: tuple[str, ...] = ()
    test_options: tuple[str, ...] = ()
    footage: str = 'videos'


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        videos: Options of make_synthetic.py by name, e.g. ``videos``, ``frames``.
        seeds: Seeds of training.
        variants: By name; the first is what the others are compared with.
    """

    videos: dict[str, Any]
    seeds: tuple[int, ...]
    variants: dict[str, Variant]


def read_study(path: str) -> Study:
    """Read a study: ``config``, ``options`` of all variants, ``variants``, ``videos``.

    Raises:
        DataError: Something is missing, or a variant has a key that none has.
    """
    from sstrack_mm.configuration import read_config

    settings = read_config(path).to_dict()
    missing = {'config', 'options', 'variants', 'videos', 'seeds'} - set(settings)
    if missing:
        raise DataError(f'{path}: a study needs {", ".join(sorted(missing))}, too')
    shared = tuple(settings['options'])
    variants: dict[str, Variant] = {}
    for name, keys in settings['variants'].items():
        try:
            variant = Variant(**dict(dict(config=settings['config']), **keys))
        except TypeError:
            known = ', '.join(Variant.__dataclass_fields__)
            raise DataError(f'{path}: {name}: {keys}; the keys are {known}') from None
        if variant.test_options:
            first = next(iter(variants.values()))
            variants[name] = replace(first, test_options=tuple(variant.test_options))
        else:
            variants[name] = replace(variant, options=(*shared, *variant.options))
    return Study(settings['videos'], tuple(settings['seeds']), variants)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('study', help='what is compared, as configs/studies/claims.py')
    parser.add_argument('--out', type=Path, required=True, help='folder to work in')
    args = parser.parse_args()
    check_files(parser, study=args.study)
    return args


def run(log: Path, command: list[Any], **environment: str) -> None:
    """Run one of the project's commands, with its output in a file.

    Raises:
        DataError: It failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('w') as output:
        result = subprocess.run(
            [sys.executable, *(str(word) for word in command)],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if result.returncode:
        raise DataError(f'{log}: the command failed; its last lines say why')


def make_videos(out: Path, options: dict[str, Any]) -> None:
    """Generate the videos with boxes, and the same training videos as files without."""
    import numpy as np

    words = [
        word
        for name, value in options.items()
        for word in (f'--{name.replace("_", "-")}', *np.atleast_1d(value))
    ]
    make = [TOOLS / 'dataset_tools' / 'make_synthetic.py', out / 'data', *words]
    for kind, extra in (('got10k', ['--val-videos', '2']), ('videos', ['--video'])):
        if not (out / f'{kind}.log').is_file() or not (out / 'data' / kind).is_dir():
            run(out / f'{kind}.log', [*make, *extra, '--overwrite'])


def train(folder: Path, variant: Variant, seed: int, data: Path) -> None:
    """Train, or go on."""
    options = [f'randomness.seed={seed}', *variant.options]
    start = time.perf_counter()
    command = [TOOLS / 'train.py', variant.config, '--work-dir', folder, '--resume']
    run(
        folder / 'train.log',
        [*command, '--cfg-options', *options],
        SSTRACK_DATA_ROOT=str(data),
        SSTRACK_VIDEO_ROOT=str(data / variant.footage),
    )
    print(f'trained in {time.perf_counter() - start:.0f} s', end=', ', flush=True)


def track(folder: Path, variant: Variant, checkpoint: Path, data: Path) -> None:
    """Track the test videos of the labelled data, into the folder ``tracked``."""
    which = ['--dataset', 'got10k_test', '--root', data / 'got10k']
    words = [*which, '--eval', 'OPE', '--out', folder / 'tracked']
    options = [*variant.options, *variant.test_options]
    run(
        folder / 'test.log',
        [
            TOOLS / 'test.py',
            variant.config,
            checkpoint,
            *words,
            *(['--cfg-options', *options] if options else []),
        ],
        SSTRACK_DATA_ROOT=str(data),
        SSTRACK_VIDEO_ROOT=str(data / variant.footage),
    )


def load_test_videos(data: Path) -> 'list[VideoSequence]':
    """The test videos with their true boxes."""
    from sstrack_mm.datasets import GOT10kSequences

    return GOT10kSequences(data_root=str(data / 'got10k'), split='test').sequences()


def stand_still(data: Path) -> 'Report':
    """The evaluation of first boxes that stay where they are."""
    import numpy as np

    from sstrack_mm.evaluation import evaluate

    videos = load_test_videos(data)
    boxes = {one.name: np.tile(one.gt_xywh[:1], (len(one), 1)) for one in videos}
    return evaluate(boxes, videos)


def run_variant(out: Path, name: str, study: Study, seed: int) -> 'Report':
    """Train and track one variant with one seed, unless that was done before."""
    from sstrack_mm.evaluation import evaluate
    from sstrack_mm.evaluation.results import load_results

    first = next(iter(study.variants))
    variant, data = study.variants[name], out / 'data'
    folder = out / _slug(name) / f'seed_{seed}'
    weights = out / _slug(first) / f'seed_{seed}' if variant.test_options else folder
    print(f'{name}, seed {seed}:', end=' ', flush=True)
    with once(weights / 'trained.txt', variant.options) as due:
        if due:
            train(weights, variant, seed, data)
    checkpoint = Path((weights / 'last_checkpoint').read_text())
    with once(folder / 'tracked.txt', variant.options + variant.test_options) as due:
        if due:
            track(folder, variant, checkpoint, data)
    report = evaluate(
        load_results(folder / 'tracked').bboxes_xywh, load_test_videos(data)
    )
    print(f'AUC {report.metrics["auc"]:.1f} %', flush=True)
    return report


@contextmanager
def once(note: Path, options: tuple[str, ...]) -> Iterator[bool]:
    """Tell whether a step is still to be done; note it when it is.

    Raises:
        DataError: It was done with other options.
    """
    text = '\n'.join(options)
    if due := not note.is_file():
        yield due
        write_atomically(note, text)
        return
    if note.read_text() != text:
        raise DataError(
            f'{note}: it was done with other options; remove the folder, or change OUT'
        )
    yield due


def _slug(name: str) -> str:
    return '_'.join(''.join(c if c.isalnum() else ' ' for c in name).split())


def mean_report(reports: list['Report']) -> 'Report':
    """The evaluation of the mean over several trainings, sequence by sequence."""
    import numpy as np

    values = {
        metric: np.mean([report.values[metric] for report in reports], axis=0)
        for metric in reports[0].values
    }
    return replace(reports[0], values=values)


def make_table(reports: dict[str, list['Report']]) -> str:
    """A Markdown table of the variants that were run, with what each is worth."""
    import numpy as np
    from tabulate import tabulate

    from sstrack_mm.evaluation.report import paired_difference

    rows: list[tuple[str, ...]] = []
    first = next(iter(reports))
    for name, runs in reports.items():
        aucs = np.array([report.metrics['auc'] for report in runs])
        row = [name, f'{aucs.mean():.1f}', ' '.join(f'{auc:.1f}' for auc in aucs)]
        baseline = mean_report(reports[first][: len(runs)])
        gain = paired_difference(mean_report(runs), baseline)['auc']
        difference = f'{gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})'
        rows.append((*row, '' if name == first else difference))
    headers = ['variant', 'AUC, %', 'of each seed', 'against the first']
    return tabulate(rows, headers, tablefmt='github', disable_numparse=True)


def main() -> None:
    """Run the command."""
    args = parse_args()
    study = read_study(args.study)
    make_videos(args.out, study.videos)
    reports: dict[str, list[Report]] = {}
    for seed in study.seeds:
        for name in study.variants:
            report = run_variant(args.out, name, study, seed)
            reports.setdefault(name, []).append(report)
            still = {'(the first box, kept)': [stand_still(args.out / 'data')]}
            write_atomically(args.out / 'table.md', make_table(reports | still) + '\n')
    print((args.out / 'table.md').read_text())


if __name__ == '__main__':
    run_command(main)
