"""The progress bar."""

from types import SimpleNamespace

import torch

from sstrack_mm.engine.hooks import ProgressBarHook
from sstrack_mm.engine.hooks import progress_hook as module


def run(start=0):
    hook = ProgressBarHook()
    runner = SimpleNamespace(max_iters=5, iter=start)
    hook.before_train(runner)
    for _ in range(start, 5):
        hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(1.25)))
    hook.after_train(runner)
    return hook.bar


def test_whole_run(capsys):
    assert run().n == 5
    shown = capsys.readouterr().err
    assert 'training: 100%' in shown and '5/5' in shown and 'loss=1.25' in shown


def test_resumed_run(capsys):
    """The bar starts where the run goes on."""
    bar = run(start=3)
    assert bar.initial == 3 and bar.n == 5


def test_other_ranks_show_nothing(capsys, monkeypatch):
    monkeypatch.setattr(module, 'is_main_process', lambda: False)
    run()
    assert capsys.readouterr().err == ''
