"""Which frames are missing, told by the times of packets and frames."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from sstrack_mm.frames.timeline import JoinedTimes, Timeline


@pytest.fixture
def timeline():
    codec = SimpleNamespace(name='h264')
    return Timeline(
        SimpleNamespace(
            guessed_rate=Fraction(25), time_base=Fraction(1, 100), codec_context=codec
        )
    )


def packet(pts, pos):
    return SimpleNamespace(pts=pts, pos=pos, size=100, is_corrupt=False, is_discard=False)


def frame(pts, key=False):
    return SimpleNamespace(
        pts=pts, is_corrupt=False, interlaced_frame=False, key_frame=key
    )


def test_frames_of_lost_packets_are_missing(timeline):
    for pts, pos in [(0, 0), (4, 100), (16, 9000), (20, 9100)]:
        timeline.add_bytes(packet(pts, pos))
        timeline.add_packet(packet(pts, pos))
    found = [timeline.add_frame(frame(pts)) for pts in (0, 4, 16, 20)]
    assert found == [[], [], [8, 12], []] and timeline.end() == []


def test_late_frames_are_not_shown_again(timeline):
    """After damage H.264 decoders give a later frame first."""
    for pts, pos in [(0, 0), (4, 100), (8, 200), (24, 9000), (28, 9100)]:
        timeline.add_bytes(packet(pts, pos))
        timeline.add_packet(packet(pts, pos))
    found = [timeline.add_frame(frame(pts)) for pts in (0, 4, 20, 8, 24, 28)]
    assert found == [[], [], [8, 12, 16], None, [], []] and timeline.end() == []


def test_times_that_go_back_without_damage(timeline):
    for pts in (0, 8, 4, 12):
        timeline.add_packet(packet(pts, -1))
    assert [timeline.add_frame(frame(pts)) for pts in (0, 8, 4, 12)] == [[], [], [], []]


def test_times_of_parts_go_on():
    """A wrong time in the midst of a part is left as it is."""
    joined, corrected = JoinedTimes(), []
    unit = Fraction(1, 10)
    for dts, is_key in [(0, True), (900, False), (2, False), (30, False), (5, True)]:
        part = SimpleNamespace(
            pts=dts + 1, dts=dts, duration=1, time_base=unit, is_keyframe=is_key
        )
        joined.correct(part)
        corrected.append((part.dts, part.pts))
    assert corrected == [(0, 1), (900, 901), (2, 3), (30, 31), (31, 32)]
