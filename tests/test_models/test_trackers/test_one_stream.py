"""Tracking several targets, in less memory, and in other precisions."""

import copy
import shutil

import numpy as np
import pytest
import torch

from sstrack_mm.errors import DataError
from sstrack_mm.models.trackers import torch_engine
from sstrack_mm.tracking.memory import template_indices

BBOXES_XYWH = np.array([[30.0, 20, 24, 18], [60, 40, 20, 30], [5, 5, 16, 16]])


@pytest.fixture
def video():
    """(20, 80, 100, 3) uint8: smooth waves that move, so that small errors stay small."""
    t, y, x, channel = np.ogrid[:20, :80, :100, :3]
    wave = np.sin((x + 2 * t) / 9 + channel) + np.cos((y - t) / 7 + channel)
    return np.round(127 + 60 * wave).astype(np.uint8)


def start_all(tracker, frame):
    return [tracker.init_state(frame, bbox) for bbox in BBOXES_XYWH]


class TestBatch:
    def test_equals_singles(self, build_tracker, video):
        tracker = build_tracker().eval()
        together = start_all(tracker, video[0])
        alone = start_all(tracker, video[0])
        for frame in video[1:]:
            together = tracker.track_batch([frame] * 3, together)
            for i, state in enumerate(alone):
                alone[i] = tracker.track_step(frame, state)
                np.testing.assert_allclose(
                    together[i].bbox_xywh, alone[i].bbox_xywh, atol=1e-3
                )
                assert together[i].score == pytest.approx(alone[i].score, abs=1e-5)

    def test_one_pass_for_equally_old_targets(self, build_tracker, video):
        """Two joined together, one three frames later: two passes, until they meet."""
        tracker = build_tracker().eval()
        passes = []
        tracker.backbone.register_forward_pre_hook(
            lambda _, args: passes.append(tuple(args[0].shape[:2]))
        )
        states = start_all(tracker, video[0])[:2]
        for frame in video[1:4]:
            states = tracker.track_batch([frame] * 2, states)
        assert passes == [(2, 1), (2, 2), (2, 3)]
        states.append(tracker.init_state(video[3], BBOXES_XYWH[2]))
        passes.clear()
        for frame in video[4:8]:
            states = tracker.track_batch([frame] * 3, states)
        numbers = [
            [len(template_indices(frame_id, 3)) for frame_id in (t, t, t - 3)]
            for t in range(4, 8)
        ]
        assert len(passes) == sum(len(set(row)) for row in numbers)
        assert sum(size for size, _ in passes) == 12

    def test_videos_of_different_sizes(self, build_tracker, video):
        tracker = build_tracker().eval()
        other = np.ascontiguousarray(video[:, 10:70, 15:])
        states = [tracker.init_state(clip[0], BBOXES_XYWH[0]) for clip in (video, other)]
        alone = copy.deepcopy(states)
        for i in range(1, 8):
            images = [video[i], other[i]]
            states = tracker.track_batch(images, states)
            alone = [
                tracker.track_step(image, state)
                for image, state in zip(images, alone, strict=True)
            ]
            for state, single in zip(states, alone, strict=True):
                np.testing.assert_allclose(state.bbox_xywh, single.bbox_xywh, atol=1e-3)

    def test_different_numbers(self, build_tracker, video):
        tracker = build_tracker().eval()
        with pytest.raises(ValueError, match='2 images for 3 targets'):
            tracker.track_batch([video[0]] * 2, start_all(tracker, video[0]))

    def test_no_targets(self, build_tracker):
        assert build_tracker().eval().track_batch([], []) == []

    def test_each_frame_is_uploaded_and_cut_once(self, build_tracker, video, monkeypatch):
        """However many targets it has: one upload, a cut of all, and one of templates."""
        tracker = build_tracker().eval()
        states = start_all(tracker, video[0])
        uploads, cuts = [], []
        load, cut = tracker.engine.load, torch_engine.crop_targets
        monkeypatch.setattr(
            tracker.engine, 'load', lambda image: uploads.append(1) or load(image)
        )
        monkeypatch.setattr(
            torch_engine,
            'crop_targets',
            lambda images, *args, **kwargs: (
                cuts.append(len(images)) or cut(images, *args, **kwargs)
            ),
        )
        states = tracker.track_batch([video[1]] * 3, states)
        assert uploads == [1] and cuts == [3, 3]
        # Each crop is a tensor of its own: none keeps the others alive.
        for state in states:
            crop = state.memory.crops[1]
            assert crop.untyped_storage().nbytes() == crop.numel()


class TestBudget:
    def test_exact_while_it_fits(self, build_tracker, video):
        """Before the first thinning out all boxes are those without a budget."""
        exact = build_tracker().eval()
        bounded = build_tracker(test_cfg=dict(memory_budget=7)).eval()
        states = [t.init_state(video[0], BBOXES_XYWH[0]) for t in (exact, bounded)]
        differ = []
        for frame in video[1:]:
            states = [
                t.track_step(frame, s)
                for t, s in zip((exact, bounded), states, strict=True)
            ]
            differ.append((states[0].bbox_xywh != states[1].bbox_xywh).any())
            assert len(states[1].memory.crops) <= 7
        assert not any(differ[:7])
        assert any(differ)

    def test_too_small(self, build_tracker):
        with pytest.raises(DataError, match='at least 7 for memory_size=3, but got 6'):
            build_tracker(test_cfg=dict(memory_budget=6))


