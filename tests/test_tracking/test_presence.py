"""Confidences, states and the search for what was lost, over a scripted engine."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import target_window
from sstrack_mm.tracking import OnlineTracker, Status, StepOutput, TrackSettings
from sstrack_mm.tracking.engine import Evidence
from sstrack_mm.tracking.presence import (
    CONFIRMATIONS,
    PATIENCE,
    SIGNALS,
    PresenceModel,
    count_colours,
    lay_tiles,
    measure_signals,
    start_watch,
)
from sstrack_mm.tracking.state import Watch

IMAGE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
INIT_XYWH = np.array([100.0, 80, 20, 20])
OTHER_XYWH = np.array([250.0, 200, 20, 20])


class ScriptedEngine:
    """Finds the target where its frame says that it is, and otherwise the middle.

    A frame is the centre of the target, or None where it is not to be seen. What is found
    has the score 0.9, and what is not 0.1.
    """

    search_size = 128

    def __init__(self):
        self.place = INIT_XYWH[:2] + 10
        self.windows, self.templates = [], []

    def zero_query(self):
        return 0

    def load(self, image_rgb):
        return self.place

    def cut_search(self, frames, bboxes_xywh, factor):
        windows = [target_window(bbox, factor) for bbox in bboxes_xywh]
        self.windows.append(windows)
        return list(zip(frames, windows, strict=True))

    def cut_templates(self, frames, bboxes_xywh, factor):
        return [tuple(bbox) for bbox in bboxes_xywh]

    def step(self, templates, search, queries, with_evidence=False):
        self.templates.append(templates)
        boxes, scores = [], []
        for place, (left, top, side) in search:
            center = None if place is None else (place - [left, top]) / side
            seen = center is not None and (center >= 0).all() and (center <= 1).all()
            boxes.append([*(center if seen else (0.5, 0.5)), 20 / side, 20 / side])
            scores.append(0.9 if seen else 0.1)
        boxes, scores = np.array(boxes), np.array(scores)
        size = len(boxes)
        evidence = Evidence(
            boxes,
            scores,
            np.full((size, 16, 16), 0.05, np.float32),
            np.ones((size, 2, 4), np.float32),
            np.ones((size, 4), np.float32),
        )
        queries = [query + 1 for query in queries]
        return StepOutput(boxes, scores, queries, evidence if with_evidence else None)


class ScoreJudge:
    """Believes the score."""

    accept = 0.8

    def confidence(self, signals, bbox_xywh, searched):
        return float(signals[SIGNALS.index('score')])


class Listed:
    """Gives out confidences from a list."""

    accept = 0.8

    def __init__(self, *confidences):
        self.confidences = list(confidences)

    def confidence(self, signals, bbox_xywh, searched):
        return self.confidences.pop(0)


@pytest.fixture
def tracker():
    return OnlineTracker(
        ScriptedEngine(), TrackSettings(memory_size=3, presence=True), ScoreJudge()
    )


def steps(tracker, state, number):
    """The states of some frames more."""
    states = []
    for _ in range(number):
        state = tracker.track_step(IMAGE, state)
        states.append(state)
    return states


def lose(tracker):
    """A state in which the target has just been lost."""
    state = tracker.init_state(IMAGE, INIT_XYWH)
    tracker.engine.place = None
    return steps(tracker, state, PATIENCE)[-1]


class TestStates:
    def test_first_frame(self, tracker):
        state = tracker.init_state(IMAGE, INIT_XYWH)
        assert (state.confidence, state.status) == (1, Status.TRACKED)

    def test_off_is_the_loop_as_it_was(self, tracker):
        """No other pass of the network, and nothing judged."""
        tracker.settings = TrackSettings()
        state = tracker.init_state(IMAGE, INIT_XYWH)
        assert tracker.engine.templates == []
        state = tracker.track_step(IMAGE, state)
        assert (state.confidence, state.watch) == (None, None)
        assert state.status is Status.TRACKED and state.memory.num_added == 2

    def test_switched_on_or_off_in_between(self, tracker):
        """What was not watched from the start is not judged."""
        state = tracker.init_state(IMAGE, INIT_XYWH)
        tracker.settings = replace(tracker.settings, presence=False)
        state = tracker.track_step(IMAGE, state)
        tracker.settings = replace(tracker.settings, presence=True)
        state = tracker.track_step(IMAGE, state)
        assert (state.confidence, state.status) == (None, Status.TRACKED)

    def test_hysteresis(self, tracker):
        """What is doubted has to be better than what was not, to be believed again."""
        tracker.judge = Listed(0.5, 0.35, 0.5, 0.7, 0.5)
        states = steps(tracker, tracker.init_state(IMAGE, INIT_XYWH), 5)
        assert [state.status.name[0] for state in states] == list('TUUTT')
        assert [state.confidence for state in states] == [0.5, 0.35, 0.5, 0.7, 0.5]

    def test_no_template_of_doubtful_frames(self, tracker):
        tracker.judge = Listed(0.9, 0.3, 0.3, 0.9)
        states = steps(tracker, tracker.init_state(IMAGE, INIT_XYWH), 4)
        assert states[-1].memory.num_added == 3

    def test_lost_by_patience(self, tracker):
        """Single better frames put it off, and do not start it anew."""
        bad = [0.1] * (PATIENCE - 1)
        tracker.judge = Listed(*bad, 0.5, 0.1, 0.1)
        states = steps(tracker, tracker.init_state(IMAGE, INIT_XYWH), PATIENCE + 2)
        assert {state.status for state in states[:-1]} == {Status.UNCERTAIN}
        assert states[-1].status is Status.LOST

    def test_needs_a_judge(self, tracker):
        tracker.judge = None
        with pytest.raises(DataError, match='presence=True needs a calibrated checkpo'):
            tracker.init_state(IMAGE, INIT_XYWH)


class TestSearch:
    def test_guess(self, tracker):
        """With nothing accepted the box is where following the target leads."""
        states = steps(tracker, lose(tracker), 5)
        for state in states:
            assert state.status is Status.LOST
            np.testing.assert_allclose(state.bbox_xywh, INIT_XYWH)
        assert states[-1].memory.num_added == 1

    def test_whole_image_in_a_few_frames(self, tracker):
        """And always where the target was; with the first template and a fresh query."""
        state = lose(tracker)
        tracker.engine.windows.clear(), tracker.engine.templates.clear()
        steps(tracker, state, 12)
        assert {tuple(t) for ts in tracker.engine.templates for t in ts} == {
            (tuple(INIT_XYWH),)
        }
        seen = np.zeros(IMAGE.shape[:2], bool)
        at_home = target_window(INIT_XYWH, 4.0)
        looks = [windows for windows in tracker.engine.windows if len(windows) > 1]
        for windows in looks:
            assert windows[0] == at_home
            for left, top, side in windows:
                seen[max(top, 0) : top + side, max(left, 0) : left + side] = True
        assert seen.all()

    def test_found_elsewhere(self, tracker):
        """After some frames in a row in which it is accepted; not before."""
        state = lose(tracker)
        tracker.engine.place = OTHER_XYWH[:2] + 10
        found = []
        while state.status is Status.LOST:
            state = tracker.track_step(IMAGE, state)
            found.append(state)
            assert len(found) < 20
        assert len(found) >= CONFIRMATIONS
        np.testing.assert_allclose(state.bbox_xywh, OTHER_XYWH, atol=0.6)
        for each in found[:-1]:
            np.testing.assert_allclose(each.bbox_xywh, INIT_XYWH)
        state = tracker.track_step(IMAGE, state)
        assert state.status is Status.TRACKED and state.memory.num_added == 2

    def test_candidate_that_does_not_last(self, tracker):
        state = lose(tracker)
        tracker.judge = Listed(0.1, 0.9, 0.1, 0.1, *[0.1, 0.9] * CONFIRMATIONS)
        states = steps(tracker, state, 2 + CONFIRMATIONS)
        assert [state.status is Status.LOST for state in states] == [
            *[True] * (1 + CONFIRMATIONS),
            False,
        ]

    def test_was_not_lost(self, tracker):
        """Where following it leads is believed as a candidate is, and at once."""
        state = lose(tracker)
        tracker.judge = Listed(0.7, 0.1, 0.9)
        states = steps(tracker, state, 2)
        assert [state.status for state in states] == [Status.LOST, Status.TRACKED]
        assert states[-1].memory.num_added == 2

    def test_beside_one_that_is_tracked(self, tracker):
        """A batch gives what each target gets alone."""
        lost = lose(tracker)
        tracker.engine.place = INIT_XYWH[:2] + 10
        other = tracker.init_state(IMAGE, INIT_XYWH)
        tracker.engine.place = OTHER_XYWH[:2] + 10
        both = tracker.track_batch([IMAGE] * 2, [lost, other])
        assert [state.status for state in both] == [Status.LOST, Status.UNCERTAIN]
        assert [state.frame_id for state in both] == [PATIENCE + 1, 1]


class TestTiles:
    @pytest.mark.parametrize('image_wh', [(320, 240), (1920, 1080), (60, 400), (30, 30)])
    def test_cover_the_image(self, image_wh):
        tiles = lay_tiles(image_wh, INIT_XYWH, 4.0)
        assert len(tiles) <= 48
        seen = np.zeros(image_wh[::-1], bool)
        for tile in tiles:
            left, top, side = target_window(tile, 4.0)
            seen[max(top, 0) : top + side, max(left, 0) : left + side] = True
        assert seen.all()

    def test_a_tiny_target(self):
        """The number of tiles of its size overflows whole numbers."""
        tiles = lay_tiles((160, 120), np.array([5, 5, 1e-9, 1e-9]), 4.0)
        assert 1 < len(tiles) <= 48

    def test_scale_and_order(self):
        tiles = lay_tiles((320, 240), INIT_XYWH, 4.0)
        np.testing.assert_allclose(tiles[:, 2:], 20)
        ways = np.linalg.norm(tiles[:, :2] - INIT_XYWH[:2], axis=1)
        assert (np.diff(ways) >= 0).all()


class TestSignals:
    @pytest.fixture
    def found(self):
        score_map = np.zeros((1, 8, 8), np.float32)
        score_map[0, 4, 4], score_map[0, 0, 0] = 0.8, 0.4
        features = np.array([[[3.0, 4], [0, 0]]], np.float32)
        boxes = np.array([[0.5625, 0.5625, 0.25, 0.25]])
        evidence = Evidence(
            boxes, np.array([0.8]), score_map, features, np.array([[0, 2.0]])
        )
        return StepOutput(boxes, np.array([0.8]), [None], evidence)

    def test_first_frame(self, found):
        """Compared with itself, a target is as it was."""
        watch = start_watch(found, INIT_XYWH, IMAGE)
        signals = measure_signals(found, 0, watch, INIT_XYWH, IMAGE, INIT_XYWH)
        signals = dict(zip(SIGNALS, signals, strict=True))
        rest = np.zeros(64 - 9)
        rest[0] = 0.4
        sharpness = (0.8 - rest.mean()) / (rest.std() + 1e-3)
        assert signals == pytest.approx(
            dict(
                score=0.8,
                relative_score=0,
                sharpness=sharpness,
                rival=0.5,
                likeness=1,
                relative_likeness=0,
                first_query=1,
                last_query=1,
                colour=1,
                size=0,
                growth=0,
                jump=0,
            )
        )

    def test_later(self, found):
        watch = Watch(
            np.array([1.0, 0]),
            np.array([1.0, 0]),
            np.array([0, -1.0]),
            count_colours(np.zeros_like(IMAGE), INIT_XYWH),
            0.4,
            0.9,
            INIT_XYWH,
        )
        bbox_xywh = np.array([100.0, 80, 40, 10])
        last_xywh = np.array([120.0, 75, 10, 10])
        white = np.full_like(IMAGE, 255)
        signals = measure_signals(found, 0, watch, bbox_xywh, white, last_xywh)
        signals = dict(zip(SIGNALS, signals, strict=True))
        expected = dict(
            relative_score=np.log(2),
            likeness=0.6,
            relative_likeness=-0.3,
            first_query=0,
            last_query=-1,
            colour=0,
            size=0,
            growth=np.log(4),
            jump=np.log1p(np.hypot(5, 5) / 10),
        )
        assert {name: signals[name] for name in expected} == pytest.approx(expected)
        signals = measure_signals(found, 0, watch, bbox_xywh, white)
        signals = dict(zip(SIGNALS, signals, strict=True))
        assert (signals['last_query'], signals['growth']) == (1, 0)
        assert signals['jump'] == pytest.approx(np.log1p(np.hypot(10, 5) / 20))

    def test_box_outside(self):
        """What is outside the image is black."""
        outside = count_colours(IMAGE, np.array([-90.0, -90, 40, 40]))
        assert outside[0] == 1 and outside[1:].sum() == 0


class TestModel:
    MODEL = PresenceModel((0.5, *[0.0] * 11, -1.0), (*[0.0] * 12, 2.0), 0.7)

    def test_confidence(self):
        signals = np.array([4.0, *[9.0] * 11])
        confidence = self.MODEL.confidence(signals, INIT_XYWH, False)
        assert confidence == pytest.approx(1 / (1 + np.exp(-1)))
        confidence = self.MODEL.confidence(signals, INIT_XYWH, True)
        assert confidence == pytest.approx(1 / (1 + np.exp(-2)))
        assert self.MODEL.confidence(-1e9 * signals, INIT_XYWH, False) < 1e-20

    def test_round_trip(self):
        text = json.dumps(self.MODEL.to_dict())
        assert PresenceModel.from_dict(json.loads(text)) == self.MODEL

    @pytest.mark.parametrize(
        'changes, message',
        [
            (dict(signals=['score']), r"calibrated for the signals \['score'\]"),
            (dict(tracked=[1, 2]), r'tracked must be 13 finite numbers, but got \(1\.0'),
            (dict(searched=[float('nan')] * 13), 'searched must be 13 finite numbers'),
            (dict(accept=7), r'accept must be in \[0, 1\], got 7'),
            (dict(accept=None), 'TypeError'),
        ],
    )
    def test_bad_values(self, changes, message):
        with pytest.raises(DataError, match=message):
            PresenceModel.from_dict(self.MODEL.to_dict() | changes)
