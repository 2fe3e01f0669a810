"""Tracking online, one frame at a time, whatever runs the network: no torch here."""

from sstrack_mm.tracking.engine import Engine, StepOutput
from sstrack_mm.tracking.memory import TemplateMemory
from sstrack_mm.tracking.online import OnlineTracker
from sstrack_mm.tracking.settings import TrackSettings
from sstrack_mm.tracking.state import Status, TrackState

__all__ = [
    'Engine',
    'OnlineTracker',
    'Status',
    'StepOutput',
    'TemplateMemory',
    'TrackSettings',
    'TrackState',
]
