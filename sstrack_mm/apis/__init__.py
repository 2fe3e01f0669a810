"""The Python interface: mmtrack's own functions, and whole videos."""

from mmtrack.apis import inference_sot

from sstrack_mm.apis.model import init_model
from sstrack_mm.apis.multi_target import MultiTargetTracker
from sstrack_mm.apis.video import iter_frames, iter_track, track_video

__all__ = [
    'MultiTargetTracker',
    'inference_sot',
    'init_model',
    'iter_frames',
    'iter_track',
    'track_video',
]
