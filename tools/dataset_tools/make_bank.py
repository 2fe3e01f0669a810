#!/usr/bin/env python
"""Make a bank of frames and sprites, which training clips are composed of.

    python tools/dataset_tools/make_bank.py data/bank --footage data/videos

Real footage needs no labels; procedural videos, places and objects are rendered. Regions
of the footage that optical flow can follow there and back become targets, too. The same
seed and footage make the same bank; what is there already is not made again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, at_least, run_command, seed

if TYPE_CHECKING:
    import argparse

    from sstrack_mm.datasets.composed.bank import Tracks

FOOTAGE = ('.mp4', '.mjpeg', '.gif', '.avi', '.mov', '.mkv', '.webm')
SIDE = 80
"""Of the sprites of procedural objects, in pixels."""


def parse_args() -> 'argparse.Namespace':
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('bank', type=Path, help='folder to write')
    parser.add_argument('--footage', type=Path, help='folder of video files')
    parser.add_argument(
        '--held-out',
        nargs='*',
        default=[],
        metavar='NAME',
        help='files of the footage, without suffix, that are not to be learned from',
    )
    parser.add_argument('--seed', type=seed, default=0)
    for name, default, what in (
        ('videos', 600, 'procedural videos'),
        ('frames', 24, 'frames of each of them'),
        ('stills', 800, 'procedural places'),
        ('actors', 2500, 'procedural objects'),
        ('short-side', 240, 'side that frames of the footage are made small to'),
        ('max-frames', 300, 'about the most frames of a file of the footage'),
    ):
        parser.add_argument(
            f'--{name}',
            type=at_least(2 if name == 'frames' else 1),
            default=default,
            help=f'{what} (default: {default})',
        )
    args = parser.parse_args()
    if args.footage is not None:
        check_footage(parser, args)
    return args


def check_footage(parser: CommandParser, args: 'argparse.Namespace') -> None:
    """End the command where there is no footage, or none of what is held out.

    A name with a typo would be learned from.
    """
    if not args.footage.is_dir():
        parser.error(f'--footage {args.footage}: no such folder')
    names = {path.stem for path in args.footage.iterdir() if path.suffix in FOOTAGE}
    if unknown := set(args.held_out) - names:
        parser.error(f'--held-out: {args.footage} has no {", ".join(sorted(unknown))}')
    if not names - set(args.held_out):
        parser.error(f'--footage {args.footage}: no video to learn from in it')


def list_footage(args: 'argparse.Namespace') -> Iterator[Path]:
    """The files that are learned from, by name."""
    if args.footage is None:
        return
    for path in sorted(args.footage.iterdir()):
        if path.suffix in FOOTAGE and path.stem not in args.held_out:
            yield path


def follow_footage(args: 'argparse.Namespace') -> 'Tracks':
    """Targets in the footage that optical flow can follow there and back."""
    import numpy as np

    from sstrack_mm.datasets.composed.bank import Tracks
    from sstrack_mm.datasets.composed.follow import follow_regions

    rng = np.random.default_rng([args.seed, 3])
    tracks = Tracks([], [], [])
    for path in list_footage(args):
        frames = np.load(args.bank / 'videos' / f'{path.stem}.npy', mmap_mode='r')
        for first in range(0, len(frames) - 4, 12):
            for bboxes_xywh in follow_regions(frames, first, 32, 8, rng):
                tracks.videos.append(path.stem)
                tracks.starts.append(first)
                tracks.bboxes_xywh.append(bboxes_xywh)
        print(f'{path.stem}: {len(tracks.videos)} targets so far', flush=True)
    return tracks


def main() -> None:
    """Make what is not there yet."""
    args = parse_args()
    import cv2

    from sstrack_mm.datasets.composed import bank

    cv2.setNumThreads(1)
    for path in list_footage(args):
        if not (args.bank / 'videos' / f'{path.stem}.npy').is_file():
            for line in bank.write_video_file(
                args.bank, path, args.short_side, args.max_frames
            ):
                print(f'{path}: {line}')
    if not (args.bank / 'stills.npy').is_file():
        stills = bank.render_stills(args.seed, args.stills, (400, 300))
        bank.save_array(args.bank / 'stills.npy', stills)
    if not (args.bank / 'actors.npy').is_file():
        actors = bank.render_actors(args.seed, args.actors, SIDE)
        bank.save_array(args.bank / 'actors.npy', actors)
    procedural = args.bank / 'tracks_procedural.npz'
    if not procedural.is_file():
        tracks = bank.write_procedural_videos(
            args.bank, range(args.videos), args.seed + 101, args.frames, (320, 240)
        )
        tracks.save(procedural)
    followed = args.bank / 'tracks_real.npz'
    if args.footage is not None and not followed.is_file():
        follow_footage(args).save(followed)
    print(f'{args.bank}: complete')


if __name__ == '__main__':
    run_command(main)
