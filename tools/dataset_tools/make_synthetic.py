#!/usr/bin/env python
"""Generate procedural videos: annotated in GOT-10k's layout, or as files without labels.

They are in OUT/got10k/{train,val,test}, or with --video, the training videos alone, in
OUT/videos/*.mp4. The same seed gives the same videos.

    python tools/dataset_tools/make_synthetic.py data
    python tools/dataset_tools/make_synthetic.py data_big --videos 1000 --frames 100
    python tools/dataset_tools/make_synthetic.py data --video
    python tools/dataset_tools/make_synthetic.py data_night --look night
"""

import argparse
import logging
import os
from pathlib import Path
from typing import Any

from sstrack_mm.command_line import CommandParser, run_command, seed


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('out', type=Path, metavar='OUT', help='data root to write to')
    parser.add_argument(
        '--video',
        action='store_true',
        help='write the training videos as H.264 in OUT/videos, without any label, '
        'and nothing else',
    )
    parser.add_argument(
        '--videos',
        type=int,
        default=80,
        metavar='N',
        help='training videos (default: %(default)s)',
    )
    parser.add_argument(
        '--val-videos',
        type=int,
        metavar='N',
        help='validation videos (default: a quarter of --videos)',
    )
    parser.add_argument(
        '--test-videos',
        type=int,
        metavar='N',
        help='test videos (default: a quarter of --videos)',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=60,
        metavar='T',
        help='frames in each video (default: %(default)s)',
    )
    parser.add_argument(
        '--absences',
        type=int,
        default=0,
        metavar='N',
        help='how often nothing of a target is seen for a while, once in 70 frames at '
        'most; not with --video (default: %(default)s)',
    )
    parser.add_argument(
        '--look',
        choices=['night', 'fisheye'],
        help='the same scenes through another camera: in the dark, or bent by its lens',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(320, 240),
        metavar=('W', 'H'),
        help='width and height of the frames (default: 320 240)',
    )
    parser.add_argument(
        '--seed',
        type=seed,
        default=0,
        metavar='S',
        help='random seed (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='P',
        help='processes; the videos do not depend on their number '
        '(default: one for each of the %(default)s cores)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace videos that were generated in OUT before',
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    # Imported here so that --help and unknown options answer at once.
    from sstrack_mm.datasets.synthetic import write_dataset, write_videos

    logging.basicConfig(level=logging.INFO, format='%(message)s')
    common: dict[str, Any] = dict(
        size=tuple(args.size),
        look=args.look,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    what = (args.out, args.videos, args.frames, args.seed)
    if args.video and args.absences:
        parser.error('--absences goes not with --video')
    if args.video:
        names = dict(unlabelled=write_videos(*what, **common))
    else:
        common.update(
            val_videos=args.val_videos,
            test_videos=args.test_videos,
            absences=args.absences,
        )
        names = write_dataset(*what, **common)
    numbers = ', '.join(f'{len(videos)} {split}' for split, videos in names.items())
    print(
        f'{os.path.join(args.out, "videos" if args.video else "got10k")}: {numbers} '
        f'videos of {args.frames} frames each'
    )


if __name__ == '__main__':
    run_command(main)
