"""Measures without labels: of trackers whose quality is known."""

import cv2
import numpy as np
import pytest
import torch

from sstrack_mm.errors import DataError, StoreError
from sstrack_mm.evaluation import label_free
from sstrack_mm.evaluation.label_free import (
    Clip,
    draw_clips,
    effective_rank,
    feature_std,
    map_entropy,
    measure,
)
from sstrack_mm.tracking.state import Status, TrackState


class FakeTracker(torch.nn.Module):
    """Returns what ``answer`` makes of a frame and the last box."""

    def __init__(self, answer, feature=None):
        super().__init__()
        self.answer = answer
        self.feature = feature or (lambda frame: torch.randn(8))
        self.backbone, self.head = torch.nn.Identity(), torch.nn.Identity()

    def init_state(self, frame, bbox_xywh):
        return TrackState(np.array(bbox_xywh, float), 1.0, Status.TRACKED, None, None)

    def track_step(self, frame, state):
        class Output:
            query = self.feature(frame)[None, None]

        self.backbone(Output)
        self.head(dict(score_map=torch.ones(1, 1, 4, 4)))
        box = self.answer(frame, state.bbox_xywh)
        return TrackState(box, 1.0, Status.TRACKED, None, None)


def true_box(frame, last):
    """The box of the white square."""
    rows, columns = np.nonzero(frame[..., 0] > 200)
    low = np.array([columns.min(), rows.min()], float)
    return np.concatenate([low, [columns.max() + 1 - low[0], rows.max() + 1 - low[1]]])


@pytest.fixture
def clips():
    clips = []
    for number in range(6):
        rng = np.random.default_rng(number)
        frames = [np.zeros((80, 100, 3), np.uint8) for _ in range(4)]
        x, y = rng.integers(5, 40, 2)
        for i, frame in enumerate(frames):
            frame[y : y + 16 + number, x + 3 * i : x + 3 * i + 20] = 255
        offset = rng.choice([-0.8, 0.8], 2)
        clips.append(Clip(frames, true_box(frames[0], None), offset))
    return clips


def test_perfect_tracker(clips):
    found = measure(FakeTracker(true_box).train(), clips)
    assert found.overlap == 1 and found.moved == pytest.approx(1)
    assert found.entropy == pytest.approx(1)  # flat maps
    assert found.box_std > 0.3 and found.effective_rank > 2


def test_staying_is_not_rewarded(clips):
    found = measure(FakeTracker(lambda frame, last: last), clips)
    assert found.overlap < 0.3 and found.moved == 0
    staying_small = measure(
        FakeTracker(lambda frame, last: np.array([*last[:2], 5.0, 5.0])), clips
    )
    assert staying_small.overlap < 0.3


def test_constant_features(clips):
    found = measure(FakeTracker(true_box, lambda frame: torch.ones(8)), clips)
    assert found.feature_std < 1e-6 and found.effective_rank == 0


def test_mode_is_left_as_it_was(clips):
    model = FakeTracker(true_box).train()
    measure(model, clips)
    assert model.training and not model.backbone._forward_hooks


def test_entropy():
    peak = torch.full((1, 8, 8), 1e-9)
    peak[0, 3, 4] = 1
    assert map_entropy(peak) < 1e-3
    half = torch.zeros(1, 8, 8)
    half[0, :4] = 0.3
    assert map_entropy(half) == pytest.approx(np.log(32) / np.log(64))


def test_features():
    basis = np.eye(4)
    assert effective_rank(np.concatenate([basis, -basis])) == pytest.approx(4)
    line = np.linspace(1, 2, 9)[:, None] * np.ones((1, 5))
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert feature_std(line) == pytest.approx(0, abs=1e-6)
    assert feature_std(np.concatenate([basis, -basis])) == pytest.approx(1)


class TestDraw:
    class Reader:
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return 1

        def clip_source(self, idx):
            return dict(frame_paths=self.paths)

    class Proposer:
        box = np.ones(4)

        def propose(self, rng, frames, places):
            return self.box

    def test_clips_are_the_same_every_time(self, tmp_path):
        paths = [str(tmp_path / f'{i}.png') for i in range(20)]
        for i, path in enumerate(paths):
            cv2.imwrite(path, np.full((8, 8, 3), i, np.uint8))
        first, again = (
            draw_clips(self.Reader(paths), self.Proposer(), 3, 4, 5) for _ in range(2)
        )
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
            np.testing.assert_array_equal(one.offset, other.offset)
            levels = [frame[0, 0, 0] for frame in one.frames]
            assert len(levels) == 4 and (np.diff(levels) == 5).all()
            assert 0.5 <= np.linalg.norm(one.offset) <= 1
        nobody = self.Proposer()
        nobody.box = None
        with pytest.raises(DataError, match='only 0 of 2 clips'):
            draw_clips(self.Reader(paths), nobody, 2, 4, 1)

    def test_bad_frames(self, tmp_path, caplog, monkeypatch):
        """What cannot be read is left out and named; a server that is away is not."""
        paths = [str(tmp_path / f'{i}.png') for i in range(9)]
        for i, path in enumerate(paths):
            size = 16 if i == 8 else 8
            cv2.imwrite(path, np.zeros((size, size, 3), np.uint8))
        (tmp_path / '0.png').unlink()
        clips = draw_clips(self.Reader(paths), self.Proposer(), 20, 3, 1)
        assert {frame.shape for clip in clips for frame in clip.frames} == {(8, 8, 3)}
        assert '0.png' in caplog.text
        for path in tmp_path.iterdir():
            path.unlink()
        message = r'only 0 of 2 .* cannot be read \(the last one: .*\.png'
        with pytest.raises(DataError, match=message):
            draw_clips(self.Reader(paths), self.Proposer(), 2, 3, 1)

        def is_away(places):
            raise StoreError('no answer')

        monkeypatch.setattr(label_free, 'read_frames', is_away)
        with pytest.raises(StoreError):
            draw_clips(self.Reader(paths), self.Proposer(), 2, 3, 1)
