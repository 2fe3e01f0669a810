#!/usr/bin/env python
"""Make a bank of frames and sprites, which training clips are composed of.

    python tools/dataset_tools/make_bank.py data/bank --footage data/videos
    python tools/dataset_tools/make_bank.py data/bank --footage data/videos \\
        --held-out street harbour --regions data/regions

Real footage needs no labels; procedural videos, places and objects are rendered. Regions
of the footage that optical flow can follow there and back become targets, too; those of
what is held out become videos to measure on (`--dataset folder`). The same seed and
footage make the same bank; what is there already is not made again.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, at_least, run_command, seed

if TYPE_CHECKING:
    import argparse

    from sstrack_mm.datasets.composed.bank import Tracks

FOOTAGE = ('.mp4', '.mjpeg', '.gif', '.avi', '.mov', '.mkv', '.webm')
SIDE = 80
"""Of the sprites of procedural objects, in pixels."""
REGION_SIDE, REGION_FRAMES, MAX_REGIONS = 360, 60, 7
"""Of the regions to measure on: shorter side of the frames, their number, how many of a
file. A region that is followed for less than half of the frames is left out."""


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
    parser.add_argument(
        '--regions',
        type=Path,
        metavar='DIR',
        help='write followed regions of the files held out, with their boxes',
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
    if args.regions is not None and not args.held_out:
        parser.error('--regions: of which files? Name them by --held-out')
    if args.footage is not None:
        check_footage(parser, args)
    elif args.held_out:
        parser.error('--held-out: of which --footage?')
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


def write_regions(args: 'argparse.Namespace') -> None:
    """Write regions of the held-out footage as videos: ``NAME/img/*.jpg`` and boxes."""
    import cv2
    import numpy as np

    from sstrack_mm.datasets.composed import bank
    from sstrack_mm.datasets.composed.follow import follow_regions

    rng = np.random.default_rng(args.seed + 5)
    part = args.regions.with_name(f'{args.regions.name}.part')
    shutil.rmtree(part, ignore_errors=True)  # of a run that was broken off
    for name in args.held_out:
        path = next(
            one for one in args.footage.glob(f'{name}.*') if one.suffix in FOOTAGE
        )
        with TemporaryDirectory() as scratch:
            for line in bank.write_video_file(
                Path(scratch), path, REGION_SIDE, args.max_frames
            ):
                print(f'{path}: {line}')
            frames = np.load(Path(scratch) / 'videos' / f'{name}.npy')
        regions = [
            (first, bboxes_xywh)
            for first in range(0, len(frames) - REGION_FRAMES // 2, 40)
            for bboxes_xywh in follow_regions(frames, first, REGION_FRAMES, 8, rng)
            if len(bboxes_xywh) >= REGION_FRAMES // 2
        ]
        for number, (first, bboxes_xywh) in enumerate(regions[:MAX_REGIONS]):
            folder = part / f'{name}_{number}'
            (folder / 'img').mkdir(parents=True, exist_ok=True)
            for i, frame in enumerate(frames[first : first + len(bboxes_xywh)]):
                image_path = folder / 'img' / f'{i:04d}.jpg'
                quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
                cv2.imwrite(str(image_path), frame[..., ::-1], quality)
            boxes = folder / 'groundtruth_rect.txt'
            np.savetxt(boxes, bboxes_xywh, fmt='%.2f', delimiter=',')
        print(f'{path}: {min(len(regions), MAX_REGIONS)} regions to measure on')
    part.mkdir(exist_ok=True, parents=True)
    part.rename(args.regions)


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
    if args.regions is not None and not args.regions.exists():
        write_regions(args)
    print(f'{args.bank}: complete')


if __name__ == '__main__':
    run_command(main)
