"""Hooks that keep training reproducible and stop it when it goes wrong."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import BaseDataElement

from sstrack_mm.engine.hooks import IterationSeedHook, LossGuardHook
from sstrack_mm.engine.hooks import training_hooks as module


class TestIterationSeed:
    @staticmethod
    def draw(iteration, seed=0, before=0):
        torch.rand(before)
        IterationSeedHook().before_train_iter(
            SimpleNamespace(seed=seed, iter=iteration), batch_idx=0
        )
        return torch.rand(4)

    def test_whatever_was_drawn_before(self):
        assert torch.equal(self.draw(7), self.draw(7, before=3))

    def test_iterations_seeds_and_ranks(self, monkeypatch):
        draws = [self.draw(i, seed) for i in range(5) for seed in range(5)]
        monkeypatch.setattr(module, 'get_rank', lambda: 1)
        draws += [self.draw(i) for i in range(5)]
        assert len({tuple(draw.tolist()) for draw in draws}) == 30


class TestLossGuard:
    RUNNER = SimpleNamespace(iter=41, epoch=2)
    BATCH = dict(
        data_samples=[
            BaseDataElement(metainfo=dict(video='lion', frame_ids=[0, 4])),
            BaseDataElement(metainfo=dict(video='boat', frame_ids=[0, 9])),
        ]
    )

    def check(self, loss, max_loss=1e4):
        LossGuardHook(max_loss).after_train_iter(
            self.RUNNER,
            0,
            self.BATCH,
            dict(loss=torch.tensor(loss), loss_iou=torch.tensor(0.5)),
        )

    @pytest.mark.parametrize('loss', [0.0, 3.5, 1e4])
    def test_sane(self, loss):
        self.check(loss)

    @pytest.mark.parametrize('loss', [float('nan'), float('inf'), 10001.0])
    def test_stops(self, loss):
        with pytest.raises(FloatingPointError) as error:
            self.check(loss)
        message = str(error.value)
        assert f'the loss of iteration 42 (epoch 3) is {loss}' in message
        assert 'lion frames [0, 4]; boat frames [0, 9]' in message
        assert "'loss_iou': 0.5" in message

    def test_limit(self):
        with pytest.raises(FloatingPointError, match='over the limit of 2'):
            self.check(2.5, max_loss=2.0)

    def test_iteration_without_loss(self):
        LossGuardHook().after_train_iter(self.RUNNER, 0)
