"""Train a tracker.

python tools/train.py configs/sstrack_tiny_synthetic.py
bash tools/dist_train.sh configs/sstrack_b256.py 2
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, check_files, run_command
from sstrack_mm.command_options import (
    add_config_arguments,
    find_configuration,
    load_training_config,
)
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import FlexibleRunner, Runner


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        '--work-dir', help='folder for logs and checkpoints (default: work_dirs/NAME)'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a value, from the last '
        'one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the total batch size',
    )
    args = parser.parse_args()
    find_configuration(args)
    checkpoint = None if args.resume == 'auto' else args.resume
    check_files(parser, configuration=args.config, checkpoint=checkpoint)
    return args


def make_config(args: argparse.Namespace) -> 'Config':
    """The configuration file with the command line's changes."""
    import torch
    from mmengine.device import get_device

    cfg = load_training_config(args)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get(
        'work_dir', f'work_dirs/{Path(args.config).stem}'
    )
    if args.amp and get_device() in ('cpu', 'mps'):
        raise DataError('--amp: there is no GPU here; leave it out')
    if args.amp:
        cfg.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        args.resume = find_last_checkpoint(cfg.work_dir)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = args.resume
    start = cfg.get('load_from')
    if start is not None and not Path(start).is_file():
        raise DataError(f'load_from={start}: no such file; download it first')
    if args.launcher != 'none' and not torch.cuda.is_available():
        # mmengine would name a CUDA device for each process.
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
        )
    if cfg.train_dataloader.num_workers == 0:
        cfg.train_dataloader.persistent_workers = False
    if not torch.cuda.is_available():
        cfg.train_dataloader.pin_memory = False  # there is no copy to speed up
    return cfg


def find_last_checkpoint(work_dir: str) -> str | None:
    """The last checkpoint of a run; None where it has not written one yet.

    Raises:
        DataError: It is not there any more.
    """
    note = Path(work_dir, 'last_checkpoint')
    if not note.is_file():
        print(f'{work_dir}: no checkpoint to go on from; the run starts')
        return None
    path = Path(note.read_text().strip())
    # Written as the path that it was then; the folder may have been moved.
    for candidate in (path, note.parent / path.name):
        if candidate.is_file():
            return str(candidate)
    raise DataError(
        f'{note}: names {path}, which is not there; name a checkpoint: --resume PATH'
    )


def check_inputs(cfg: 'Config') -> None:
    """Look for the data and the start weights, before a model is made.

    Raises:
        DataError: The data is not as it must be.
        FileNotFoundError: There are no start weights.
    """
    from mmengine.registry import DefaultScope
    from mmtrack.registry import DATASETS

    from sstrack_mm.models.backbones.pretrained import TIMM_PREFIX, start_weights_missing

    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmtrack')):
        DATASETS.build(cfg.train_dataloader.dataset)
    start = (cfg.model.backbone.get('init_cfg') or {}).get('checkpoint')
    if start is None or cfg.get('load_from') or start.startswith(TIMM_PREFIX):
        return
    if not Path(start).is_file():
        raise start_weights_missing(start)


def check_epoch(runner: 'Runner | FlexibleRunner') -> None:
    """Check that an epoch has an iteration.

    Raises:
        DataError: It has none.
    """
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise DataError(
            f'an epoch has {len(loader.sampler)} samples for each process, less than a '
            f'batch of {loader.batch_size}: nothing would be trained. Raise '
            'train_dataloader.sampler.samples_per_epoch, or lower '
            'train_dataloader.batch_size'
        )


def main() -> None:
    """Run the command."""
    args = parse_args()
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from sstrack_mm.compat import init_process_group_without_cuda, quieten
    from sstrack_mm.configuration import building, train_runner

    quieten()
    with building(args.config):
        cfg = make_config(args)
        check_inputs(cfg)
    init_process_group_without_cuda(args.launcher)
    with building(args.config):
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        check_epoch(runner)
    train_runner(runner, args.config)


if __name__ == '__main__':
    run_command(main)
