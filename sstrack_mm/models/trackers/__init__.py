"""Trackers: loss, prediction and the state of a video."""

from sstrack_mm.models.trackers.sstrack import SSTrack, TrackState

__all__ = ['SSTrack', 'TrackState']
