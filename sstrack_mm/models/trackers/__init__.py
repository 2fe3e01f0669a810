"""Trackers: loss, prediction and the state of a video."""

from sstrack_mm.models.trackers.one_stream import OneStreamTracker
from sstrack_mm.models.trackers.sstrack import SSTrack
from sstrack_mm.models.trackers.track_step import TrackState

__all__ = ['OneStreamTracker', 'SSTrack', 'TrackState']
