"""Track targets through a video, a camera or a stream.

    python demo/track_video.py VIDEO --box X Y W H [--box X Y W H ...] --out DIR
    python demo/track_video.py VIDEO --boxes FILE --out DIR --format cvat mot
    python demo/track_video.py rtsp://CAMERA --select --live --out DIR
    python demo/track_video.py VIDEO --box X Y W H --check-back --out DIR

VIDEO is a video file, a folder of images, a list of them (@FILE, a path a line), the
number of a camera, a named pipe or an address. No screen is needed, but for --select.

DIR gets boxes.jsonl, a line for each frame and target as it is found, and track.mp4, the
video with the boxes and its sound. The memory used does not grow with the video's length.
Ctrl-C and SIGTERM end the video; what was tracked so far is on disk, and plays.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstrack_mm.command_line import CommandParser, check_files, run_command
from sstrack_mm.command_options import add_tracker, check_tracker, load_tracker
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker
    from sstrack_mm.apis.tracked_video import TrackedVideo
    from sstrack_mm.frames import Frame, FrameSource
    from sstrack_mm.structures.target_box import TargetBox


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    from sstrack_mm.formats import FORMATS

    parser = CommandParser(__doc__)
    parser.add_argument('video')
    _add_target_arguments(parser)
    _add_source_arguments(parser)
    parser.add_argument(
        '--out', type=Path, default=Path('tracked'), metavar='DIR', help='%(default)s'
    )
    parser.add_argument(
        '--format',
        nargs='+',
        default=[],
        choices=FORMATS,
        help='write the boxes in these formats as well: '
        + ', '.join(f'{name} ({what})' for name, (_, what, _) in FORMATS.items()),
    )
    parser.add_argument(
        '--check-back',
        action='store_true',
        help='read the video again, track backwards from every tenth frame of the track, '
        'write how well its boxes are found again to backward.jsonl, and name the parts '
        'where they are not',
    )
    add_tracker(parser)
    args = parser.parse_args()
    if not (args.box or args.boxes or args.select):
        parser.error('where is the target? Give --box X Y W H, --boxes or --select')
    check_tracker(parser, args)
    check_files(parser, boxes=args.boxes)
    if args.check_back and Path(args.video).is_fifo():
        parser.error(
            f'--check-back wants what can be read again, not a pipe: {args.video}'
        )
    return args


def _add_target_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--box',
        type=float,
        nargs=4,
        action='append',
        default=[],
        metavar=('X', 'Y', 'W', 'H'),
        help='a target in the first frame, in pixels; once for each target',
    )
    parser.add_argument(
        '--boxes',
        metavar='FILE',
        help='start targets in any frame: lines of frame,target,x,y,w,h with frames from '
        '0; or a boxes.jsonl, a MOTChallenge, CVAT (.xml) or Label Studio (.json) file',
    )
    parser.add_argument(
        '--select',
        action='store_true',
        help='draw them in a window, in the first frame',
    )


def _add_source_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--live',
        action='store_true',
        help='always take the newest frame, and drop and count late ones (cameras and '
        'RTSP streams do so anyway); connect again where a stream breaks off',
    )
    parser.add_argument(
        '--fps', type=float, default=25, help='of images (default: %(default)s)'
    )
    parser.add_argument(
        '--raw-pixels',
        action='store_true',
        help='leave frames as they lie in the file, without the turn that EXIF or a '
        'phone wants; for boxes that were drawn so',
    )
    parser.add_argument(
        '--value-range',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='what is black and what is white in 16-bit images',
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=10,
        metavar='SECONDS',
        help='to wait for a camera or stream (default: %(default)s)',
    )


def open_source(args: argparse.Namespace) -> 'FrameSource':
    """Open the video."""
    from sstrack_mm.frames import open_frames

    source: Any = args.video
    if source.startswith('@'):
        source = os.fsdecode(Path(source[1:]).read_bytes()).split('\n')
        source = [line.strip() for line in source if line.strip()]
    if not 0 < args.fps < 1000:
        raise DataError(f'--fps {args.fps:g}: frames a second are above 0 and below 1000')
    return open_frames(
        source,
        live=args.live or None,
        image_fps=args.fps,
        orient=not args.raw_pixels,
        value_range=args.value_range,
        timeout_s=args.timeout,
    )


def find_starts(args: argparse.Namespace, source: 'FrameSource') -> list['TargetBox']:
    """The boxes from which targets start."""
    from sstrack_mm.formats import read_starts
    from sstrack_mm.structures.target_box import TargetBox

    starts = read_starts(args.boxes, source.size_wh) if args.boxes else []
    boxes = [tuple(box) for box in args.box]
    if args.select:
        from sstrack_mm.visualization.select import select_boxes

        boxes += select_boxes(source.first_image)
    taken = {box.target for box in starts}
    names = (str(n) for n in range(1, len(taken) + len(boxes) + 1) if str(n) not in taken)
    starts += [
        TargetBox(0, 0.0, name, box, by_person=True)
        for name, box in zip(names, boxes, strict=False)
    ]
    return starts


@contextlib.contextmanager
def end_by_signal(source: 'FrameSource') -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM end the video, and the second the command."""
    received: list[int] = []

    def stop(number: int, frame: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        source.stop()

    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell_backward(model: 'Tracker', args: argparse.Namespace) -> None:
    """Read the video again, and say where the track does not lead back."""
    from sstrack_mm.apis.backward import check_back, doubtful_parts, write_overlaps
    from sstrack_mm.apis.tracked_video import BOXES
    from sstrack_mm.structures.target_box import read_jsonl

    with open_source(args) as source:
        found = list(check_back(model, source, read_jsonl(args.out / BOXES)))
    for part in doubtful_parts(found):
        print(
            f'target {part.target}: frames {part.first} to {part.last} do not lead back '
            f'(mean overlap {part.overlap:.2f}); look at them'
        )
    print('checked backwards: wrote', write_overlaps(args.out, found))


def check_all_started(result: 'TrackedVideo') -> None:
    """Check that the frame of each given box came.

    Raises:
        DataError: One did not.
    """
    if not result.not_started:
        return
    box, *others = result.not_started
    more = f' (likewise for {len(others)} more)' if others else ''
    raise DataError(
        f'target {box.target} did not start: there was no frame {box.frame}, only '
        f'{result.num_frames} frames, counted from 0{more}'
    )


def main() -> int:
    """Run the command."""
    args = parse_args()
    from tqdm import tqdm

    from sstrack_mm.apis.tracked_video import check_outputs, track_file

    with open_source(args) as source:
        check_outputs(source.name, args.out, args.format, args.boxes)
        if args.check_back and source.is_live:
            raise DataError(f'{source.name}: --check-back wants what can be read again')
        starts = find_starts(args, source)
        model = load_tracker(args)
        total = source.num_frames
        if total is None and source.duration_s and source.fps:
            total = round(source.duration_s * source.fps)
        with end_by_signal(source) as received:
            with tqdm(total=total, unit=' frames', disable=None) as bar:

                def show(frame: 'Frame') -> None:
                    bar.update(frame.index + 1 - bar.n)

                def tell(result: 'TrackedVideo') -> None:
                    bar.close()
                    for problem in result.problems:
                        print(f'warning: {source.name}: {problem}', file=sys.stderr)
                    print(f'{result.num_frames} frames: wrote', *result.files)

                result = track_file(
                    model, source, starts, args.out, args.format, show, tell
                )
    if received:
        print('stopped: the frames so far are there', file=sys.stderr)
        return 128 + received[0]
    if source.report.cut:
        raise DataError(f'{source.name} {source.report.cut}')
    check_all_started(result)
    if args.check_back:
        tell_backward(model, args)
    return 0


if __name__ == '__main__':
    run_command(main)