class TestPrecision:
    def test_bfloat16_is_near(self, build_tracker, video):
        precise = build_tracker().eval()
        coarse = build_tracker(test_cfg=dict(dtype='bfloat16')).eval()
        states = [t.init_state(video[0], BBOXES_XYWH[0]) for t in (precise, coarse)]
        boxes = [
            t.track_step(video[1], s).bbox_xywh
            for t, s in zip((precise, coarse), states, strict=True)
        ]
        np.testing.assert_allclose(boxes[1], boxes[0], atol=2)
        assert (boxes[0] != boxes[1]).any()

    def test_weights_stay_float32(self, build_tracker, video, make_clips):
        """The tracker computes with a copy, which is made anew after training."""
        tracker = build_tracker(test_cfg=dict(dtype='bfloat16')).eval()
        before = copy.deepcopy(tracker.state_dict())
        first = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        assert {p.dtype for p in tracker.parameters()} == {torch.float32}
        assert list(tracker.state_dict()) == list(before)
        tracker.train()
        with torch.no_grad():
            tracker.head.score_branch[-1].bias += 1
        tracker.eval()
        again = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        assert again > first

    def test_new_weights(self, build_tracker, video):
        """Weights that are loaded after a first frame count in the next."""
        tracker = build_tracker(test_cfg=dict(dtype='bfloat16')).eval()
        first = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        weights = copy.deepcopy(tracker.state_dict())
        weights['head.score_branch.4.bias'] += 1
        tracker = copy.deepcopy(tracker)
        tracker.load_state_dict(weights)
        again = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        assert again > first

    def test_swapped_weights(self, build_tracker, video):
        """As a hook swaps in averaged weights: by ``data``, without a write."""
        tracker = build_tracker(test_cfg=dict(dtype='bfloat16')).eval()
        first = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        bias = tracker.head.score_branch[-1].bias
        bias.data = bias.data + 1
        again = tracker.track_step(video[1], start_all(tracker, video[0])[0]).score
        assert again > first

    def test_engine_lasts(self, build_tracker, video):
        """What was made for tracking stays until weights or settings change."""
        tracker = build_tracker(test_cfg=dict(dtype='bfloat16')).eval()
        start_all(tracker, video[0])
        engine = tracker.engine
        tracker.train()
        with pytest.raises(RuntimeError, match=r'training mode: call \.eval\(\)'):
            start_all(tracker, video[0])
        start_all(tracker.eval(), video[0])
        assert tracker.engine is engine
        tracker.torch_settings = torch_engine.TorchSettings()
        start_all(tracker, video[0])
        assert tracker.engine is not engine

    def test_inference_mode(self, build_tracker, video):
        """Weights made there track like others."""
        expected = build_tracker().eval()
        with torch.inference_mode():
            tracker = build_tracker().eval()
        boxes = [
            t.track_step(video[1], start_all(t, video[0])[0]).bbox_xywh
            for t in (tracker, expected)
        ]
        np.testing.assert_array_equal(*boxes)

    def test_unknown(self, build_tracker):
        with pytest.raises(DataError, match="dtype must be one of .* but got 'int8'"):
            build_tracker(test_cfg=dict(dtype='int8'))


@pytest.mark.skipif(
    shutil.which('g++') is None, reason='torch.compile needs a C++ compiler'
)
class TestCompile:
    def test_steady_state(self, build_tracker, video):
        """Compiled before the first frame, for the steady state, and then no more."""
        plain = build_tracker().eval()
        compiled = build_tracker(test_cfg=dict(compile=True)).eval()
        states = [t.init_state(video[0], BBOXES_XYWH[0]) for t in (plain, compiled)]
        with torch.compiler.set_stance('fail_on_recompile'):
            for frame in video[1:12]:
                states = [
                    t.track_step(frame, s)
                    for t, s in zip((plain, compiled), states, strict=True)
                ]
                np.testing.assert_allclose(
                    states[1].bbox_xywh, states[0].bbox_xywh, atol=1e-2
                )
        numbers = [len(template_indices(t, 3)) for t in range(1, 12)]
        assert numbers[0] == 1 and numbers[-1] == 4
        # It was the compiled network that ran: another number of targets recompiles.
        with torch.compiler.set_stance('fail_on_recompile'), pytest.raises(RuntimeError):
            compiled.track_batch([video[12]] * 2, [states[1], copy.deepcopy(states[1])])


class TestSizeLR:
    def test_zero_keeps_the_size(self, build_tracker, video):
        tracker = build_tracker(test_cfg=dict(size_lr=0)).eval()
        state = tracker.init_state(video[0], np.array([44.0, 34, 12, 12]))
        state = tracker.track_step(video[1], state)
        np.testing.assert_allclose(state.bbox_xywh[2:], [12, 12])

    def test_out_of_range(self, build_tracker):
        with pytest.raises(DataError, match=r'size_lr must be in \[0, 1\], but got 2'):
            build_tracker(test_cfg=dict(size_lr=2))
