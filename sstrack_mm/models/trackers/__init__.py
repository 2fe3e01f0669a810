"""Trackers: loss, prediction, and the engine that tracks with them."""

from sstrack_mm.models.trackers.one_stream import OneStreamTracker
from sstrack_mm.models.trackers.sstrack import SSTrack

__all__ = ['OneStreamTracker', 'SSTrack']
