"""A tracker for tests, in a module that worker processes can import."""

import errno
import os
import signal
from pathlib import Path

import numpy as np

from sstrack_mm import disk
from sstrack_mm.structures.track_result import TrackResult


def make_tracker(trouble=None):
    """Make a tracker that gets into the given trouble: by sequence, its kind."""
    trouble = trouble or {}
    if trouble.get('factory'):
        raise ValueError('no such checkpoint')

    def track(frame_paths, init_xywh):
        name = Path(frame_paths[0]).parent.name
        num_frames = len(frame_paths)
        kind = trouble.get(name)
        if kind == 'crash':
            raise ValueError(f'cannot track {name}')
        if kind == 'interrupt':
            raise KeyboardInterrupt
        if kind == 'kill':
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == 'kill parent':
            os.kill(os.getppid(), signal.SIGKILL)
        if kind == 'full disk':
            disk.os.fsync = fill_disk
        if kind == 'short':
            num_frames -= 1
        rng = np.random.default_rng([ord(letter) for letter in name])
        bboxes_xywh = init_xywh + rng.normal(0, 5, (num_frames, 4)).cumsum(axis=0)
        bboxes_xywh[0] = init_xywh
        return TrackResult(bboxes_xywh, np.ones(num_frames), np.full(num_frames, 0.01))

    return track


def fill_disk(descriptor):
    """Stands for os.fsync where the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
