"""Trackers: loss, prediction and the state of a video."""

from sstrack_mm.models.trackers.one_stream import OneStreamTracker, TrackState
from sstrack_mm.models.trackers.sstrack import SSTrack

__all__ = ['OneStreamTracker', 'SSTrack', 'TrackState']
