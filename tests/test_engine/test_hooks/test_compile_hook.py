"""Compiled training computes the same, and seldom compiles anew."""

import copy
import shutil
from types import SimpleNamespace

import pytest
import torch

from sstrack_mm.engine.hooks import CompileHook

pytestmark = pytest.mark.skipif(
    shutil.which('g++') is None, reason='torch.compile needs a C++ compiler'
)


@pytest.fixture
def backbone(build_tracker, tracker_cfg):
    sizes = dict(template_size=64, search_size=128)
    return build_tracker(backbone=tracker_cfg['backbone'] | sizes).backbone.train()


def test_keep_ratios(backbone):
    """The same tokens and gradients; two compilations serve every keep ratio."""
    model = torch.nn.Module()
    model.backbone = copy.deepcopy(backbone)
    CompileHook().before_train(SimpleNamespace(model=model))
    templates, search = torch.randn(2, 2, 3, 64, 64), torch.randn(2, 3, 128, 128)
    for keep_ratio in (1.0, 0.95, 0.9):
        assert_same_step(backbone, model.backbone, templates, search, keep_ratio)
    with torch.compiler.set_stance('fail_on_recompile'):
        for keep_ratio in (0.85, 0.8, 0.7, 1.0):
            assert_same_step(backbone, model.backbone, templates, search, keep_ratio)


def assert_same_step(plain, compiled, templates, search, keep_ratio):
    gradients = []
    for backbone in (plain, compiled):
        backbone.zero_grad()
        backbone.train_keep_ratio = keep_ratio
        output = backbone(templates, search)
        output.search_tokens.square().sum().backward()
        gradients.append([p.grad for p in backbone.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    for expected, actual in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
