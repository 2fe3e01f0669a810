"""Track the sequences of a dataset and evaluate the boxes.

    python tools/test.py configs/sstrack_b256_got10k.py CHECKPOINT --eval AO
    python tools/test.py configs/sstrack_b256.py CHECKPOINT --dataset lasot --eval OPE
    bash tools/dist_test.sh configs/sstrack_b256.py CHECKPOINT 8 --dataset otb100
    python tools/test.py configs/sstrack_b256.py CHECKPOINT --dataset vot2018 --eval VOT
    python tools/test.py configs/sstrack_b256.py CHECKPOINT --dataset trackingnet \\
        --format-only

Each finished sequence is on disk at once; the same command goes on where it stopped.
"""

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import CommandParser, check_files, run_command, seed
from sstrack_mm.command_options import (
    add_config_arguments,
    add_device,
    add_presence,
    add_skipping,
    find_models,
    load_config,
)
from sstrack_mm.device import choose_device
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation import CONVENTIONS, METRIC_GROUPS
from sstrack_mm.evaluation.conventions import USUAL_CONVENTIONS

if TYPE_CHECKING:
    from mmengine.config import Config

    from sstrack_mm.evaluation.report import Report, VOTReport
    from sstrack_mm.evaluation.runner import RunSummary
    from sstrack_mm.evaluation.workers import TrackFn

VOT_METRICS = ('accuracy', 'robustness', 'eao')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='weights, or an ONNX file of tools/export_onnx.py; without it the network '
        'has random weights',
    )
    parser.add_argument(
        '--checkpoint',
        dest='checkpoint_option',
        metavar='CHECKPOINT',
        help='the same as an option',
    )
    purpose = parser.add_mutually_exclusive_group()
    purpose.add_argument(
        '--eval',
        nargs='+',
        choices=[*METRIC_GROUPS, 'VOT'],
        default=['OPE'],
        metavar='METRIC',
        help='OPE: success AUC, OP50, OP75, precision, normalised '
        'precision; AO: AO, SR50, SR75; VOT: accuracy, robustness and EAO of VOT2018, '
        'tracked with resets (default: OPE)',
    )
    purpose.add_argument(
        '--format-only',
        action='store_true',
        help='instead of evaluating, check the boxes and write the zip for the '
        'evaluation server of got10k_test or trackingnet beside them',
    )
    parser.add_argument(
        '--convention',
        choices=list(CONVENTIONS),
        help='evaluate under this one instead of the usual one of each '
        'metric (OPE: pytracking, AO: got10k)',
    )
    parser.add_argument(
        '--dataset',
        metavar='NAME',
        help='a dataset (lasot, otb100, ...) or `folder`, instead of '
        "the configuration's test_dataloader.dataset",
    )
    parser.add_argument('--root', help='folder of --dataset')
    parser.add_argument('--work-dir', help='folder for results (default: work_dirs/NAME)')
    parser.add_argument(
        '--out',
        type=Path,
        help='folder for the boxes (default: WORK_DIR/results/DATASET_RUN)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=1,
        help='processes that share the device (default: 1)',
    )
    add_presence(parser, "the configuration's model.test_cfg.presence, or not")
    add_device(parser)
    add_skipping(parser, missing=False)
    parser.add_argument('--seed', type=seed, default=0, help='of random weights')
    args = parser.parse_args()
    check_args(parser, args)
    return args


def check_args(parser: CommandParser, args: argparse.Namespace) -> None:
    """Complete the arguments; end with the usage where they do not go together."""
    args.checkpoint = args.checkpoint_option or args.checkpoint
    find_models(args)
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    if args.root and not args.dataset:
        parser.error('--root goes with --dataset')
    if args.workers < 1:
        parser.error(f'--workers needs a positive number, got {args.workers}')
    args.resets = 'VOT' in args.eval
    if args.resets and (len(args.eval) > 1 or args.convention):
        parser.error(
            '--eval VOT tracks with resets: it goes with no other metric and no '
            '--convention'
        )


def make_tracker(
    config: 'Config',
    checkpoint: str | None,
    device: str,
    seed: int,
    num_threads: int | None,
) -> 'TrackFn':
    """Build the tracker; runs once in every process."""
    import torch

    from sstrack_mm.apis import init_model, track_video
    from sstrack_mm.evaluation.resets import track_with_resets

    if num_threads is not None:
        torch.set_num_threads(num_threads)
    torch.manual_seed(seed)
    model = init_model(config, checkpoint, device)
    if config.model.test_cfg.test_mode == 'VOT':
        return partial(track_with_resets, model)
    return partial(track_video, model)


