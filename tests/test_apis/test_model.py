"""Loading a tracker."""

import pytest
import timm
import torch
from mmengine.config import Config

from sstrack_mm.apis import init_model


def test_checkpoint_replaces_start_weights(root, monkeypatch, tmp_path):
    """They are not even looked for: a tracker runs where there is no network."""

    def fail(*args, **kwargs):
        raise AssertionError('asked for start weights')

    monkeypatch.setattr(timm, 'create_model', fail)
    path = root / 'configs' / 'sstrack_t256.py'
    without = {'model.backbone.init_cfg': None}
    model = init_model(path, device='cpu', cfg_options=without)
    torch.save(model.state_dict(), tmp_path / 'weights.pth')

    config = Config.fromfile(path)
    loaded = init_model(config, str(tmp_path / 'weights.pth'), 'cpu')
    assert config.model.backbone.init_cfg.checkpoint.startswith('timm://')
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_neither_configuration_nor_onnx():
    with pytest.raises(ValueError, match=r'weights\.pth is no \.onnx file, so it needs'):
        init_model(None, 'weights.pth', 'cpu')


def test_changes_of_no_configuration():
    with pytest.raises(ValueError, match=r"cfg_options \{'a': 1\} change a config"):
        init_model(None, 'model.onnx', 'cpu', cfg_options={'a': 1})
