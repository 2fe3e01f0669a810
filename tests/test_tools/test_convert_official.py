"""Published checkpoints to ours and back, and nothing that they carry is run."""

import collections
import os
import pathlib
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmtrack.registry import MODELS

from sstrack_mm.checkpoints import read_checkpoint
from sstrack_mm.errors import DataError
from sstrack_mm.models import CornerMapHead

TOOL = 'model_converters/convert_official.py'


@pytest.fixture(scope='module')
def converter(load_tool):
    return load_tool(TOOL)


@pytest.fixture
def run(converter, monkeypatch, capsys):
    """Runs the command in this process; returns what it printed."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, args)])
        converter.main()
        return capsys.readouterr().out

    return run


@pytest.fixture(scope='module')
def published(parity_dir):
    return torch.load(parity_dir / 'official_tiny.pth', weights_only=True)


def load(path):
    return torch.load(path, weights_only=True)


def assert_equal(actual, expected):
    """The same keys in the same order, bit for bit."""
    assert list(actual) == list(expected)
    for key, value in expected.items():
        assert actual[key].dtype == value.dtype and torch.equal(actual[key], value), key


class TestConvert:
    def test_every_key_is_accounted_for(self, official_tiny, published):
        converted = load(official_tiny)
        assert set(converted['unused']) == {'backbone.pos_embed'}
        assert len(converted['state_dict']) + len(converted['unused']) == len(
            published['net']
        )
        assert converted['meta'] == dict(official=dict(epoch=published['epoch']))

    def test_values(self, official_tiny, published):
        state_dict, net = load(official_tiny)['state_dict'], published['net']
        names = {
            'backbone.blocks.3.attn.qkv.weight': 'backbone.blocks.3.attn.qkv.weight',
            'head.score_branch.0.conv.weight': 'box_head.conv1_ctr.0.weight',
            'head.size_branch.3.bn.running_var': 'box_head.conv4_size.1.running_var',
            'head.offset_branch.4.bias': 'box_head.conv5_offset.bias',
        }
        for ours, theirs in names.items():
            assert torch.equal(state_dict[ours], net[theirs])

    def test_unused_keys_are_named(self, run, published, tmp_path):
        published = dict(published, net=dict(published['net'], extra=torch.ones(2)))
        torch.save(published, tmp_path / 'src.pth')
        out = run(tmp_path / 'src.pth', tmp_path / 'new' / 'dst.pth')
        assert 'no place for backbone.pos_embed' in out and 'no place for extra' in out
        assert set(load(tmp_path / 'new' / 'dst.pth')['unused']) == {
            'backbone.pos_embed',
            'extra',
        }

    def test_twin(self, run, root, parity_dir, tiny_options, tmp_path):
        """A published ODTrack has no temporal embeddings; its model loads it strictly."""
        checkpoint = torch.load(parity_dir / 'official_tiny_384.pth', weights_only=True)
        checkpoint['net'] = {
            key: value
            for key, value in checkpoint['net'].items()
            if 'temporal' not in key
        }
        torch.save(checkpoint, tmp_path / 'src.pth')
        run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        cfg = Config.fromfile(root / 'configs' / 'odtrack_b384.py')
        cfg.merge_from_dict(tiny_options)
        load_checkpoint(MODELS.build(cfg.model), str(tmp_path / 'dst.pth'), strict=True)


LOSSES = dict(loss_iou=dict(type='mmdet.GIoULoss'), loss_bbox=dict(type='mmdet.L1Loss'))


class TestReverse:
    def test_round_trip(self, run, official_tiny, published, tmp_path):
        """Bit for bit, the unused key and the epoch included."""
        run(official_tiny, tmp_path / 'back.pth', '--reverse')
        back = load(tmp_path / 'back.pth')
        assert set(back) == set(published) and back['epoch'] == published['epoch']
        assert set(back['net']) == set(published['net'])
        assert_equal(
            {key: back['net'][key] for key in published['net']}, published['net']
        )

    def test_own_training(self, run, official_tiny, tmp_path):
        """A checkpoint without unused keys says what published code would miss."""
        state_dict = load(official_tiny)['state_dict']
        torch.save(dict(state_dict=state_dict), tmp_path / 'own.pth')
        out = run(tmp_path / 'own.pth', tmp_path / 'back.pth', '--reverse')
        assert 'backbone.pos_embed is not in the file' in out
        assert set(load(tmp_path / 'back.pth')) == {'net'}

    def test_other_head(self, run, tmp_path):
        state_dict = {
            f'head.{key}': value
            for key, value in CornerMapHead(8, 8, **LOSSES).state_dict().items()
        }
        torch.save(dict(state_dict=state_dict), tmp_path / 'corner.pth')
        message = r'corner\.pth: head\.top_left_branch.* has no name in a published'
        with pytest.raises(DataError, match=message):
            run(tmp_path / 'corner.pth', tmp_path / 'back.pth', '--reverse')


class Settings(SimpleNamespace):
    """As a trainer's own object: torch does not unpickle it by itself."""


