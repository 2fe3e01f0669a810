"""The fit of a judge, and what is counted; with trackers that need no network."""

from dataclasses import replace

import numpy as np
import pytest

from sstrack_mm.analysis.judging import (
    Measured,
    Recorder,
    VideoPlan,
    calibrate,
    calibration_error,
    find_threshold,
    fit,
    measure,
    plan_videos,
    reliability,
    write_calibrated,
)
from sstrack_mm.apis import init_model
from sstrack_mm.errors import DataError
from sstrack_mm.tracking import Status, TrackSettings
from sstrack_mm.tracking.memory import TemplateMemory
from sstrack_mm.tracking.presence import SIGNALS
from sstrack_mm.tracking.state import TrackState

BOX = np.array([0.0, 0, 10, 10])


def make_rows(number=400):
    """Rows whose first signal alone tells, and whose second is noise."""
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 1, (number, len(SIGNALS)))
    is_on = rng.random(number) < 1 / (1 + np.exp(-3 * signals[:, 0]))
    return [(row, bool(k % 2), bool(is_on[k])) for k, row in enumerate(signals)]


class TestFit:
    def test_finds_the_signal(self):
        judge = fit(make_rows())
        assert judge.tracked[0] == pytest.approx(3, abs=1)
        assert max(np.abs(judge.searched[1:-1])) < 1
        assert 0.5 <= judge.accept < 1

    def test_nothing_to_learn(self):
        rows = [(signals, searched, True) for signals, searched, _ in make_rows()]
        with pytest.raises(DataError, match='of 200 boxes 200 are on their targets'):
            fit(rows)

    def test_threshold(self):
        """The least above which at most one in ten is wrong."""
        confidences = np.repeat([0.55, 0.75, 0.95], 100)
        is_on = np.concatenate([np.arange(100) < n for n in (50, 85, 99)])
        assert find_threshold(confidences, is_on) == 0.56
        is_on[100:200] = np.arange(100) < 50
        assert find_threshold(confidences, is_on) == 0.76
        assert find_threshold(confidences, np.zeros(300, bool)) == 0.98


class TestRecorder:
    def test_truth(self):
        recorder = Recorder(truth_xywh=BOX)
        signals = np.zeros(len(SIGNALS))
        assert recorder.confidence(signals, BOX, False) == 1
        assert recorder.confidence(signals, BOX + [20, 0, 0, 0], False) == 0
        recorder.visible = False
        assert recorder.confidence(signals, BOX, False) == 0
        assert [row[1:] for row in recorder.rows] == [
            (False, True),
            (False, False),
            (False, False),
        ]

    def test_lenient(self):
        recorder = Recorder(lenient=True, visible=False)
        assert 0.2 < recorder.confidence(np.zeros(1), BOX, False) < 0.4

    def test_passes_on(self):
        judge = fit(make_rows())
        recorder = Recorder(judge)
        signals = np.ones(len(SIGNALS))
        expected = judge.confidence(signals, BOX, True)
        assert recorder.confidence(signals, BOX, True) == expected
        assert recorder.accept == judge.accept


class Scripted:
    """Has boxes and states of its own, one a frame."""

    def __init__(self, bboxes_xywh, statuses):
        self.settings, self.judge = TrackSettings(memory_size=1), None
        self.bboxes_xywh, self.statuses = bboxes_xywh, statuses

    def _state(self, t):
        confidence = {'T': 0.9, 'U': 0.5, 'L': 0.1}[self.statuses[t]]
        status = {'T': Status.TRACKED, 'U': Status.UNCERTAIN, 'L': Status.LOST}
        return TrackState(
            self.bboxes_xywh[t],
            0.5,
            status[self.statuses[t]],
            None,
            TemplateMemory(1),
            t,
            confidence=confidence if self.settings.presence else None,
        )

    def init_state(self, image_rgb, bbox_xywh):
        return self._state(0)

    def track_step(self, image_rgb, state):
        return self._state(state.frame_id + 1)


