#!/usr/bin/env python
"""Adapt a tracker to the videos of one camera, without labels.

    python tools/adapt.py configs/sstrack_tiny_adapt.py sstrack-tiny VIDEOS --out adapted
    python tools/adapt.py configs/sstrack_tiny_synthetic.py tiny.pth VIDEOS --out adapted

A short self-supervised fine-tune on the video files and image folders under VIDEOS; about
every tenth of them is kept apart. On clips of these, the tracker before and after is
compared by how well it finds its way back (label-free overlap, with the interval of the
paired difference). OUT/adapted.pth is written only where the tracker got better;
OUT/page.html shows both side by side.

Exit code: 0 better, 1 it was not, or could not be done.
"""

import argparse
import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sstrack_mm.command_line import CommandParser, check_files, run_command
from sstrack_mm.command_options import add_cfg_options, find_models, load_config
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config

    from sstrack_mm.evaluation.label_free import Clip, Trace
    from sstrack_mm.models.trackers.one_stream import OneStreamTracker

_NUM_STRIPS = 8
_WAY_OUT = (
    ': take the configuration of a self-supervised tracker; that of sstrack-tiny is '
    'configs/sstrack_tiny_adapt.py'
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('checkpoint', help='weights to start from, or a name of the zoo')
    parser.add_argument('videos', metavar='VIDEOS', help='folder of raw video')
    parser.add_argument('--out', type=Path, required=True, help='folder for all results')
    parser.add_argument('--epochs', type=int, default=4, help='default: %(default)s')
    parser.add_argument(
        '--samples', type=int, default=800, help='clips an epoch (default: %(default)s)'
    )
    parser.add_argument(
        '--lr', type=float, default=1e-4, help='learning rate (default: %(default)s)'
    )
    parser.add_argument(
        '--lora',
        type=int,
        metavar='RANK',
        help='of the backbone, let adapters of this rank learn alone; they are merged '
        'into the weights (needs peft; default: the whole network learns)',
    )
    parser.add_argument(
        '--clips',
        type=int,
        default=48,
        help='held-out clips to compare on (default: %(default)s)',
    )
    parser.add_argument(
        '--val-every',
        type=int,
        default=10,
        metavar='N',
        help='keep every Nth video apart (default: %(default)s)',
    )
    add_cfg_options(parser, 'train_dataloader.batch_size=4')
    args = parser.parse_args()
    args.local_rank = 0
    find_models(args)
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    if min(args.epochs, args.samples) < 1 or args.clips < 2:
        parser.error('--epochs and --samples must be positive, --clips at least 2')
    if not 0 < args.lr < math.inf:
        parser.error(f'--lr needs a number above 0, got {args.lr}')
    if args.val_every < 2:
        parser.error(f'--val-every needs 2 at least, got {args.val_every}')
    if args.lora is not None and args.lora < 1:
        parser.error(f'--lora needs a rank from 1, got {args.lora}')
    if Path(args.checkpoint).resolve() == (args.out / 'adapted.pth').resolve():
        parser.error(f'--out {args.out}: the weights to start from would be replaced')
    if args.checkpoint.endswith('.onnx'):
        parser.error(
            f'{args.checkpoint} is an exported network, which cannot learn: give the '
            'weights that it was exported from'
        )
    return args


def make_config(args: argparse.Namespace) -> 'Config':
    """The configuration of the fine-tune.

    Raises:
        DataError: It is not the configuration of a self-supervised tracker.
    """
    cfg = load_config(args)
    if 'dataset' not in cfg.get('train_dataloader', {}):
        raise DataError(f'{args.config}: it does not say how to train{_WAY_OUT}')
    videos = dict(type='VideoFolder', data_root=args.videos, val_every=args.val_every)
    cfg.train_dataloader.dataset.update(
        datasets=[dict(videos, split='train')],
        weights=None,
        pipeline=make_pipeline(cfg.train_dataloader.dataset.pipeline),
    )
    if args.lora is not None:
        cfg.model.lora = dict(rank=args.lora)
    cfg.train_dataloader.sampler.samples_per_epoch = args.samples
    cfg.train_cfg.max_epochs = args.epochs
    cfg.model.train_cfg.setdefault('cycle_weight', 0.5)
    cfg.model.backbone.init_cfg = None
    cfg.optim_wrapper.optimizer.lr = args.lr
    cfg.load_from, cfg.work_dir = args.checkpoint, str(args.out / 'training')
    cfg.launcher = 'none'
    cfg.custom_hooks = [
        dict(
            type='LabelFreeHook',
            videos=dict(videos, split='val', max_side=640),
            num_clips=args.clips,
        )
    ]
    return cfg


def make_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """A pipeline of self-supervised clips for videos that have no first box.

    Raises:
        DataError: The pipeline is not one of self-supervised clips.
    """
    steps: list[dict[str, Any]] = [dict(step) for step in pipeline]
    kinds = [step['type'] for step in steps]
    if kinds[:2] != ['SampleSelfSupervisedClip', 'LoadClip']:
        raise DataError(
            'the training pipeline must begin with SampleSelfSupervisedClip and '
            f'LoadClip, but it begins with {", ".join(kinds[:2])}{_WAY_OUT}'
        )
    for step in steps:
        if step['type'] == 'SwitchAtEpoch':
            step['epoch'] = 0  # what was for the start is over
    if not {'ProposeTarget', 'ComposeTarget'} & set(kinds):  # no box to begin with
        steps[0].update(
            synthesis_prob=1.0, max_gap=min(steps[0].get('max_gap', 400), 100)
        )
        steps = [step for step in steps if step['type'] != 'PasteTarget']
        steps.insert(2, dict(type='ComposeTarget'))
    return steps


def compare(
    before: Sequence[float], after: Sequence[float], seed: int = 0
) -> tuple[float, float, float]:
    """The mean paired difference, and its 95 % bootstrap interval over the clips."""
    import numpy as np

    difference = np.subtract(after, before)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(difference), size=(10000, len(difference)))
    low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def hand_back(best: Path, start: str, path: Path) -> None:
    """Write the adapted weights alone, for the configuration of the tracker itself.

    What the start was calibrated to (:mod:`sstrack_mm.tracking.presence`) goes with
    them, as it is: no label is there to fit it anew.

    Args:
        best: The best weights of the fine-tune.
        start: The checkpoint that it started from.
        path: The file to write.
    """
    from sstrack_mm.checkpoints import PRESENCE, read_checkpoint, write_checkpoint

    content, meta = read_checkpoint(best), read_checkpoint(start).get('meta')
    calibration = meta.get(PRESENCE) if isinstance(meta, dict) else None
    kept = {} if calibration is None else {PRESENCE: calibration}
    write_checkpoint(
        dict(meta=content['meta'] | kept, state_dict=content['state_dict']), path
    )


