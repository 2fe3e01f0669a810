"""Generate videos, train on them without box labels, and show what was learned.

    bash tools/quickstart.sh

Everything is written to WORK_DIR: summary.json, success.png, tracking.mp4, picture.png,
the data, the checkpoint and the tracked boxes.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import CommandParser, run_command, seed
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from sstrack_mm.evaluation import Report
    from sstrack_mm.evaluation.results import Results
    from sstrack_mm.structures.sequence import VideoSequence

TOOLS = Path(__file__).resolve().parent
CONFIG = TOOLS.parent / 'configs' / 'sstrack_tiny_synthetic.py'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    parser.add_argument(
        '--seed',
        type=seed,
        default=0,
        help='of the videos, the weights and the clips (default: 0)',
    )
    parser.add_argument('--videos', type=int, default=240, help='training videos')
    parser.add_argument('--test-videos', type=int, default=24)
    parser.add_argument('--frames', type=int, default=30, help='frames of each video')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='changes to the configuration, as of train.py',
    )
    args = parser.parse_args()
    for name in ('videos', 'test_videos', 'frames'):
        if getattr(args, name) < 2:
            parser.error(
                f'--{name.replace("_", "-")} must be at least 2, but got '
                f'{getattr(args, name)}'
            )
    return args


def run(step: str, *command: Any, **environment: str) -> float:
    """Run one of the project's commands, and return the seconds it took."""
    words = [str(word) for word in command]
    print(f'\n{step}\n$ {shlex.join(["python", *words])}', flush=True)
    start = time.perf_counter()
    quiet = dict(PYTHONWARNINGS='ignore')
    result = subprocess.run(
        [sys.executable, *words], env={**os.environ, **quiet, **environment}
    )
    if result.returncode:
        raise DataError(f'{step}: the command above failed')
    return time.perf_counter() - start


def test(
    step: str, args: argparse.Namespace, out: Path, checkpoint: Path | None = None
) -> None:
    """Track the test videos with tools/test.py."""
    weights = [] if checkpoint is None else [checkpoint]
    run(
        step,
        TOOLS / 'test.py',
        CONFIG,
        *weights,
        '--eval',
        'OPE',
        '--seed',
        args.seed,
        '--out',
        out,
        '--cfg-options',
        *args.cfg_options,
        SSTRACK_DATA_ROOT=str(args.work_dir / 'data'),
    )


def train(args: argparse.Namespace) -> tuple[Path, float, int]:
    """Train; return the checkpoint, the seconds and the number of clips seen."""
    folder = args.work_dir / 'training'
    seconds = run(
        'Training without box labels',
        TOOLS / 'train.py',
        CONFIG,
        '--work-dir',
        folder,
        '--cfg-options',
        f'randomness.seed={args.seed}',
        'log_level=WARNING',
        'default_hooks.progress.type=ProgressBarHook',
        *args.cfg_options,
        SSTRACK_DATA_ROOT=str(args.work_dir / 'data'),
    )
    from mmengine.config import Config

    config = Config.fromfile(folder / CONFIG.name)  # as it was run
    loader = config.train_dataloader
    iterations = loader.sampler.samples_per_epoch // loader.batch_size
    samples = config.train_cfg.max_epochs * iterations * loader.batch_size
    return Path((folder / 'last_checkpoint').read_text()), seconds, samples


def load_sequences(data: Path) -> 'list[VideoSequence]':
    """The test videos with their true boxes."""
    from sstrack_mm.datasets import GOT10kSequences

    dataset = GOT10kSequences(data_root=str(data / 'got10k'), split='test')
    return dataset.sequences()