class Table(dict):
    """As an EasyDict."""


class MakeFolder:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


FOREIGN = {
    'object': Settings(lr=0.1, nested=Settings(names=['a'])),
    'dict': Table(lr=0.1),
    'defaultdict': collections.defaultdict(list, a=[1]),
    'function': os.path.join,
    'array': np.arange(3.0),
    'scalar': np.float64(3),
    'set': {1, 2},
    'counter': collections.Counter('aab'),
    'deque': collections.deque([1, 2]),
    'path': pathlib.PurePosixPath('a'),
}


class TestForeignObjects:
    """Published checkpoints hold more than tensors."""

    @pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
    @pytest.mark.parametrize('kind', FOREIGN)
    def test_are_passed_over(self, run, published, tmp_path, kind, zipped):
        torch.save(
            dict(published, settings=FOREIGN[kind]),
            tmp_path / 'src.pth',
            _use_new_zipfile_serialization=zipped,
        )
        run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        state_dict = load(tmp_path / 'dst.pth')['state_dict']
        for key in ('backbone.norm.weight', 'backbone.pos_embed_x'):
            assert torch.equal(state_dict[key], published['net'][key])

    @pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
    def test_do_not_run(self, run, published, tmp_path, zipped):
        made = tmp_path / 'made'
        torch.save(
            dict(published, settings=MakeFolder(made)),
            tmp_path / 'src.pth',
            _use_new_zipfile_serialization=zipped,
        )
        run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        assert not made.exists()

    def test_bare_pickle_does_not_run(self, run, tmp_path):
        """A file that is no checkpoint at all, but a pickle."""
        made = tmp_path / 'made'
        (tmp_path / 'src.pth').write_bytes(pickle.dumps(MakeFolder(made)))
        try:
            run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        except DataError as error:
            assert 'src.pth' in str(error)
        finally:
            assert not made.exists()


class TestSafetensors:
    def test_round_trip(self, run, official_tiny, published, parity_dir, tmp_path):
        """Bit for bit there and back, the unused key and the epoch included."""
        run(parity_dir / 'official_tiny.pth', tmp_path / 'ours.safetensors')
        run(tmp_path / 'ours.safetensors', tmp_path / 'back.safetensors', '--reverse')
        back = read_checkpoint(tmp_path / 'back.safetensors')
        assert back['epoch'] == published['epoch']
        assert_equal(
            dict(sorted(back['net'].items())), dict(sorted(published['net'].items()))
        )
        # and as any other program reads it
        plain = safetensors.torch.load_file(tmp_path / 'ours.safetensors')
        state_dict = load(official_tiny)['state_dict']
        assert set(state_dict) == {key for key in plain if not key.startswith('unused.')}
        run(tmp_path / 'back.safetensors', tmp_path / 'again.pth')
        again = load(tmp_path / 'again.pth')['state_dict']
        for key, value in state_dict.items():
            assert torch.equal(again[key], value) and torch.equal(plain[key], value)

    def test_prefixes(self, run, published, tmp_path):
        net = {f'module.{key}': value for key, value in published['net'].items()}
        torch.save(dict(net=net), tmp_path / 'src.pth')
        run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        state_dict = load(tmp_path / 'dst.pth')['state_dict']
        key = 'backbone.norm.weight'
        assert torch.equal(state_dict[key], published['net'][key])


class TestBadInput:
    def test_help(self, run_tool):
        result = run_tool(TOOL, '--help')
        assert result.returncode == 0 and '--reverse' in result.stdout

    def test_missing_source(self, run, tmp_path, capsys):
        with pytest.raises(SystemExit) as error:
            run(tmp_path / 'none.pth', tmp_path / 'dst.pth')
        assert error.value.code == 2
        assert f'no such file: {tmp_path / "none.pth"}' in capsys.readouterr().err

    @pytest.mark.parametrize(
        'content, message',
        [
            (dict(model={}), r'src\.pth: no weights in it; it has model'),
            (
                dict(net={'fc.weight': torch.ones(2)}),
                r'src\.pth: not a published checkpoint.*it has fc\.weight',
            ),
        ],
    )
    def test_other_checkpoint(self, run, tmp_path, content, message):
        torch.save(content, tmp_path / 'src.pth')
        with pytest.raises(DataError, match=message):
            run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
        assert not (tmp_path / 'dst.pth').exists()

    def test_reverse_of_published(self, run, parity_dir, tmp_path):
        message = (
            r'box_head\.\S+ has no name in a published checkpoint \(is it one already'
        )
        with pytest.raises(DataError, match=message):
            run(parity_dir / 'official_tiny.pth', tmp_path / 'dst.pth', '--reverse')

    @pytest.mark.parametrize('content', [b'', b'some text\n', b'PK\x03\x04 cut short'])
    def test_no_checkpoint(self, run, tmp_path, content):
        (tmp_path / 'src.pth').write_bytes(content)
        with pytest.raises(DataError, match=r'src\.pth'):
            run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
