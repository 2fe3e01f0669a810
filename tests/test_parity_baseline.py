"""The baseline meets the numbers that the tracker meets, by the same tests."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmtrack.apis import init_model
from test_parity_forward import CASES, check_pass, load_group
from test_parity_track import to_rgb, video  # noqa: F401
from test_parity_train import (  # noqa: F401
    NUM_SEARCH,
    OPTIONS,
    TestStep,
    batch,
    converter,
    reference,
    run_step,
    step,
    videos,
)

from sstrack_mm.analysis.baseline import BaselineSSTrack
from sstrack_mm.apis import track_video


@pytest.fixture(scope='module')
def baseline_cfg(root, tiny_options):
    cfg = Config.fromfile(root / 'configs' / 'sstrack_b256.py')
    cfg.merge_from_dict(tiny_options | {'model.type': 'BaselineSSTrack'})
    return cfg


@pytest.fixture(scope='module')
def cfg(baseline_cfg):
    """Of the training step: what ``TestStep`` runs on here."""
    cfg = baseline_cfg.copy()
    cfg.merge_from_dict(OPTIONS)
    return cfg


@pytest.fixture(scope='module')
def model(baseline_cfg, official_tiny):
    return init_model(baseline_cfg, str(official_tiny), 'cpu')


@pytest.fixture(scope='module')
def ours(baseline_cfg):
    """The tracker itself, of the same configuration."""
    return init_model(
        Config(dict(model=dict(baseline_cfg.model, type='SSTrack'))), device='cpu'
    )


def count_saved_maps(backbone):
    """How many (tokens, tokens) maps autograd keeps of one pass."""
    shapes = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: shapes.append(tensor.shape) or tensor, lambda tensor: tensor
    ):
        backbone(
            torch.zeros(1, 1, 3, 128, 128), torch.zeros(1, 3, 256, 256), keep_ratio=1
        )
    tokens = 1 + 64 + 256
    return sum(shape[-2:] == (tokens, tokens) for shape in shapes)


@pytest.mark.parametrize('case', CASES)
def test_forward(model, parity_dir, monkeypatch, case):
    num_templates, query, keep_ratio = CASES[case]
    monkeypatch.setattr(model.backbone, 'keep_ratio', keep_ratio)
    path = parity_dir / 'forward.npz'
    inputs = load_group(path, f'forward/templates{num_templates}')
    check_pass(
        model,
        inputs['template'],
        inputs['search'],
        inputs['query'] if query else None,
        load_group(path, f'forward/{case}'),
    )


def test_track(model, video):  # noqa: F811
    frames, init_xywh, expected_xywh = video
    result = track_video(model, to_rgb(frames), init_xywh)
    np.testing.assert_allclose(result.bboxes_xywh, expected_xywh, rtol=0, atol=0.1)


def test_every_attention_map_is_materialised(model, ours):
    assert count_saved_maps(ours.backbone) == 0
    # Each by its softmax, and by the product with the values.
    assert count_saved_maps(model.backbone) == 2 * len(model.backbone.blocks)


def test_keeps_the_graphs_of_all_passes(cfg, official_tiny, batch, reference):  # noqa: F811
    """Until the loss is made: only the views' outputs have a gradient with ours."""
    requires_grad = {}
    for name in ('SSTrack', 'BaselineSSTrack'):
        cfg = cfg.copy()
        cfg.model.type = name
        maps = run_step(cfg, reference, official_tiny, batch, 'opencv').maps
        requires_grad[name] = [one['score_map'].requires_grad for one in maps]
    assert requires_grad['SSTrack'] == [False] * NUM_SEARCH + [True] * 2
    assert requires_grad['BaselineSSTrack'] == [True] * (NUM_SEARCH + 2)


def test_keeps_every_crop_as_float32(model):
    image = np.full((96, 128, 3), 90, np.uint8)
    state = model.init_state(image, np.array([40.0, 30, 20, 20]))
    for _ in range(9):
        state = model.track_step(image, state)
    assert list(state.memory.crops) == list(range(10))
    assert all(crop.dtype == torch.float32 for crop in state.memory.crops.values())


def test_same_weights(model, ours):
    assert isinstance(model, BaselineSSTrack)
    shapes = [
        {key: value.shape for key, value in tracker.state_dict().items()}
        for tracker in (ours, model)
    ]
    assert shapes[0] == shapes[1]
