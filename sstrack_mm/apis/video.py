"""Track one target through a whole video."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from sstrack_mm.apis.model import Tracker
from sstrack_mm.datasets.files import list_frames
from sstrack_mm.datasets.transforms.loading import read_image
from sstrack_mm.errors import DataError
from sstrack_mm.structures.track_result import TrackResult
from sstrack_mm.tracking import TrackState

Video = str | Path | Iterable[np.ndarray]


def track_video(model: Tracker, video: Video, init_bbox_xywh: np.ndarray) -> TrackResult:
    """Track a target through a video.

    The boxes are those of :func:`mmtrack.apis.inference_sot`, without the cost of its
    pipeline.

    Args:
        model: From :func:`init_model`.
        video: A video file or stream, a folder of images (in natural order), a list of
            image files, or an iterable of (H, W, 3) uint8 RGB frames.
        init_bbox_xywh: (4,) box of the target in the first frame, in image pixels.

    Returns:
        TrackResult: A box and a score per frame; the first box is the one given.

    Raises:
        DataError: The video cannot be read, or the box lies outside the first frame.
    """
    return TrackResult.from_steps(
        (state.bbox_xywh, state.score, seconds)
        for state, seconds in iter_track(model, video, init_bbox_xywh)
    )


def iter_track(
    model: Tracker, video: Video, init_bbox_xywh: np.ndarray
) -> Iterator[tuple[TrackState, float]]:
    """Track a target through a video, frame by frame as they come.

    Args:
        model: From :func:`init_model`.
        video: As in :func:`track_video`.
        init_bbox_xywh: (4,) box of the target in the first frame, in image pixels.

    Yields:
        tuple[TrackState, float]: The state, with the ``bbox_xywh`` and ``score`` of the
        frame, and the seconds that tracking took, without reading the frame.
    """
    state = None
    for frame in iter_frames(video):
        start = time.perf_counter()
        if state is None:
            state = model.init_state(frame, init_bbox_xywh)
        else:
            state = model.track_step(frame, state)
        yield state, time.perf_counter() - start


def iter_frames(video: Video) -> Iterator[np.ndarray]:
    """Read a video.

    Args:
        video: As in :func:`track_video`.

    Yields:
        np.ndarray: (H, W, 3) uint8 RGB frames.

    Raises:
        DataError: There is no such file, or it holds no frames.
    """
    if not isinstance(video, (str, Path)):
        for frame in video:
            yield (read_image(str(frame)) if isinstance(frame, (str, Path)) else frame)
    elif Path(video).is_dir():
        for name in list_frames(video):
            yield read_image(str(Path(video) / name))
    else:
        yield from _decode_file(str(video))


def _decode_file(path: str) -> Iterator[np.ndarray]:
    if '://' not in path and not Path(path).is_file():
        raise DataError(f'{path}: no such video file or folder of images')
    capture = cv2.VideoCapture(path)
    try:
        got_frame, frame = capture.read()
        if not got_frame:
            raise DataError(f'{path}: cannot be decoded as a video')
        while got_frame:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            got_frame, frame = capture.read()
    finally:
        capture.release()