def write_page(
    path: Path, summary: str, clips: 'list[Clip]', traces: 'dict[str, list[Trace]]'
) -> None:
    """Write one HTML page with filmstrips of the clips that changed most."""
    import cv2
    import numpy as np

    from sstrack_mm.disk import write_atomically

    change = [
        abs(after.overlap - before.overlap)
        for before, after in zip(traces['before'], traces['after'], strict=True)
    ]
    parts = []
    for i in np.argsort(change)[::-1][:_NUM_STRIPS]:
        strip = draw_strip(clips[i], {name: of[i] for name, of in traces.items()})
        _, data = cv2.imencode('.jpg', strip[..., ::-1])
        text = base64.b64encode(data).decode()
        parts.append(
            f'<h2>overlap {traces["before"][i].overlap:.2f} before, '
            f'{traces["after"][i].overlap:.2f} after</h2>\n'
            f'<img src="data:image/jpeg;base64,{text}" alt="filmstrip">'
        )
    write_atomically(
        path,
        '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Adaptation'
        '</title>\n<style>body{font:16px sans-serif;margin:2em}h2{font-size:1em}'
        f'img{{max-width:100%}}</style>\n<h1>Adaptation</h1>\n<p>{summary}</p>\n'
        + '\n'.join(parts)
        + '\n</html>\n',
    )


def draw_strip(clip: 'Clip', traces: 'dict[str, Trace]') -> 'np.ndarray':
    """Five frames of a clip with the boxes of both trackers, (H, W, 3) uint8 RGB."""
    import numpy as np

    from sstrack_mm.visualization.draw import draw_boxes, filmstrip

    places = np.unique(np.linspace(0, len(clip.frames) - 1, 5).round().astype(int))
    return filmstrip(
        draw_boxes(
            clip.frames[i], {name: of.bboxes_xywh[i] for name, of in traces.items()}
        )
        for i in places
    )


def main() -> None:
    """Run the command."""
    args = parse_args()
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmtrack.registry import DATASETS, TASK_UTILS

    import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in)
    from sstrack_mm.apis import init_model
    from sstrack_mm.compat import quieten
    from sstrack_mm.configuration import building, train_runner
    from sstrack_mm.engine.hooks.label_free_hook import BEST
    from sstrack_mm.evaluation.label_free import draw_clips, trace_clips

    quieten()
    cfg = make_config(args)
    init_default_scope(cfg.default_scope)
    with building(args.config):
        runner = Runner.from_cfg(cfg)  # first, since it finds what is wrong
    (hook,) = cfg.custom_hooks
    # Other clips than those by which the best weights are chosen.
    videos, proposer = DATASETS.build(hook.videos), dict(type='MotionProposer')
    clips = draw_clips(videos, TASK_UTILS.build(proposer), args.clips, 8, 3, seed=1)
    adapted, traces = args.out / 'adapted.pth', {}

    def load(checkpoint: str) -> 'OneStreamTracker':
        model = init_model(args.config, checkpoint, cfg_options=args.cfg_options)
        return cast('OneStreamTracker', model)

    adapted.unlink(missing_ok=True)  # it would pass for the result of this run
    traces['before'] = trace_clips(load(args.checkpoint), clips)
    train_runner(runner, args.config)
    best = args.out / 'training' / BEST
    traces['after'] = trace_clips(load(str(best)), clips)
    overlaps = {name: [one.overlap for one in of] for name, of in traces.items()}
    mean, low, high = compare(overlaps['before'], overlaps['after'])
    means = {name: sum(values) / len(values) for name, values in overlaps.items()}
    summary = (
        f'overlap on {len(clips)} clips that were not trained on: '
        f'{means["before"]:.3f} before, {means["after"]:.3f} after; difference '
        f'{mean:+.3f} (95 % interval {low:+.3f} to {high:+.3f})'
    )
    write_page(args.out / 'page.html', summary, clips, traces)
    if mean <= 0:
        raise DataError(
            f'not better, so no weights are handed back: {summary}. Try more videos, '
            f'a lower --lr, or other --epochs; see {args.out / "page.html"}'
        )
    hand_back(best, args.checkpoint, adapted)
    print(f'{summary}\n{adapted}\n{args.out / "page.html"}')


if __name__ == '__main__':
    run_command(main)
