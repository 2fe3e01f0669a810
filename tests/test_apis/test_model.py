"""Loading a tracker."""

import pytest
import timm
import torch
from mmengine.config import Config

from sstrack_mm.apis import init_model
from sstrack_mm.checkpoints import read_checkpoint
from sstrack_mm.errors import DataError


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


def test_no_warning(root, recwarn, capfd):
    """Nor a line for each weight: there is nothing that a user could do."""
    without = {'model.backbone.init_cfg': None}
    model = init_model(root / 'configs' / 'sstrack_t256.py', None, 'cpu', without)
    assert not [each for each in recwarn if 'dataset_meta' in str(each.message)]
    assert 'backbone' not in ''.join(capfd.readouterr())
    assert not model.training and model.cfg.model.type == 'SSTrack'


def test_trained(root, trained):
    """A checkpoint that training wrote, wholly loaded."""
    model = init_model(
        root / 'configs' / 'sstrack_tiny_synthetic.py', str(trained), 'cpu'
    )
    weights = read_checkpoint(trained)['state_dict']
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


def test_device(monkeypatch):
    """The CPU where there is no GPU; a device that is not there is named."""
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    model = init_model('sstrack-tiny')
    assert {each.device.type for each in model.parameters()} == {'cpu'}
    with pytest.raises(DataError, match='device cuda:7 cannot be used here'):
        init_model('sstrack-tiny', device='cuda:7')


def test_of_another_configuration(root, trained):
    options = {'model.backbone.depth': 5}
    message = (
        r'epoch_1\.pth: does not fit the model .* 12 unexpected .*trained as sstrack_t'
    )
    with pytest.raises(DataError, match=message):
        init_model(
            root / 'configs' / 'sstrack_tiny_synthetic.py', str(trained), 'cpu', options
        )


def test_published_unconverted(root, parity_dir, tiny_options):
    path = str(parity_dir / 'official_tiny.pth')
    with pytest.raises(DataError, match=r'published checkpoint: convert it by python'):
        init_model(root / 'configs' / 'sstrack_b256.py', path, 'cpu', tiny_options)


def test_neither_configuration_nor_onnx():
    with pytest.raises(ValueError, match=r'weights\.pth is no \.onnx file, so it needs'):
        init_model(None, 'weights.pth', 'cpu')


def test_changes_of_no_configuration():
    with pytest.raises(ValueError, match=r"cfg_options \{'a': 1\} change a config"):
        init_model(None, 'model.onnx', 'cpu', cfg_options={'a': 1})
