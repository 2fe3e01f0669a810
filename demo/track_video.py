"""Track targets through a video, and write the video with their boxes.

    python demo/track_video.py VIDEO --box X Y W H [--box X Y W H ...] --out OUT.mp4
    python demo/track_video.py VIDEO --config CONFIG --checkpoint CHECKPOINT --box ...
    python demo/track_video.py VIDEO --checkpoint MODEL.onnx --box ...

No screen is needed. VIDEO is a file, a stream or a folder of images; the memory used does
not grow with its length.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sstrack_mm.command_line import (
    CommandParser,
    add_tracker,
    check_tracker,
    load_tracker,
    run_command,
)

if TYPE_CHECKING:
    import numpy as np


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('video', help='video file, stream or folder of images')
    add_tracker(parser)
    parser.add_argument(
        '--box',
        type=float,
        nargs=4,
        action='append',
        required=True,
        metavar=('X', 'Y', 'W', 'H'),
        help='a target in the first frame, in pixels; once for each target',
    )
    parser.add_argument('--out', type=Path, default=Path('tracked.mp4'))
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE',
        help='also write frame,target,x,y,w,h,score lines (frames and targets from 1, '
        'as in MOTChallenge), as they come',
    )
    parser.add_argument('--fps', type=float, default=25)
    args = parser.parse_args()
    check_tracker(parser, args)
    return args


def track(args: argparse.Namespace, boxes: TextIO) -> Iterator['np.ndarray']:
    """Track; write each frame's boxes, and yield the frame with them."""
    from tqdm import tqdm

    from sstrack_mm.apis import MultiTargetTracker, iter_frames
    from sstrack_mm.visualization.draw import draw_boxes

    tracker = MultiTargetTracker(load_tracker(args))
    frames = tqdm(iter_frames(args.video), unit=' frames')
    for number, frame in enumerate(frames, start=1):
        if number == 1:
            for target, bbox_xywh in enumerate(args.box, start=1):
                tracker.start(f'target {target}', frame, bbox_xywh)
            states = tracker.states
        else:
            states = tracker.track(frame)
        for target, state in enumerate(states.values(), start=1):
            values = ','.join(f'{value:.4f}' for value in (*state.bbox_xywh, state.score))
            boxes.write(f'{number},{target},{values}\n')
        boxes.flush()
        bboxes = {str(name): state.bbox_xywh for name, state in states.items()}
        lowest = min(state.score for state in states.values())
        yield draw_boxes(frame, bboxes, score=lowest, frame_id=number)


def main() -> None:
    """Run the command."""
    args = parse_args()
    from sstrack_mm.visualization.draw import write_video

    with open(args.boxes or os.devnull, 'w') as boxes:
        write_video(args.out, track(args, boxes), args.fps)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    run_command(main)
