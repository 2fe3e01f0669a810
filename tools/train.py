"""Train a tracker.

python tools/train.py configs/sstrack_tiny_synthetic.py
bash tools/dist_train.sh configs/sstrack_b256.py 2
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import (
    CommandParser,
    add_config_arguments,
    check_files,
    load_config,
    run_command,
)

if TYPE_CHECKING:
    from mmengine.config import Config


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
    checkpoint = None if args.resume == 'auto' else args.resume
    check_files(parser, configuration=args.config, checkpoint=checkpoint)
    return args


def make_config(args: argparse.Namespace) -> 'Config':
    """The configuration file with the command line's changes."""
    import torch

    cfg = load_config(args)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get(
        'work_dir', f'work_dirs/{Path(args.config).stem}'
    )
    if args.amp:
        cfg.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.launcher != 'none' and not torch.cuda.is_available():
        # mmengine would name a CUDA device for each process.
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
        )
    if cfg.train_dataloader.num_workers == 0:
        cfg.train_dataloader.persistent_workers = False
    return cfg


def main() -> None:
    """Run the command."""
    args = parse_args()
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from sstrack_mm.compat import init_process_group_without_cuda

    init_process_group_without_cuda(args.launcher)
    cfg = make_config(args)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    # mmengine logs three lines for each of the parameters.
    runner.logger.addFilter(lambda record: 'paramwise_options' not in record.getMessage())
    runner.train()


if __name__ == '__main__':
    run_command(main)
