"""The weights of a training checkpoint alone."""

import sys

import pytest
import torch

from sstrack_mm.apis import init_model
from sstrack_mm.checkpoints import read_checkpoint
from sstrack_mm.errors import DataError

TOOL = 'model_converters/publish_model.py'


@pytest.fixture
def run(load_tool, monkeypatch):
    """Runs the command in this process."""
    tool = load_tool(TOOL)

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, args)])
        tool.main()

    return run


@pytest.mark.parametrize('name', ['x.safetensors', 'x.pth'])
def test_trained(run, root, trained, tmp_path, name, capsys):
    """A model loads it; it is smaller, and knows where it comes from."""
    run(trained, tmp_path / 'new' / name)
    path = tmp_path / 'new' / name
    weights = read_checkpoint(trained)['state_dict']
    assert f'wrote {path}: {len(weights)} weights' in capsys.readouterr().out
    assert path.stat().st_size < 0.5 * trained.stat().st_size
    published = read_checkpoint(path)
    assert published['meta']['experiment_name'].startswith('sstrack_tiny_synthetic')
    assert 'optimizer' not in published
    model = init_model(root / 'configs' / 'sstrack_tiny_synthetic.py', str(path), 'cpu')
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key])


def test_prefix(run, tmp_path):
    weights = {'a.b': torch.zeros(1), 'ema_a.b': torch.ones(1)}
    torch.save(dict(state_dict=weights), tmp_path / 'x.pth')
    run(tmp_path / 'x.pth', tmp_path / 'y.pth', '--prefix', 'ema_')
    assert read_checkpoint(tmp_path / 'y.pth')['state_dict'] == {'a.b': torch.ones(1)}
    with pytest.raises(
        DataError, match="no weight begins with 'x_'; it has a.b, ema_a.b"
    ):
        run(tmp_path / 'x.pth', tmp_path / 'z.pth', '--prefix', 'x_')
    assert not (tmp_path / 'z.pth').exists()


def test_what_it_was_calibrated_to_stays(run, tmp_path):
    weights = {'a.b': torch.zeros(1)}
    meta = dict(presence=dict(accept=0.5), cfg=['no text'])
    torch.save(dict(state_dict=weights, meta=meta), tmp_path / 'x.pth')
    run(tmp_path / 'x.pth', tmp_path / 'y.safetensors')
    published = read_checkpoint(tmp_path / 'y.safetensors')
    assert published['meta'] == dict(presence=dict(accept=0.5))


def test_average(run, tmp_path):
    """Of the weights alone; a calibration is not that of the mean."""
    meta = dict(presence=dict(accept=0.5), epoch=3)
    for number, name in enumerate(['x.pth', 'y.pth', 'z.pth'], start=1):
        weights = {'a': torch.full((2,), number**2.0), 'count': torch.tensor(number)}
        torch.save(dict(state_dict=weights, meta=meta), tmp_path / name)
    others = [tmp_path / 'y.pth', tmp_path / 'z.pth']
    run(tmp_path / 'x.pth', tmp_path / 'mean.safetensors', '--average', *others)
    published = read_checkpoint(tmp_path / 'mean.safetensors')
    assert published['meta'] == dict(epoch=3)
    torch.testing.assert_close(published['state_dict']['a'], torch.full((2,), 14 / 3))
    assert published['state_dict']['count'] == 1


@pytest.mark.parametrize(
    'other, message',
    [
        ({'a': torch.zeros(3)}, r'for a is \(3,\) instead of \(2,\)'),
        ({'a': torch.zeros(2), 'b': torch.zeros(1)}, r'for b is \(1,\) .* not there'),
        ({'b': torch.zeros(1)}, r'for a is not there instead of \(2,\)'),
    ],
)
def test_average_of_different_networks(run, tmp_path, other, message):
    torch.save(dict(state_dict={'a': torch.zeros(2)}), tmp_path / 'x.pth')
    torch.save(dict(state_dict=other), tmp_path / 'y.pth')
    with pytest.raises(DataError, match=rf'y\.pth: no mean with .*x\.pth.*{message}'):
        run(tmp_path / 'x.pth', tmp_path / 'z.pth', '--average', tmp_path / 'y.pth')
    assert not (tmp_path / 'z.pth').exists()


def test_the_training_checkpoint_is_not_overwritten(run, tmp_path, capsys):
    torch.save(dict(state_dict={'a.b': torch.zeros(1)}, optimizer=1), tmp_path / 'x.pth')
    before = (tmp_path / 'x.pth').read_bytes()
    with pytest.raises(SystemExit):
        run(tmp_path / 'x.pth', tmp_path / 'x.pth')
    assert 'x.pth is what is read; write to another' in capsys.readouterr().err
    assert (tmp_path / 'x.pth').read_bytes() == before
