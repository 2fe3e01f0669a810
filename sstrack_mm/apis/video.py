"""Track one target through a whole video."""

import time
from collections.abc import Iterator

import numpy as np

from sstrack_mm.apis.model import Tracker
from sstrack_mm.errors import DataError
from sstrack_mm.frames import Source, open_frames
from sstrack_mm.structures.track_result import TrackResult
from sstrack_mm.tracking import TrackState


def track_video(model: Tracker, video: Source, init_bbox_xywh: np.ndarray) -> TrackResult:
    """Track a target through a video.

    The boxes are those of :func:`mmtrack.apis.inference_sot`, without the cost of its
    pipeline.

    Args:
        model: From :func:`init_model`.
        video: A video file, a camera or a stream, a folder of images (in natural order),
            a list of image files, or an iterable of (H, W, 3) uint8 RGB frames; see
            :func:`~sstrack_mm.frames.open_frames`.
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
    model: Tracker, video: Source, init_bbox_xywh: np.ndarray
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


def iter_frames(video: Source) -> Iterator[np.ndarray]:
    """Read a video, every frame of it.

    Where a frame may be missing, use :func:`sstrack_mm.frames.open_frames`.

    Args:
        video: As in :func:`track_video`.

    Yields:
        np.ndarray: (H, W, 3) uint8 RGB frames; images have their own sizes.

    Raises:
        DataError: There is no such file, it holds no frames, or one of them cannot be
            decoded.
    """
    with open_frames(video, scale_images=False) as frames:
        for frame in frames:
            if frame.image is None:
                raise DataError(
                    f'{frames.name}: frame {frame.index} (counted from 0) cannot be '
                    f'decoded ({frame.problem})'
                )
            yield frame.image
        if frames.report.cut:
            raise DataError(f'{frames.name} {frames.report.cut}')
