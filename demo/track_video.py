"""Track one target through a video, and write the video with its boxes.

    python demo/track_video.py VIDEO --config CONFIG --checkpoint CHECKPOINT \\
        --box X Y W H --out OUT.mp4
    python demo/track_video.py VIDEO --checkpoint MODEL.onnx --box X Y W H --out OUT.mp4

No screen is needed. VIDEO is a file, a stream or a folder of images; the memory used does
not grow with its length, but for the templates of the tracker.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import sstrack_mm  # noqa: F401  (before mmtrack: stands in for missing operators)
from sstrack_mm.apis import init_model, iter_frames, iter_track
from sstrack_mm.errors import DataError
from sstrack_mm.visualization.draw import draw_boxes, write_video


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('video', help='video file, stream or folder of images')
    parser.add_argument('--config', help='needed unless the checkpoint is an ONNX file')
    parser.add_argument(
        '--checkpoint',
        required=True,
        help='weights, or an ONNX file of tools/export_onnx.py',
    )
    parser.add_argument(
        '--box',
        type=float,
        nargs=4,
        required=True,
        metavar=('X', 'Y', 'W', 'H'),
        help='the target in the first frame, in pixels',
    )
    parser.add_argument('--out', type=Path, default=Path('tracked.mp4'))
    parser.add_argument(
        '--boxes', type=Path, metavar='FILE', help='also write x,y,w,h,score a line'
    )
    parser.add_argument('--fps', type=float, default=25)
    parser.add_argument(
        '--device', default='cuda:0' if torch.cuda.is_available() else 'cpu'
    )
    args = parser.parse_args()
    if args.config is None and not is_onnx(args.checkpoint):
        parser.error('--config is needed, unless --checkpoint is an ONNX file')
    for path in (args.config, args.checkpoint):
        if path is not None and not Path(path).is_file():
            parser.error(f'no such file: {path}')
    return args


def is_onnx(checkpoint: str) -> bool:
    """Whether a checkpoint is an exported network, by its name."""
    return checkpoint.endswith('.onnx')


def load_tracker(args: argparse.Namespace) -> Any:
    """Load the tracker onto its device."""
    if not is_onnx(args.checkpoint):
        return init_model(args.config, args.checkpoint, args.device)
    # Only here, since ONNX Runtime is optional.
    from sstrack_mm.deploy.onnx_tracker import OnnxTracker

    providers = ['CPUExecutionProvider']
    if args.device.startswith('cuda'):
        providers.insert(0, 'CUDAExecutionProvider')
    return OnnxTracker(args.checkpoint, providers)


def draw_track(args: argparse.Namespace, rows: list[str]) -> Iterator[np.ndarray]:
    """Track; yield each frame with its box, and add its line to ``rows``."""
    model = load_tracker(args)
    x, y, w, h = args.box
    seen: list[np.ndarray] = []

    def remember(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Keep the current frame for drawing; hand it on as BGR."""
        for frame in frames:
            seen[:] = [frame]
            yield frame[..., ::-1]

    steps = iter_track(model, remember(iter_frames(args.video)), [x, y, x + w, y + h])
    for frame_id, (bbox_xywh, score, _) in enumerate(tqdm(steps, unit=' frames')):
        rows.append(','.join(f'{value:.4f}' for value in (*bbox_xywh, score)))
        yield draw_boxes(seen[0], {'SSTrack': bbox_xywh}, score=score, frame_id=frame_id)


def main() -> None:
    """Run the command."""
    args = parse_args()
    rows: list[str] = []
    write_video(args.out, draw_track(args, rows), args.fps)
    print(f'{len(rows)} frames: {args.out}')
    if args.boxes:
        args.boxes.write_text('\n'.join(rows) + '\n')


if __name__ == '__main__':
    try:
        main()
    except (DataError, OSError) as error:
        sys.exit(f'error: {error}')
