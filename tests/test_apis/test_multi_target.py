"""Several targets that join, leave and are re-boxed."""

import numpy as np
import pytest

from sstrack_mm.apis import MultiTargetTracker, iter_track

A_XYXY, B_XYXY = (30.0, 20, 54, 38), (60.0, 40, 80, 70)


@pytest.fixture
def model(build_tracker):
    return build_tracker().eval()


@pytest.fixture
def video():
    """Ten smooth BGR frames of 80x100."""
    t, y, x, channel = np.ogrid[:10, :80, :100, :3]
    wave = np.sin((x + 2 * t) / 9 + channel) + np.cos((y - t) / 7 + channel)
    return list(np.round(127 + 60 * wave).astype(np.uint8))


def track_alone(model, video, bbox_xyxy):
    """xywh boxes of the frames after the first."""
    return [bbox for bbox, _, _ in iter_track(model, video, np.array(bbox_xyxy))][1:]


def test_join_rebox_and_leave(model, video):
    tracker = MultiTargetTracker(model)
    tracker.start('a', video[0], A_XYXY)
    found = dict(a=[], b=[])
    for i, frame in enumerate(video[1:], start=1):
        for name, (bbox_xywh, score) in tracker.track(frame).items():
            found[name].append(bbox_xywh)
            assert 0 < score < 1
        if i == 2:
            tracker.start('b', frame, B_XYXY)
        elif i == 5:
            tracker.start('a', frame, B_XYXY)
        elif i == 7:
            tracker.stop('b')
    expected = dict(
        a=track_alone(model, video[:6], A_XYXY) + track_alone(model, video[5:], B_XYXY),
        b=track_alone(model, video[2:8], B_XYXY),
    )
    for name in 'ab':
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3)


def test_no_targets(model, video):
    assert MultiTargetTracker(model).track(video[0]) == {}


def test_stop_of_nothing(model, video):
    tracker = MultiTargetTracker(model)
    tracker.start('a', video[0], A_XYXY)
    with pytest.raises(KeyError, match=r"no target 'b'; there are \['a'\]"):
        tracker.stop('b')
