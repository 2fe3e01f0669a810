"""A run that goes on: its schedule is replayed, or it is refused."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper

from sstrack_mm.checkpoints import Placeholder
from sstrack_mm.engine.hooks import StrictLoadHook
from sstrack_mm.errors import DataError

LENGTH = 5  # iterations of an epoch
BATCH = 3


def multi_step(optimizer, epochs, milestones=(3,)):
    return [MultiStepLR(optimizer, milestones=milestones, gamma=0.1, end=epochs)]


def cosine(optimizer, epochs):
    iterations = epochs * LENGTH
    return [
        LinearLR(optimizer, start_factor=0.1, by_epoch=False, end=7),
        CosineAnnealingLR(optimizer, eta_min=1e-5, by_epoch=False, end=iterations),
    ]


class FakeLoader:
    batch_size = BATCH

    def __len__(self):
        return LENGTH


class FakeRun(SimpleNamespace):
    """A run without data: its learning rates alone."""

    def __init__(self, make, epochs, **settings):
        model = torch.nn.Linear(2, 2)
        # A group for each parameter, as the settings of the paper's schedule make them.
        groups = [dict(params=[parameter]) for parameter in model.parameters()]
        optimizer = torch.optim.AdamW(groups, **dict(lr=1e-3) | settings)
        wrapper = OptimWrapper(optimizer)
        super().__init__(
            cfg=Config(dict(load_from='x.pth', resume=True)),
            work_dir='.',
            model=model,
            optim_wrapper=wrapper,
            param_schedulers=make(wrapper, epochs),
            train_dataloader=FakeLoader(),
            max_epochs=epochs,
            seed=0,
            logger=logging.getLogger('test'),
        )

    def train(self, epochs, first=0):
        """Train, from an iteration of the first epoch; return all learning rates."""
        hook, rates = ParamSchedulerHook(), []
        for number in range(first, epochs * LENGTH):
            rates.append(self.optim_wrapper.param_groups[0]['lr'])
            self.optim_wrapper.step()
            hook.after_train_iter(self, number % LENGTH)
            if number % LENGTH == LENGTH - 1:
                hook.after_train_epoch(self)
        return rates

    def save(self, epoch):
        return dict(
            meta=dict(epoch=epoch, iter=epoch * LENGTH, seed=0),
            state_dict=self.model.state_dict(),
            optimizer=self.optim_wrapper.state_dict(),
            param_schedulers=[s.state_dict() for s in self.param_schedulers],
            message_hub={},
        )

    def resume(self, checkpoint):
        """As mmengine does."""
        StrictLoadHook().after_load_checkpoint(self, checkpoint)
        self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
        for scheduler, state in zip(
            self.param_schedulers, checkpoint['param_schedulers'], strict=True
        ):
            scheduler.load_state_dict(state)


@pytest.mark.parametrize('make', [multi_step, cosine])
def test_goes_on(make):
    whole = FakeRun(make, 6).train(6)
    first = FakeRun(make, 6)
    rates = first.train(2)
    second = FakeRun(make, 6)
    second.resume(first.save(2))
    assert rates + second.train(4) == whole


@pytest.mark.parametrize('milestones', [(4,), (3,), (2, 5)])
def test_more_epochs(milestones):
    """Where the schedule so far is the same, the run goes on as one that long."""

    def make(optimizer, epochs):
        return multi_step(optimizer, epochs, milestones)

    whole = FakeRun(make, 6).train(6)
    first = FakeRun(make, 3)
    rates = first.train(3)
    second = FakeRun(make, 6)
    if milestones == (3,):  # the first run has ended before it was due
        with pytest.raises(DataError, match='the learning rate here'):
            second.resume(first.save(3))
        return
    second.resume(first.save(3))
    assert rates + second.train(3) == whole


@pytest.mark.parametrize(
    ('make', 'epochs', 'settings', 'message'),
    [
        (cosine, 12, {}, r'the learning rate here .*max_epochs\): \S+ there, \S+ here'),
        (multi_step, 6, dict(lr=1e-4), r'lr\): 0\.001 there, 0\.0001 here'),
        (multi_step, 6, dict(betas=(0.8, 0.9)), r'betas: .*0\.999\) there, \(0\.8'),
    ],
)
def test_another_run(make, epochs, settings, message):
    first = FakeRun(make, 6)
    first.train(2)
    with pytest.raises(DataError, match=rf'x\.pth: is of another run.*{message}'):
        FakeRun(make, epochs, **settings).resume(first.save(2))


def test_unread_state():
    checkpoint = FakeRun(multi_step, 6).save(0) | dict(message_hub=[Placeholder()])
    with pytest.raises(DataError, match='message_hub of it are objects of a program'):
        FakeRun(multi_step, 6).resume(checkpoint)


@pytest.mark.parametrize('make', [multi_step, cosine])
def test_in_the_middle_of_an_epoch(make):
    """It goes on where the clips that it has had say that it is."""
    whole = FakeRun(make, 6).train(6)
    first = FakeRun(make, 6)
    rates = first.train(2)
    hook = ParamSchedulerHook()
    for index in range(2):
        rates.append(first.optim_wrapper.param_groups[0]['lr'])
        hook.after_train_iter(first, index)
    checkpoint = first.save(2)
    checkpoint['meta']['iter'] += 2
    checkpoint['message_hub'] = dict(runtime_info=dict(clips_of_epoch=2 * BATCH))
    second = FakeRun(make, 6)
    second.resume(checkpoint)
    assert rates + second.train(4, first=2) == whole


@pytest.mark.parametrize('clips', [0, BATCH, 2 * BATCH - 1])
def test_another_number_of_clips(clips):
    checkpoint = FakeRun(multi_step, 6).save(1)
    checkpoint['meta']['iter'] += 2
    checkpoint['message_hub'] = dict(runtime_info=dict(clips_of_epoch=clips))
    with pytest.raises(
        DataError, match=r'iterations after so many epochs .* 7 there, [56]'
    ):
        FakeRun(multi_step, 6).resume(checkpoint)


class TestResizePositions:
    """Weights that learned from smaller images go on with larger ones, when asked for."""

    @pytest.fixture
    def load(self, build_tracker, tracker_cfg):
        def load(**settings):
            small = build_tracker()
            sizes = dict(template_size=64, search_size=128)
            model = build_tracker(backbone=tracker_cfg['backbone'] | sizes)
            with torch.no_grad():  # a ramp from left to right
                small.backbone.pos_embed_x.view(4, 4, -1)[:] = torch.arange(4.0)[:, None]
            run = SimpleNamespace(
                cfg=Config(dict(load_from='x.pth')),
                work_dir='.',
                model=model,
                logger=logging.getLogger('test'),
            )
            checkpoint = dict(state_dict=small.state_dict())
            StrictLoadHook(**settings).after_load_checkpoint(run, checkpoint)
            model.load_state_dict(checkpoint['state_dict'])
            return small.state_dict(), model.state_dict()

        return load

    def test_resized(self, load):
        small, large = load(resize_positions=True)
        grid = large.pop('backbone.pos_embed_x').view(8, 8, -1)[..., 0]
        assert torch.equal(grid, grid[:1].expand(8, 8))
        assert grid[0, 2:-2] == pytest.approx(
            torch.tensor([0.75, 1.25, 1.75, 2.25]), abs=0.1
        )
        assert large.pop('backbone.pos_embed_z').shape[1] == 16
        assert all(torch.equal(small[name], value) for name, value in large.items())

    def test_refused_unless_asked_for(self, load):
        message = r'2 of another shape.*strict_load\.resize_positions=True'
        with pytest.raises(DataError, match=message):
            load()
