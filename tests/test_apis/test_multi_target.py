"""Several targets that join, leave and are re-boxed."""

import numpy as np
import pytest

from sstrack_mm.apis import MultiTargetTracker, iter_track

A_XYWH, B_XYWH = (30.0, 20, 24, 18), (60.0, 40, 20, 30)


@pytest.fixture
def model(build_tracker):
    return build_tracker().eval()


@pytest.fixture
def video():
    """Ten smooth RGB frames of 80x100."""
    t, y, x, channel = np.ogrid[:10, :80, :100, :3]
    wave = np.sin((x + 2 * t) / 9 + channel) + np.cos((y - t) / 7 + channel)
    return list(np.round(127 + 60 * wave).astype(np.uint8))


def track_alone(model, video, bbox_xywh):
    """xywh boxes of the frames after the first."""
    return [state.bbox_xywh for state, _ in iter_track(model, video, bbox_xywh)][1:]


def test_join_rebox_and_leave(model, video):
    tracker = MultiTargetTracker(model)
    tracker.start('a', video[0], A_XYWH)
    found = dict(a=[], b=[])
    for i, frame in enumerate(video[1:], start=1):
        for name, state in tracker.track(frame).items():
            found[name].append(state.bbox_xywh)
            assert 0 < state.score < 1 and tracker.states[name] is state
        if i == 2:
            tracker.start('b', frame, B_XYWH)
        elif i == 5:
            tracker.start('a', frame, B_XYWH)
        elif i == 7:
            tracker.stop('b')
    expected = dict(
        a=track_alone(model, video[:6], A_XYWH) + track_alone(model, video[5:], B_XYWH),
        b=track_alone(model, video[2:8], B_XYWH),
    )
    for name in 'ab':
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3)


def test_first_frame(model, video):
    """The box given, to the bit, and nothing of the array it came in."""
    given = np.array([0.1, 0.2, 1 / 3 + 20, 18])
    state = MultiTargetTracker(model).start('a', video[0], given)
    assert state.bbox_xywh.tolist() == given.tolist() and state.score == 1
    given[0] = 50
    assert state.bbox_xywh[0] == 0.1


def test_no_targets(model, video):
    assert MultiTargetTracker(model).track(video[0]) == {}


def test_stop_of_nothing(model, video):
    tracker = MultiTargetTracker(model)
    tracker.start('a', video[0], A_XYWH)
    with pytest.raises(KeyError, match=r"no target 'b'; there are \['a'\]"):
        tracker.stop('b')
