"""The schedule of candidate elimination."""

from types import SimpleNamespace

import pytest
from torch import nn

from sstrack_mm.engine.hooks import KeepRatioHook, keep_ratio_at


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Identity()


def test_half_a_cosine():
    ratios = [keep_ratio_at(epoch, 20, 100, 0.7) for epoch in range(1, 151)]
    assert ratios[:20] == [1.0] * 20 and ratios[99:] == [0.7] * 51
    assert all(a > b for a, b in zip(ratios[19:99], ratios[20:100], strict=True))
    assert ratios[59] == pytest.approx(0.85)  # half way
    # Symmetric around the middle.
    assert ratios[39] - 0.85 == pytest.approx(0.85 - ratios[79])


@pytest.mark.parametrize('wrap', [lambda model: model, nn.DataParallel])
def test_hook(wrap):
    """It depends on nothing but the epoch, so a resumed run goes on with it."""
    model = Model()
    runner = SimpleNamespace(model=wrap(model), epoch=None)
    hook = KeepRatioHook(start_epoch=2, end_epoch=6, keep_ratio=0.5)
    for epoch, expected in ((0, 1.0), (1, 1.0), (3, 0.75), (5, 0.5), (9, 0.5), (0, 1.0)):
        runner.epoch = epoch  # mmengine counts from 0
        hook.before_train_epoch(runner)
        assert model.backbone.train_keep_ratio == pytest.approx(expected)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(start_epoch=5, end_epoch=5), 'start_epoch < end_epoch, but got 5 and 5'),
        (dict(start_epoch=-1), 'but got -1 and 100'),
        (dict(keep_ratio=0), r'keep_ratio must be in \(0, 1\], but got 0'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        KeepRatioHook(**arguments)