def draw_frames(sequence: 'VideoSequence', results: 'Results') -> 'Iterator[np.ndarray]':
    """The frames of a test video with the true and the predicted boxes."""
    from sstrack_mm.frames import read_image
    from sstrack_mm.visualization.draw import draw_boxes

    bboxes, scores = results.bboxes_xywh[sequence.name], results.scores[sequence.name]
    for index, path in enumerate(sequence.frame_paths):
        boxes = {'true': sequence.gt_xywh[index], 'SSTrack': bboxes[index]}
        yield draw_boxes(read_image(path), boxes, score=scores[index], frame_id=index)


def draw_results(
    args: argparse.Namespace,
    sequences: 'list[VideoSequence]',
    reports: 'dict[str, Report]',
    results: 'Results',
) -> dict[str, Path]:
    """Draw the plot, the video and the picture; return where they are."""
    import cv2
    import numpy as np

    from sstrack_mm.visualization.draw import filmstrip
    from sstrack_mm.visualization.plots import plot_success
    from sstrack_mm.visualization.video_writer import write_video

    paths = {
        name: args.work_dir / name
        for name in ('success.png', 'tracking.mp4', 'picture.png')
    }
    plot_success(reports, paths['success.png'])
    # The video in the middle of the ranking shows what to expect, neither the best
    # nor the worst.
    order = np.argsort(reports['trained'].values['auc'])[::-1]
    typical = sequences[order[len(order) // 2]]
    write_video(paths['tracking.mp4'], draw_frames(typical, results))
    strips = [
        filmstrip(
            [
                list(draw_frames(sequences[place], results))[i]
                for i in np.linspace(0, len(sequences[place]) - 1, 5, dtype=int)
            ]
        )
        for place in order[1:7:2]
    ]
    picture = np.concatenate(strips)
    cv2.imwrite(str(paths['picture.png']), picture[..., ::-1])
    return paths


def print_table(reports: 'dict[str, Report]') -> None:
    """Print what the networks reach."""
    from tabulate import tabulate

    rows = [
        (name, report.metrics['auc'] / 100, report.metrics['precision'] / 100)
        for name, report in reports.items()
    ]
    headers = ['network', 'success AUC', 'precision (20 px)']
    print('\n' + tabulate(rows, headers, floatfmt='.3f'))


def main() -> None:
    """Run all steps."""
    args = parse_args()
    from sstrack_mm.evaluation import evaluate
    from sstrack_mm.evaluation.results import load_results

    data, untrained, trained = (
        args.work_dir / name for name in ('data', 'untrained', 'trained')
    )
    run(
        'Generating videos',
        TOOLS / 'dataset_tools' / 'make_synthetic.py',
        data,
        '--videos',
        args.videos,
        '--test-videos',
        args.test_videos,
        '--val-videos',
        2,
        '--frames',
        args.frames,
        '--seed',
        args.seed,
    )
    test('Tracking the test videos with the untrained network', args, untrained)
    checkpoint, seconds, samples = train(args)
    test('Tracking the test videos with the trained network', args, trained, checkpoint)
    sequences = load_sequences(data)
    results = load_results(trained)
    reports = {
        'untrained': evaluate(load_results(untrained).bboxes_xywh, sequences),
        'trained': evaluate(results.bboxes_xywh, sequences),
    }
    paths = draw_results(args, sequences, reports, results)
    paths['summary.json'] = args.work_dir / 'summary.json'
    paths['checkpoint'] = checkpoint
    print_table(reports)
    auc = {name: report.metrics['auc'] / 100 for name, report in reports.items()}
    summary = dict(
        auc_untrained=auc['untrained'],
        auc_trained=auc['trained'],
        train_seconds=seconds,
        samples_seen=samples,
        seed=args.seed,
        fps=results.fps,
        checkpoint=str(checkpoint),
    )
    write_atomically(paths['summary.json'], json.dumps(summary, indent=2))
    print(
        f'\ntrained {seconds:.0f} s on {samples} clips; tracks {results.fps:.0f} frames '
        'a second\n\nLook at'
    )
    for path in paths.values():
        print(f'  {path}')


if __name__ == '__main__':
    run_command(main)
