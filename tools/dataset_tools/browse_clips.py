#!/usr/bin/env python
"""Draw a configuration's training clips as the network sees them.

    python tools/dataset_tools/browse_clips.py configs/sstrack_b256.py clips.png
    python tools/dataset_tools/browse_clips.py configs/sstrack_tiny_unlabelled.py \\
        clips.png --clips 16

A row a clip: the frame with its first box (given, proposed or pasted), the templates, the
search frames, and the views in which the target is to be found, with its box.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import (
    CommandParser,
    at_least,
    check_output,
    run_command,
    seed,
)
from sstrack_mm.command_options import add_config_arguments, find_configuration

if TYPE_CHECKING:
    import numpy as np


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        'out', type=Path, metavar='OUT', help='picture to write, .png or .jpg'
    )
    parser.add_argument(
        '--clips',
        type=at_least(1),
        default=8,
        metavar='N',
        help='rows (default: %(default)s)',
    )
    parser.add_argument('--epoch', type=at_least(0), default=0, help='counted from 0')
    parser.add_argument('--seed', type=seed, default=0)
    args = parser.parse_args()
    find_configuration(args)
    check_output(parser, args.out, endings=('.png', '.jpg', '.jpeg'))
    return args


def draw_clip(clip: dict) -> 'np.ndarray':
    """Draw a clip.

    Args:
        clip: What the training pipeline has before ``PackClip``.

    Returns:
        np.ndarray: (240, W, 3) uint8 RGB.
    """
    from sstrack_mm.visualization.draw import draw_boxes, filmstrip

    kind = 'pasted' if clip['synthetic'] else 'first box'
    first = clip['roles']['template'][0]
    pictures = [draw_boxes(clip['frames'][first], {kind: clip['bboxes_xywh'][first]})]
    pictures += [*clip['template'], *clip.get('search', ())]
    for view, bbox_xywh_norm in zip(
        clip['view'], clip['view_bboxes_xywh_norm'], strict=True
    ):
        box = {'target': bbox_xywh_norm * len(view)}
        pictures.append(draw_boxes(view, box, legend=False))
    return filmstrip(pictures)


def main() -> None:
    """Run the command."""
    args = parse_args()
    import cv2
    import numpy as np
    from mmengine.registry import init_default_scope
    from mmtrack.registry import DATASETS

    import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in)
    from sstrack_mm.command_options import load_training_config
    from sstrack_mm.disk import write_atomically

    cfg = load_training_config(args)
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    # The last transform makes tensors.
    del dataset.pipeline.transforms[-1]
    rows = [draw_clip(dataset[(args.seed, args.epoch, i)]) for i in range(args.clips)]
    width = max(row.shape[1] for row in rows)
    rows = [
        np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    _, picture = cv2.imencode(args.out.suffix, np.concatenate(rows)[..., ::-1])
    write_atomically(args.out, picture.tobytes())
    print(args.out)


if __name__ == '__main__':
    run_command(main)
