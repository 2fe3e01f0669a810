#!/usr/bin/env python
"""Ask whether the label-free measure ranks a run's checkpoints as the true AUC does.

    python tools/analysis_tools/rank_checkpoints.py CONFIG work_dirs/NAME --out rank.json

Tracks the labelled test videos of CONFIG with every `epoch_*.pth` of the run, and
compares their AUC with what `label_free.json` beside them says of the same epochs:
Spearman's rho, with a 95 % bootstrap interval over the checkpoints.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, check_files, check_output, run_command
from sstrack_mm.command_options import add_cfg_options, load_config
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from mmengine.config import Config

    from sstrack_mm.structures.sequence import VideoSequence


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file with labelled test videos')
    parser.add_argument('work_dir', type=Path, help='folder of the run')
    parser.add_argument('--out', type=Path, help='write the numbers here')
    parser.add_argument('--device', default='cpu', help='default: %(default)s')
    add_cfg_options(parser, 'model.test_cfg.memory_size=2')
    args = parser.parse_args()
    args.local_rank = 0
    check_files(parser, configuration=args.config)
    if args.out is not None:
        check_output(parser, args.out, args.config)
    return args


def rank_correlation(
    first: list[float], second: list[float], seed: int = 0
) -> tuple[float, float, float]:
    """Spearman's rho, and its 95 % bootstrap interval over the pairs.

    Args:
        first: N numbers.
        second: N numbers.
        seed: Of the bootstrap. Draws without two different pairs do not count.

    Raises:
        DataError: All numbers of one kind are the same.
    """
    import numpy as np
    from scipy.stats import rankdata, spearmanr

    pairs = np.stack([first, second], axis=1)
    if (np.ptp(pairs, axis=0) == 0).any():
        raise DataError('the checkpoints cannot be ranked: they are all the same')
    rng = np.random.default_rng(seed)
    draws = pairs[rng.integers(len(pairs), size=(2000, len(pairs)))]
    draws = draws[(np.ptp(draws, axis=1) > 0).all(axis=1)]
    ranks = rankdata(draws, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    products = ranks.prod(axis=2).sum(axis=1)
    rhos = products / np.sqrt((ranks**2).sum(axis=1).prod(axis=1))
    low, high = np.percentile(rhos, [2.5, 97.5])
    return float(spearmanr(*pairs.T).statistic), float(low), float(high)


def read_measured(path: Path) -> list[dict]:
    """What LabelFreeHook has written: for each epoch, a row with its overlap.

    Raises:
        DataError: It is something else.
    """
    try:
        rows = json.loads(path.read_text(encoding='utf-8'))
        for row in rows:
            int(row['epoch']), float(row['overlap'])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f'{path}: expected a list of epochs, each with its overlap, as LabelFreeHook '
            f'writes it ({type(error).__name__}: {error})'
        ) from None
    return rows


def evaluate_checkpoint(
    cfg: 'Config', checkpoint: Path, device: str, sequences: 'list[VideoSequence]'
) -> float:
    """The AUC of a checkpoint, in percent."""
    from sstrack_mm.apis import init_model, track_video
    from sstrack_mm.evaluation.evaluator import evaluate

    model = init_model(cfg, str(checkpoint), device)
    boxes = {
        one.name: track_video(model, one.frame_paths, one.gt_xywh[0]).bboxes_xywh
        for one in sequences
    }
    return evaluate(boxes, sequences).metrics['auc']


def main() -> None:
    """Run the command."""
    args = parse_args()
    from mmengine.registry import init_default_scope
    from mmtrack.registry import DATASETS

    import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in)

    cfg = load_config(args)
    init_default_scope(cfg.default_scope)
    measured = args.work_dir / 'label_free.json'
    if not measured.is_file():
        raise DataError(f'{measured}: there is none; did LabelFreeHook watch the run?')
    found = [
        (row, args.work_dir / f'epoch_{row["epoch"]}.pth')
        for row in read_measured(measured)
    ]
    found = [(row, checkpoint) for row, checkpoint in found if checkpoint.is_file()]
    if len(found) < 3:
        raise DataError(
            f'{args.work_dir}: {len(found)} checkpoints; keep all with '
            'default_hooks.checkpoint.max_keep_ckpts=-1'
        )
    sequences = DATASETS.build(cfg.test_dataloader.dataset).sequences()
    rows = []
    for row, checkpoint in found:
        auc = evaluate_checkpoint(cfg, checkpoint, args.device, sequences)
        rows.append(dict(row, auc=auc))
        print(f'epoch {row["epoch"]}: overlap {row["overlap"]:.3f}, AUC {auc:.2f} %')
    rho, low, high = rank_correlation(
        [row['overlap'] for row in rows], [row['auc'] for row in rows]
    )
    print(f"Spearman's rho {rho:.2f} ({low:.2f} to {high:.2f}), {len(rows)} checkpoints")
    if args.out:
        result = dict(rho=rho, interval=[low, high], checkpoints=rows)
        write_atomically(args.out, json.dumps(result, indent=2))


if __name__ == '__main__':
    run_command(main)