def build_dataset(cfg: 'Config', args: argparse.Namespace) -> Any:
    """The dataset of --dataset, else of the configuration."""
    from mmtrack.registry import DATASETS

    from sstrack_mm.datasets.catalogue import open_dataset

    skip = dict(skip_bad_videos=True) if args.skip_bad else {}
    if args.dataset:
        return open_dataset(args.dataset, args.root, **skip)
    settings = cfg.get('test_dataloader', {}).get('dataset', {})
    if 'type' not in settings:
        raise DataError(
            f'{args.config}: it names no videos to track; add --dataset NAME, or '
            '--dataset folder --root FOLDER for your own'
        )
    return DATASETS.build({**settings, **skip})


def evaluate_results(
    folder: Path, dataset: Any, args: argparse.Namespace
) -> 'dict[str, Report | VOTReport]':
    """Print and save the numbers of the boxes in a folder."""
    from tabulate import tabulate

    from sstrack_mm.evaluation.folder import evaluate_folder

    sequences = dataset.sequences()
    missing = 'skip' if args.skip_bad else 'error'
    reports: dict[str, Report | VOTReport] = {}
    for group in args.eval:
        convention = args.convention or USUAL_CONVENTIONS[group]
        reports[group], fps = evaluate_folder(
            folder, sequences, convention, missing, args.skip_bad
        )
    rows = [
        (metric, report.metrics[metric], report.convention)
        for group, report in reports.items()
        for metric in METRIC_GROUPS.get(group, VOT_METRICS)
    ]
    headers = ('metric', 'value' if args.resets else '%', 'convention')
    print(tabulate(rows, headers, floatfmt='.3f' if args.resets else '.2f'))
    print(
        f'{len(sequences)} sequences, {fps or 0:.1f} frames a second (without reading '
        f'images)\nboxes: {folder}'
    )
    content = {group: report.to_dict() for group, report in reports.items()}
    write_atomically(folder / 'metrics.json', json.dumps(content, indent=2))
    return reports


def format_results(folder: Path, dataset: Any, server: str) -> None:
    """Write the boxes in a folder as the evaluation server of a dataset takes them."""
    from sstrack_mm.evaluation.results import load_results
    from sstrack_mm.evaluation.submission import write_submission

    path = folder / f'{server}.zip'
    sequences = dataset.sequences()
    write_submission(path, server, sequences, load_results(folder))
    print(f'{len(sequences)} sequences, checked, for the server of {server}: {path}')


def track(
    cfg: 'Config', dataset: Any, args: argparse.Namespace
) -> 'tuple[Path, RunSummary]':
    """Track what is not on disk yet; return the results folder and what became of it."""
    from mmengine.config import Config
    from mmengine.dist import get_dist_info

    from sstrack_mm.evaluation.resets import WITH_RESETS
    from sstrack_mm.evaluation.run_info import describe_run, run_identity
    from sstrack_mm.evaluation.runner import ONE_PASS, run_sequences

    rank, world_size = get_dist_info()
    device = choose_device(args.device)
    dataset_name = args.dataset or type(dataset).__name__
    run_info = describe_run(
        Config(dict(model=cfg.model)).pretty_text,
        args.checkpoint,
        device.split(':')[0],
        args.seed,
        dataset=dataset_name,
    )
    work_dir = Path(args.work_dir or f'work_dirs/{Path(args.config).stem}')
    folder = args.out or work_dir / 'results' / f'{dataset_name}_{run_identity(run_info)}'
    processes = args.workers * (world_size if device == 'cpu' else 1)
    num_threads = max(1, (os.cpu_count() or 1) // processes) if processes > 1 else None
    factory = partial(make_tracker, cfg, args.checkpoint, device, args.seed, num_threads)
    summary = run_sequences(
        factory,
        dataset,
        folder,
        run_info,
        args.workers,
        rank,
        world_size,
        experiment=WITH_RESETS if args.resets else ONE_PASS,
    )
    return folder, summary


def main() -> int:
    """Run the command; 1 if a sequence has no result."""
    args = parse_args()
    import torch
    from mmengine.dist import barrier, get_dist_info, init_dist

    from sstrack_mm.compat import init_process_group_without_cuda
    from sstrack_mm.evaluation.submission import find_server

    cfg = load_config(args)
    cfg.merge_from_dict({'model.test_cfg.test_mode': 'VOT' if args.resets else 'OPE'})
    if args.presence is not None:
        cfg.merge_from_dict({'model.test_cfg.presence': args.presence})
    # What may be wrong is found before the processes meet and the tracking.
    dataset = build_dataset(cfg, args)
    server = find_server(dataset) if args.format_only else None
    if args.launcher != 'none':
        init_process_group_without_cuda(args.launcher)
        if not torch.distributed.is_initialized():
            init_dist(args.launcher)
    folder, summary = track(cfg, dataset, args)
    barrier()
    if summary.failed and not args.skip_bad:
        return summary.exit_code
    if get_dist_info()[0] == 0:
        if server is None:
            evaluate_results(folder, dataset, args)
        else:
            format_results(folder, dataset, server)
    return summary.exit_code


if __name__ == '__main__':
    run_command(main)
