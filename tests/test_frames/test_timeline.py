"""Which frames are missing, told by the times of packets and frames."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from sstrack_mm.frames.timeline import Timeline


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
