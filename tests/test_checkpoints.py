"""Reading and writing checkpoints: nothing runs, and all comes back."""

import argparse
import collections
import os
import pickle
import re
import string

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from torch import nn

from sstrack_mm.checkpoints import Placeholder, read_checkpoint, write_checkpoint
from sstrack_mm.errors import DataError
from sstrack_mm.weights import (
    find_weights,
    load_weights,
)

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Net(nn.Module):
    """A backbone and a head, with a batch norm between them."""

    def __init__(self, width=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))
        self.head = nn.Linear(width, 4)


class Calls:
    """Asks the reader of a checkpoint to call something."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class MakeFolder(Calls):
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        super().__init__(os.mkdir, str(path))


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype and actual[name].shape == value.shape
        assert torch.equal(actual[name], value), name


class TestRead:
    def test_training_state(self, tmp_path):
        """What mmengine saves is there again, the history of scalars with its methods."""
        history = HistoryBuffer()
        for value in (1.0, 2.0, 4):
            history.update(value)
        hub = dict(
            log_scalars=dict(loss=history),
            runtime_info=dict(best=np.float64(0.5), iter=3),
        )
        torch.save(hub, tmp_path / 'x.pth')
        loaded = read_checkpoint(tmp_path / 'x.pth')
        assert loaded['runtime_info'] == dict(best=0.5, iter=3)
        loss = loaded['log_scalars']['loss']
        assert loss.mean() == pytest.approx(7 / 3) and loss.statistics('current') == 4

    def test_trained(self, trained):
        """A checkpoint that training wrote."""
        loaded = read_checkpoint(trained)
        assert loaded['meta']['iter'] == 2
        assert loaded['message_hub']['log_scalars']['train/loss'].current() > 0

    @pytest.mark.parametrize('variable', ['', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'])
    @pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
    @pytest.mark.parametrize('read', [read_checkpoint, 'mmengine'])
    def test_nothing_runs(self, tmp_path, monkeypatch, variable, zipped, read):
        """By whichever way a file is loaded, and whatever the environment says."""
        if variable:
            monkeypatch.setenv(variable, '1')
        path = tmp_path / 'x.pth'
        evil = dict(
            state_dict=Net().state_dict(),
            getattr=Calls(getattr, HistoryBuffer, '__init__'),
            method=Calls(getattr, torch.Tensor, 'max'),
            folder=MakeFolder(tmp_path / 'made'),
        )
        torch.save(evil, path, _use_new_zipfile_serialization=zipped)
        if read == 'mmengine':
            loaded = load_checkpoint(Net(), str(path))
        else:
            loaded = read(path)
        assert not (tmp_path / 'made').exists()
        assert isinstance(loaded['folder'], Placeholder)
        assert_same(loaded['state_dict'], evil['state_dict'])

    def test_what_training_programs_save(self, tmp_path):
        beside = dict(
            args=argparse.Namespace(lr=0.1, table=collections.Counter('aab')),
            best=np.float16(0.5),
            where=np.array(['a', 'b']),
            queue=collections.deque([1, 2]),
            path=tmp_path,
        )
        torch.save(dict(model=Net().state_dict(), **beside), tmp_path / 'x.pth')
        load_weights(Net(), tmp_path / 'x.pth')

    @pytest.mark.parametrize(
        'content',
        [
            b'',
            b'some text\n',
            b'PK\x03\x04 cut short',
            b'\x80\x02}q\x00.',
            pickle.dumps(Calls(print, 'never')),
            b'\xff' * 8 + b'{}',
            (2).to_bytes(8, 'little') + b'{}',
            (9).to_bytes(8, 'little') + b'{"a": [1]',
        ],
    )
    def test_no_checkpoint(self, tmp_path, content):
        (tmp_path / 'x.pth').write_bytes(content)
        with pytest.raises(DataError, match=r'x\.pth: ') as error:
            load_weights(Net(), tmp_path / 'x.pth')
        assert 'weights_only' not in str(error.value)

    @pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
    def test_cut_short(self, tmp_path, name):
        write_checkpoint(dict(state_dict=Net().state_dict()), tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for part in range(1, 10):
            (tmp_path / name).write_bytes(whole[: len(whole) * part // 10])
            with pytest.raises(DataError, match=re.escape(name)):
                load_weights(Net(), tmp_path / name)

    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match=r'x\.pth: cannot be read \(No such file'):
            read_checkpoint(tmp_path / 'x.pth')

    def test_torchscript(self, tmp_path):
        """A program; torch would hand it to its interpreter."""
        torch.jit.script(nn.Linear(1, 1)).save(tmp_path / 'x.pth')
        with pytest.raises(DataError, match=r'x\.pth: not a checkpoint, or cut short \('):
            read_checkpoint(tmp_path / 'x.pth')

    def test_a_tensor_alone(self, tmp_path):
        torch.save(torch.zeros(2), tmp_path / 'x.pth')
        with pytest.raises(
            DataError, match='expected a checkpoint, but it holds a Tensor'
        ):
            read_checkpoint(tmp_path / 'x.pth')

    def test_content_counts_not_the_name(self, tmp_path):
        weights = Net().state_dict()
        safetensors.torch.save_file(weights, tmp_path / 'x.pth')
        torch.save(weights, tmp_path / 'x.safetensors')
        for name in ('x.pth', 'x.safetensors'):
            path = tmp_path / name
            assert_same(find_weights(read_checkpoint(path), path), weights)


tensors = st.builds(
    lambda shape, dtype: torch.randn(shape).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64]),
)
names = st.lists(
    st.text(string.ascii_lowercase + string.digits + '_', min_size=1, max_size=5),
    min_size=1,
    max_size=3,
).map('.'.join)
state_dicts = st.dictionaries(names, tensors, min_size=1, max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


class TestProperties:
    @quick
    @given(weights=state_dicts, unused=state_dicts | st.just({}), meta=values)
    @pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
    def test_round_trip(self, tmp_path, name, weights, unused, meta):
        path = tmp_path / name
        unused = {f'their.{key}': value for key, value in unused.items()}
        write_checkpoint(dict(state_dict=weights, unused=unused, meta=meta), path)
        loaded = read_checkpoint(path)
        assert_same(loaded['state_dict'], weights)
        assert_same(loaded.get('unused', {}), unused)
        assert loaded['meta'] == meta

    @quick
    @given(place=st.integers(0, 10**6), value=st.integers(0, 255), name=st.booleans())
    def test_a_damaged_byte(self, tmp_path, place, value, name):
        """It is read, or is one DataError."""
        path = tmp_path / ('x.pth' if name else 'x.safetensors')
        write_checkpoint(dict(state_dict=Net().state_dict(), meta={}), path)
        content = bytearray(path.read_bytes())
        content[place % len(content)] = value
        path.write_bytes(content)
        try:
            load_weights(Net(), path)
        except DataError as error:
            assert str(path) in str(error) and 'weights_only' not in str(error)
