"""The Python interface: mmtrack's own functions, and whole videos."""

import mmtrack.datasets.transforms  # noqa: F401  (inference_sot looks them up by name)
from mmtrack.apis import inference_sot

from sstrack_mm.apis.backward import BackwardOverlap, check_back
from sstrack_mm.apis.model import Tracker, init_model, is_onnx
from sstrack_mm.apis.multi_target import MultiTargetTracker
from sstrack_mm.apis.tracked_video import TrackedVideo, track_file
from sstrack_mm.apis.video import iter_frames, iter_track, track_video

__all__ = [
    'BackwardOverlap',
    'MultiTargetTracker',
    'TrackedVideo',
    'Tracker',
    'check_back',
    'inference_sot',
    'init_model',
    'is_onnx',
    'iter_frames',
    'iter_track',
    'track_file',
    'track_video',
]
