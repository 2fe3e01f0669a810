"""Adapters: they alone learn, and merged they leave the model that was there."""

import builtins

import pytest
import torch
from mmtrack.registry import MODELS

from sstrack_mm.engine.strategies import FullyShardStrategy
from sstrack_mm.errors import (
    CheckpointError,
    ConfigurationError,
    DataError,
    RequirementError,
)
from sstrack_mm.models.lora import has_adapters, merge_adapters, merged_weights
from sstrack_mm.weights import fit_weights

LORA = dict(rank=2)


@pytest.fixture
def build_small(tracker_cfg):
    """Builds the small tracker with a convolutional stem, the same weights each time."""

    def build(**changes):
        torch.manual_seed(0)
        backbone = tracker_cfg['backbone'] | dict(stem='conv')
        model = MODELS.build(tracker_cfg | dict(backbone=backbone) | changes)
        model.init_weights()
        return model

    return build


@pytest.fixture
def adapted(build_small):
    """A tracker with adapters, on the weights of one without, and these weights."""
    weights = build_small().state_dict()
    torch.manual_seed(1)
    model = build_small(lora=LORA)
    model.load_state_dict(fit_weights(dict(state_dict=weights), model, 'x.pth'))
    return model, {name: value.clone() for name, value in weights.items()}


def learn(model, clips, steps=3):
    """A few large steps of all that may learn."""
    learning = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    model.train()
    for _ in range(steps):
        batch = model.data_preprocessor(clips, training=True)
        losses = model(**batch, mode='loss')
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()


def maps(model):
    """What the network says of something."""
    torch.manual_seed(3)
    inputs = dict(template=torch.randn(2, 1, 3, 32, 32), search=torch.randn(2, 3, 64, 64))
    with torch.no_grad():
        return model.eval()(inputs, mode='tensor')


def test_changes_nothing_at_first(adapted, build_small):
    model, weights = adapted
    plain = build_small()
    plain.load_state_dict(weights)
    for name, value in maps(plain).items():
        assert torch.equal(maps(model)[name], value)


@pytest.mark.parametrize('stem', ['conv', 'patch'])
def test_all_linear_layers_of_the_blocks(build_small, tracker_cfg, stem):
    model = build_small(lora=LORA, backbone=tracker_cfg['backbone'] | dict(stem=stem))
    names = {
        name.partition('.lora_A')[0]
        for name, _ in model.named_parameters()
        if '.lora_A' in name
    }
    layers = ('attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2')
    assert names == {f'backbone.blocks.{i}.{name}' for i in range(4) for name in layers}


def test_base_stays_and_merged_computes_the_same(adapted, build_small, make_clips):
    model, start = adapted
    before = maps(model)
    learn(model, make_clips())
    merged = merged_weights(model)
    after = maps(model)
    # What the adapters stand beside, and all else of the backbone, is as it was.
    own = fit_weights(dict(state_dict=start), model, 'x.pth')
    for name, value in model.backbone.state_dict().items():
        if '.lora_' not in name:
            assert torch.equal(value, own[f'backbone.{name}']), name
    # The head and what the adapters make of the features have changed.
    assert any(
        not torch.equal(value, start[f'head.{name}'])
        for name, value in model.head.state_dict().items()
    )
    assert (after['score_map'] - before['score_map']).abs().max() > 1e-3
    assert not torch.equal(
        merged['backbone.blocks.0.attn.qkv.weight'],
        start['backbone.blocks.0.attn.qkv.weight'],
    )
    # Merged, it is a model without adapters that says the same.
    plain = build_small()
    plain.load_state_dict(merged)
    for name, value in maps(plain).items():
        torch.testing.assert_close(value, after[name], atol=1e-5, rtol=0)


def test_merging_leaves_the_model_alone(adapted, make_clips):
    model, _ = adapted
    learn(model, make_clips(), steps=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not has_adapters(merge_adapters(model.backbone))
    assert has_adapters(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_statistics_of_the_head_alone_move(adapted):
    model, _ = adapted
    model.eval()
    model.train()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    moving = {norm for norm in norms if norm.training}
    assert moving and moving == {m for m in model.head.modules() if m in set(norms)}


class TestCheckpoints:
    """Of models with adapters and without, in each other."""

    def test_of_a_wrapped_model(self, build_small):
        model, weights = build_small(lora=LORA), build_small().state_dict()
        wrapped = {f'module.{name}': value for name, value in weights.items()}
        found = fit_weights(dict(state_dict=wrapped), model, 'x.pth')
        name = 'backbone.blocks.0.attn.qkv'
        assert found[f'{name}.base_layer.weight'] is wrapped[f'module.{name}.weight']
        adapter = f'{name}.lora_A.default.weight'
        assert torch.equal(found[adapter], model.state_dict()[adapter])

    def test_with_adapters(self, adapted, make_clips):
        model, _ = adapted
        learn(model, make_clips(), steps=1)
        weights = model.state_dict()
        found = fit_weights(dict(state_dict=weights), model, 'x.pth')
        assert all(found[name] is value for name, value in weights.items())

    def test_in_a_model_without(self, adapted, build_small):
        checkpoint = dict(state_dict=adapted[0].state_dict())
        with pytest.raises(CheckpointError, match=r'unexpected.* set model\.lora\.rank'):
            fit_weights(checkpoint, build_small(), 'x.pth')

    def test_of_another_rank(self, adapted, build_small):
        checkpoint = dict(state_dict=adapted[0].state_dict())
        with pytest.raises(
            CheckpointError, match=r'\(2, 16\) in the file, \(3, 16\) here'
        ):
            fit_weights(checkpoint, build_small(lora=dict(rank=3)), 'x.pth')

    def test_half_of_the_adapters(self, adapted):
        model, _ = adapted
        weights = model.state_dict()
        del weights['backbone.blocks.0.attn.qkv.lora_A.default.weight']
        with pytest.raises(CheckpointError, match=r'1 missing \(.*lora_A'):
            fit_weights(dict(state_dict=weights), model, 'x.pth')


def test_needs_trained_weights(build_small, make_clips):
    model = build_small(lora=LORA)
    with pytest.raises(ConfigurationError, match=r"model\.lora=\{'rank': 2\}.*load_from"):
        learn(model, make_clips())


@pytest.mark.parametrize(
    ('lora', 'message'),
    [
        (dict(rank=0), 'a whole number from 1, but got 0'),
        (dict(rank=2.5), 'got 2.5'),
        (dict(), 'got None'),
        (dict(rnak=2), "lora has no key 'rnak'; did you mean 'rank'"),
    ],
)
def test_settings(build_small, lora, message):
    with pytest.raises(DataError, match=message):
        build_small(lora=lora)


def test_start_weights_besides(build_small, tracker_cfg):
    init_cfg = dict(type='Pretrained', checkpoint='mae.pth')
    with pytest.raises(ConfigurationError, match=r'init_cfg=None, not .*mae\.pth'):
        build_small(lora=LORA, backbone=tracker_cfg['backbone'] | dict(init_cfg=init_cfg))


def test_sharded(adapted):
    with pytest.raises(ConfigurationError, match=r'model\.lora is for a model that'):
        FullyShardStrategy()._wrap_model(adapted[0])


def test_peft_is_missing(build_small, monkeypatch):
    real = builtins.__import__

    def no_peft(name, *args, **kwargs):
        if name.partition('.')[0] == 'peft':
            raise ImportError("No module named 'peft'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', no_peft)
    build_small()  # which needs none
    with pytest.raises(RequirementError, match=r'peft.*requirements/optional\.txt'):
        build_small(lora=LORA)
