"""The loop, over an engine that computes nothing and over those that do."""

from functools import partial

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.deploy.export import export_tracker
from sstrack_mm.deploy.onnx_engine import OnnxTracker
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.results import load_results
from sstrack_mm.evaluation.runner import run_sequences
from sstrack_mm.structures import crop
from sstrack_mm.structures.sequence import VideoSequence
from sstrack_mm.tracking import OnlineTracker, Status, StepOutput, TrackSettings

IMAGE = np.zeros((240, 320, 3), np.uint8)
INIT_XYWH = np.array([100.0, 80, 20, 20])


class CountingEngine:
    """Finds every target a quarter of its window to the right; a query is a number."""

    search_size = 256

    def __init__(self):
        self.loaded, self.passes = [], []

    def zero_query(self):
        return 0

    def load(self, image_rgb):
        self.loaded.append(image_rgb)
        return image_rgb

    def cut_search(self, frames, bboxes_xywh, factor):
        return [(tuple(bbox), factor) for bbox in bboxes_xywh]

    def cut_templates(self, frames, bboxes_xywh, factor):
        return [(tuple(bbox), factor) for bbox in bboxes_xywh]

    def step(self, templates, search, queries):
        self.passes.append((templates, search, queries))
        size = len(search)
        return StepOutput(
            np.array([[0.75, 0.5, 0.25, 0.25]] * size),
            np.linspace(0.3, 0.6, size),
            [query + 1 for query in queries],
        )


class TestLoop:
    @pytest.fixture
    def tracker(self):
        return OnlineTracker(CountingEngine(), TrackSettings())

    def test_first_frame(self, tracker):
        state = tracker.init_state(IMAGE, INIT_XYWH)
        np.testing.assert_array_equal(state.bbox_xywh, INIT_XYWH)
        assert (state.score, state.status, state.query) == (1, Status.TRACKED, 0)
        assert state.frame_id == 0
        assert state.memory.crops == {0: ((100, 80, 20, 20), 2.0)}

    def test_steps(self, tracker):
        """Each frame is looked for around the last box, with the past as templates."""
        state = tracker.init_state(IMAGE, INIT_XYWH)
        for frame_id in (1, 2):
            state = tracker.track_step(IMAGE, state)
            assert (state.frame_id, state.query) == (frame_id, frame_id)
            assert state.score == 0.3 and state.status == Status.TRACKED
        np.testing.assert_allclose(state.bbox_xywh, [140, 80, 20, 20])
        (templates,), search, queries = tracker.engine.passes[1]
        assert templates == [((100, 80, 20, 20), 2.0), ((120, 80, 20, 20), 2.0)]
        assert search == [((120, 80, 20, 20), 4.0)] and queries == [1]

    def test_order_of_a_batch(self, tracker):
        """Targets of different ages: two passes, and each result at its own place."""
        old = tracker.track_step(IMAGE, tracker.init_state(IMAGE, INIT_XYWH))
        news = [tracker.init_state(IMAGE, INIT_XYWH + [0, i, 0, 0]) for i in (1, 2)]
        tracker.engine.loaded.clear(), tracker.engine.passes.clear()
        states = tracker.track_batch([IMAGE] * 3, [news[0], old, news[1]])
        assert len(tracker.engine.loaded) == 1
        assert [len(search) for _, search, _ in tracker.engine.passes] == [2, 1]
        assert [state.frame_id for state in states] == [1, 2, 1]
        assert [state.score for state in states] == [0.3, 0.3, 0.6]
        assert [round(state.bbox_xywh[1]) for state in states] == [81, 80, 82]

    def test_other_settings(self, tracker):
        """They count from the next frame on."""
        state = tracker.init_state(IMAGE, INIT_XYWH)
        tracker.settings = TrackSettings(search_factor=8.0)
        state = tracker.track_step(IMAGE, state)
        np.testing.assert_allclose(state.bbox_xywh[:1], 110 + 160 / 4 - 40 / 2)

    def test_bad_image(self, tracker):
        state = tracker.init_state(IMAGE, INIT_XYWH)
        with pytest.raises(ValueError, match=r'got shape \(240, 320\) of uint8'):
            tracker.track_step(IMAGE[..., 0], state)

    def test_box_outside(self, tracker):
        with pytest.raises(DataError, match='no area inside the 320x240 image'):
            tracker.init_state(IMAGE, INIT_XYWH + [300, 0, 0, 0])


class TestFirstBox:
    """``(x + w) - x`` is not w: on the way through corners this box would grow."""

    BBOX_XYWH = np.array([874.88, 603.26, 278, 278])

    @pytest.fixture
    def sides(self, monkeypatch):
        """The sides of the windows that are cut: of the template, of the search image."""
        sides = []
        target_window = crop.target_window

        def record(*args):
            sides.append(target_window(*args)[2])
            return target_window(*args)

        monkeypatch.setattr(crop, 'target_window', record)
        return sides

    @pytest.fixture
    def paths(self, tmp_path):
        paths = [str(tmp_path / f'{number}.png') for number in range(2)]
        for path in paths:
            cv2.imwrite(path, np.zeros((1000, 1280, 3), np.uint8))
        return paths

    @pytest.fixture
    def config(self, root, tiny_options):
        config = Config.fromfile(root / 'configs' / 'sstrack_b256.py')
        config.merge_from_dict(tiny_options | {'model.backbone.init_cfg': None})
        return config

    def check(self, sides, result):
        assert sides[:2] == [556, 1112]
        np.testing.assert_array_equal(result.bboxes_xywh[0], self.BBOX_XYWH)

    def test_track_video(self, config, paths, sides):
        model = init_model(config, device='cpu')
        self.check(sides, track_video(model, paths, self.BBOX_XYWH))

    def test_onnx(self, config, paths, sides, tmp_path):
        export_tracker(init_model(config, device='cpu'), tmp_path / 'tiny.onnx')
        tracker = OnnxTracker(tmp_path / 'tiny.onnx', num_threads=1)
        self.check(sides, track_video(tracker, paths, self.BBOX_XYWH))

    def test_evaluation(self, config, paths, sides, load_tool, tmp_path):
        """As tools/test.py tracks the sequences of a dataset."""

        class OneSequence:
            names = ['car']

            def sequence(self, idx):
                gt_xywh = self.BBOX_XYWH[None]
                return VideoSequence('car', paths, gt_xywh, np.ones(2, bool))

        OneSequence.BBOX_XYWH = self.BBOX_XYWH
        factory = partial(
            load_tool('test.py').make_tracker, config, None, 'cpu', 0, num_threads=1
        )
        folder = tmp_path / 'results'
        run_sequences(factory, OneSequence(), folder, {}, progress=False)
        assert sides[:2] == [556, 1112]
        boxes = load_results(folder).bboxes_xywh['car']
        np.testing.assert_array_equal(boxes[0], self.BBOX_XYWH)
