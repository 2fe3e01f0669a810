"""Reads the frames of a clip."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.datasets.shards.store import Member
from sstrack_mm.datasets.video_files import VideoFrame, read_video_frames
from sstrack_mm.errors import DataError
from sstrack_mm.frames import decode_image, read_image

Place = str | Member | VideoFrame
"""Of a frame: an image file, one in a shard, or a frame of a video file."""


def read_frames(places: Sequence[Place]) -> dict[Place, np.ndarray]:
    """Read images, and frames of video files.

    Args:
        places: Where they are; each is read once.

    Returns:
        dict: (H, W, 3) uint8 RGB by place.

    Raises:
        DataError: One cannot be read.
    """
    in_videos = [place for place in places if isinstance(place, VideoFrame)]
    frames: dict[Place, np.ndarray] = {}
    frames.update(read_video_frames(in_videos).items())
    for place in places:
        if place in frames or isinstance(place, VideoFrame):
            continue
        if isinstance(place, Member):
            frames[place] = decode_image(place.read_bytes(), str(place))
        else:
            frames[place] = read_image(place)
    return frames


@TRANSFORMS.register_module()
class LoadClip(BaseTransform):
    """Read the frames of a clip, each file once.

    Required Keys: frame_paths, bboxes_xywh

    Added Keys: frames (list of (H, W, 3) uint8 RGB)
    """

    def transform(self, results: dict) -> dict:
        """Read the frames.

        Raises:
            DataError: A frame cannot be read or has another size than the first, or a
                known box lies outside its frame.
        """
        images = read_frames(results['frame_paths'])
        frames = [images[path] for path in results['frame_paths']]
        for path, frame, (x, y, w, h) in zip(
            results['frame_paths'], frames, results['bboxes_xywh'], strict=True
        ):
            if frame.shape != frames[0].shape:
                raise DataError(
                    f'{path}: its size {frame.shape[1]}x{frame.shape[0]} is '
                    f'not that of {results["frame_paths"][0]}'
                )
            height, width = frame.shape[:2]
            if x >= width or y >= height or x + w <= 0 or y + h <= 0:
                raise DataError(
                    f'{path}: its box xywh=({x:g}, {y:g}, {w:g}, {h:g}) lies '
                    f'outside the {width}x{height} image'
                )
        return results | dict(frames=frames)
