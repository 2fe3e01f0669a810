"""Track a dataset with OpenCV's own trackers, to compare with.

    pip install --no-deps --target work_dirs/opencv opencv-contrib-python-headless
    PYTHONPATH=work_dirs/opencv python tools/analysis_tools/opencv_peers.py csrt kcf \\
        still --dataset folder --root data/mine --out work_dirs/peers

The boxes go to OUT/TRACKER, in the format of tools/test.py's, so that
tools/analysis_tools/evaluate.py compares them with any other tracker's. `still` keeps
the first box, and needs no OpenCV but the usual one. (The contributed trackers are in
another package than the one that this project runs on, and the two cannot be installed
side by side: hence the folder.)
"""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from sstrack_mm.command_line import CommandParser, run_command
from sstrack_mm.errors import DataError

if TYPE_CHECKING:
    from sstrack_mm.evaluation.workers import TrackFn

PEERS = {'csrt': 'TrackerCSRT_create', 'kcf': 'TrackerKCF_create', 'still': None}


class PeerState(NamedTuple):
    """One of OpenCV's trackers in one video.

    Attributes:
        tracker: OpenCV's; None keeps the box.
        bbox_xywh: (4,) the last box, in image pixels.
        score: 0 where the target was lost, else 1.
    """

    tracker: Any
    bbox_xywh: np.ndarray
    score: float = 1.0


class OpenCVTracker:
    """One of OpenCV's trackers, with the interface of this project's.

    Where it loses the target, the box stays where it was.

    Args:
        name: One of :data:`PEERS`.

    Raises:
        DataError: The imported OpenCV lacks it.
    """

    def __init__(self, name: str) -> None:
        maker = PEERS[name]
        if maker is not None and not hasattr(cv2, maker):
            raise DataError(
                f'OpenCV {cv2.__version__} at {cv2.__file__} has no {maker}; see '
                "this command's --help for how to get opencv-contrib"
            )
        self._make = None if maker is None else getattr(cv2, maker)

    def init_state(self, image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> PeerState:
        """Start from an (H, W, 3) uint8 frame and a (4,) box."""
        tracker = None
        if self._make is not None:
            tracker = self._make()
            whole = np.round(bbox_xywh).astype(int).tolist()
            tracker.init(np.ascontiguousarray(image_rgb[..., ::-1]), whole)
        return PeerState(tracker, np.asarray(bbox_xywh, float))

    def track_step(self, image_rgb: np.ndarray, state: PeerState) -> PeerState:
        """Track into the next (H, W, 3) uint8 frame."""
        if state.tracker is None:
            return state
        found, bbox = state.tracker.update(np.ascontiguousarray(image_rgb[..., ::-1]))
        if not found:
            return state._replace(score=0.0)
        return PeerState(state.tracker, np.asarray(bbox, float))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('trackers', nargs='+', choices=list(PEERS))
    parser.add_argument(
        '--dataset', required=True, metavar='NAME', help='a benchmark, or `folder`'
    )
    parser.add_argument('--root', help='its folder')
    parser.add_argument(
        '--out', type=Path, required=True, help='where OUT/TRACKER is written'
    )
    parser.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    parser.add_argument(
        '--threads', type=int, default=1, help="OpenCV's threads (default: 1)"
    )
    return parser.parse_args()


def make_tracker(name: str, threads: int) -> 'TrackFn':
    """Build the tracker; runs once in every process."""
    from sstrack_mm.apis import track_video

    cv2.setNumThreads(threads)
    peer: Any = OpenCVTracker(name)  # it has what tracking a video asks for
    return partial(track_video, peer)


def main() -> int:
    """Run the command; 1 if a sequence has no result."""
    args = parse_args()
    from sstrack_mm.datasets.catalogue import open_dataset
    from sstrack_mm.evaluation.run_info import describe_run
    from sstrack_mm.evaluation.runner import run_sequences

    dataset = open_dataset(args.dataset, args.root)
    exit_code = 0
    for name in args.trackers:
        OpenCVTracker(name)  # before all the tracking, not after a part of it
    for name in args.trackers:
        run_info = describe_run(name, None, 'cpu', None, dataset=args.dataset)
        summary = run_sequences(
            partial(make_tracker, name, args.threads),
            dataset,
            args.out / name,
            run_info,
            args.workers,
        )
        exit_code = max(exit_code, summary.exit_code)
    return exit_code


if __name__ == '__main__':
    run_command(main)