class StandIn(VideoPlan):
    """A still target that is away in frames 3 to 8."""

    def frames(self):
        for t in range(self.num_frames):
            yield np.zeros((64, 64, 3), np.uint8), BOX, 0 if 3 <= t < 9 else 8


class TestMeasure:
    PLAN = StandIn((0,), 14, 1)

    def test_found_again(self):
        boxes = [BOX] * 14
        measured = measure(Scripted(boxes, 'TTTULLLLLLLTTT'), [self.PLAN], True)
        assert measured.absences == 1 and measured.recovery_frames == [2]
        assert (measured.recovery_overlaps, measured.false_share) == ([1], 0)
        assert measured.found_soon == 100
        # Overlap 1 in all 8 frames that show it: all thresholds but 1.
        assert measured.auc == pytest.approx(100 * 20 / 21)
        assert len(measured.confidences) == 13
        assert measured.is_on.sum() == 7 and measured.is_lost.sum() == 7

    def test_false_recovery(self):
        boxes = [BOX] * 7 + [BOX + [30, 0, 0, 0]] * 7
        measured = measure(Scripted(boxes, 'TTTULLLTTTTTTT'), [self.PLAN], True)
        assert (measured.recovery_frames, measured.found_soon) == ([], 0)
        assert (measured.recovery_overlaps, measured.false_share) == ([0], 100)

    def test_off(self):
        """What was set before is set again."""
        tracker = Scripted([BOX] * 14, 'T' * 14)
        tracker.settings = replace(tracker.settings, presence=True)
        measured = measure(tracker, [self.PLAN], False)
        assert len(measured.confidences) == 0 and measured.recovery_frames == [0]
        assert tracker.settings.presence


def test_reliability():
    confidences = np.array([0.05, 0.15, 0.15, 1.0])
    is_on = np.array([False, True, False, True])
    assert reliability(confidences, is_on) == [
        (0.05, 0, 1),
        (pytest.approx(0.15), 0.5, 2),
        (1, 1, 1),
    ]
    expected = (0.05 + 2 * 0.35) / 4
    assert calibration_error(confidences, is_on) == pytest.approx(expected)
    empty = Measured(0, 0, 0, [], [], 0, np.array([]), np.array([], bool), None)
    assert empty.ece == 0


def test_two_of_three_videos_have_absences():
    assert [plan.absences for plan in plan_videos(5, 4)] == [0, 2, 2, 0]
    assert [plan.seed for plan in plan_videos(5, 2)] == [(5, 0), (5, 1)]


class TestShipped:
    """The shipped network, as a user calibrates it; on few and short videos."""

    @pytest.fixture(scope='class')
    @staticmethod
    def model():
        return init_model('sstrack-tiny', device='cpu')

    def test_calibrate_and_write(self, model, tmp_path, monkeypatch, root):
        monkeypatch.setattr(
            'sstrack_mm.analysis.judging.plan_videos',
            lambda seed, number: [VideoPlan((seed, 2), 90, 1, (160, 120))] * number,
        )
        before = model.settings, model.judge
        judge = calibrate(model, 1, 1)
        assert (model.settings, model.judge) == before
        weights = root / 'sstrack_mm' / 'zoo' / 'sstrack_tiny.safetensors'
        write_calibrated(weights, judge, tmp_path / 'out.safetensors')
        again = init_model('sstrack-tiny', str(tmp_path / 'out.safetensors'), 'cpu')
        assert again.judge == judge
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(again.state_dict()[name], value)

    def test_onnx(self, tmp_path, root):
        judge = fit(make_rows())
        weights = root / 'sstrack_mm' / 'zoo' / 'sstrack_tiny_int8.onnx'
        write_calibrated(weights, judge, tmp_path / 'out.onnx')
        assert init_model(None, str(tmp_path / 'out.onnx'), 'cpu').judge == judge

    def test_other_kind(self, tmp_path):
        with pytest.raises(DataError, match=r'out\.pth: is to be of the same kind as'):
            write_calibrated(tmp_path / 'a.onnx', fit(make_rows()), tmp_path / 'out.pth')
