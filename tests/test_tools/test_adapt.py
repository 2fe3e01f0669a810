"""Adapting a tracker to videos without labels."""

import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmtrack.registry import MODELS

from sstrack_mm.apis import init_model
from sstrack_mm.checkpoints import PRESENCE, read_checkpoint
from sstrack_mm.datasets.synthetic import write_videos
from sstrack_mm.engine.hooks.label_free_hook import BEST
from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture(scope='module')
def adapt(load_tool):
    return load_tool('adapt.py')


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('raw')
    write_videos(root, 3, 20, seed=4, size=(160, 120))  # all of them move
    return root / 'videos'


class TestPipeline:
    def test_no_box_is_needed(self, adapt, root):
        cfg = Config.fromfile(root / 'configs' / 'sstrack_tiny_synthetic.py')
        given = cfg.train_dataloader.dataset.pipeline
        steps = adapt.make_pipeline(given)
        kinds = [step['type'] for step in steps]
        assert kinds[:3] == ['SampleSelfSupervisedClip', 'LoadClip', 'ComposeTarget']
        assert steps[0]['synthesis_prob'] == 1 and 'PasteTarget' not in kinds
        (switch,) = (step for step in steps if step['type'] == 'SwitchAtEpoch')
        assert switch['epoch'] == 0
        assert adapt.make_pipeline(steps) == steps  # there already
        assert 'PasteTarget' in [step['type'] for step in given]  # as it was

    def test_supervised_clips_are_refused(self, adapt, root):
        cfg = Config.fromfile(root / 'configs' / 'odtrack_b384.py')
        with pytest.raises(DataError, match='begins with SampleSupervisedClip'):
            adapt.make_pipeline(cfg.train_dataloader.dataset.pipeline)


def test_comparison_is_paired(adapt):
    before = np.linspace(0, 1, 50)
    mean, low, high = adapt.compare(before, before + 0.1)
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))
    noise = np.random.default_rng(0).normal(size=50)
    mean, low, high = adapt.compare(before, before + noise)
    assert low < mean < high and high - low == pytest.approx(3.92 / np.sqrt(50), rel=0.3)


@pytest.fixture
def start(root, tmp_path):
    """A random network of the quickstart's configuration."""
    torch.manual_seed(0)
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'start.pth')
    return 'sstrack_tiny_synthetic.py', tmp_path / 'start.pth'


@pytest.fixture
def run(adapt, root, videos, tmp_path, monkeypatch):
    """Adapts a network by one epoch of one step; ``difference``: to what it finds."""

    def run(difference, config, checkpoint, *args):
        monkeypatch.setattr(adapt, 'compare', lambda *args: (difference, -1.0, 1.0))
        small = ['--epochs', '1', '--samples', '2', '--clips', '2', '--val-every', '3']
        options = ['train_dataloader.batch_size=2', 'train_dataloader.num_workers=0']
        options += ['train_dataloader.persistent_workers=False']
        paths = [root / 'configs' / config, checkpoint, videos, '--out', tmp_path / 'out']
        words = [*map(str, [*paths, *args]), *small, '--cfg-options', *options]
        monkeypatch.setattr(sys, 'argv', ['adapt.py', *words])
        adapt.main()

    return run


def test_better(run, start, tmp_path, capsys):
    run(0.1, *start)
    adapted = read_checkpoint(tmp_path / 'out' / 'adapted.pth')
    assert 'optimizer' not in adapted and PRESENCE not in adapted['meta']
    page = (tmp_path / 'out' / 'page.html').read_text()
    assert page.count('<img src="data:image/jpeg') == 2 and 'difference +0.100' in page
    assert 'overlap on 2 clips' in capsys.readouterr().out


def test_worse_is_not_handed_back(run, start, tmp_path):
    """Nor is what an earlier run left there."""
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'adapted.pth').write_bytes(b'of an earlier run')
    with pytest.raises(DataError, match='not better, so no weights are handed back'):
        run(-0.1, *start)
    assert not (tmp_path / 'out' / 'adapted.pth').exists()
    assert (tmp_path / 'out' / 'training' / BEST).is_file()
    assert (tmp_path / 'out' / 'page.html').is_file()


@pytest.mark.parametrize('lora', [(), ('--lora', 2)])
def test_the_shipped_model(run, tmp_path, lora):
    """Adapted it is a checkpoint of the zoo's configuration, and calibrated as it was."""
    run(0.1, 'sstrack_tiny_adapt.py', 'sstrack-tiny', *lora, '--lr', 0.01)
    adapted = str(tmp_path / 'out' / 'adapted.pth')
    before, after = (
        init_model('sstrack-tiny', checkpoint, 'cpu') for checkpoint in (None, adapted)
    )
    assert after.judge is not None and after.judge.to_dict() == before.judge.to_dict()
    moved = {
        name
        for name, value in after.state_dict().items()
        if not torch.equal(value, before.state_dict()[name])
    }
    assert any(name.startswith('head.') for name in moved)
    of_backbone = {name.rpartition('.')[0] for name in moved if 'backbone.' in name}
    linear = {
        name for name in of_backbone if name.endswith(('qkv', 'proj', 'fc1', 'fc2'))
    }
    assert linear and (linear == of_backbone) == bool(lora)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('../sstrack_mm/zoo/sstrack_tiny.py', 'it does not say how to train'),
        ('odtrack_b384.py', 'begins with SampleSupervisedClip'),
        ('sstrack_tiny.py', 'begins with GrayscaleClip'),
    ],
)
def test_other_configurations(run, config, message):
    """The message names the one of the shipped model."""
    with pytest.raises(DataError, match=rf'{message}.* configs/sstrack_tiny_adapt\.py'):
        run(0.1, config, 'sstrack-tiny')


@pytest.mark.parametrize(
    ('checkpoint', 'args', 'message'),
    [
        ('sstrack-tiny-int8', (), 'is an exported network, which cannot learn'),
        ('sstrack-tiny', ('--lora', 0), '--lora needs a rank from 1, got 0'),
        ('sstrack-huge', (), 'no such checkpoint: sstrack-huge'),
    ],
)
def test_bad_command_lines(run, capsys, checkpoint, args, message):
    with pytest.raises(SystemExit) as error:
        run(0.1, 'sstrack_tiny_adapt.py', checkpoint, *args)
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_the_start_is_kept(run, capsys, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'adapted.pth').write_bytes(b'of an earlier run')
    with pytest.raises(SystemExit):
        run(0.1, 'sstrack_tiny_adapt.py', tmp_path / 'out' / 'adapted.pth')
    assert 'weights to start from would be replaced' in capsys.readouterr().err
    assert (tmp_path / 'out' / 'adapted.pth').exists()


@pytest.mark.parametrize(
    ('option', 'value'),
    [('--lr', 'nan'), ('--lr', '-1'), ('--lr', 'inf'), ('--val-every', '1')],
)
def test_values_are_told_at_once(adapt, monkeypatch, capsys, tmp_path, option, value):
    words = ['adapt.py', __file__, 'sstrack-tiny', tmp_path, '--out', tmp_path]
    monkeypatch.setattr(sys, 'argv', [*map(str, words), option, value])
    with pytest.raises(SystemExit):
        adapt.parse_args()
    err = capsys.readouterr().err
    assert f'{option} needs' in err and f'got {value}' in err
