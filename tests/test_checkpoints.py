"""Reading, writing and fitting checkpoints: nothing runs, nothing wrong is loaded."""

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

from sstrack_mm import checkpoints
from sstrack_mm.checkpoints import (
    Placeholder,
    find_weights,
    fit_weights,
    load_weights,
    read_checkpoint,
    take_off_prefixes,
    write_checkpoint,
)
from sstrack_mm.errors import DataError

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PREFIXES = [*checkpoints.PREFIXES, *checkpoints.WRAPPERS]


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
    @given(data=st.data())
    def test_any_prefixes(self, data):
        """Wrapped by anything known, a model's weights are found again."""
        weights = Net().state_dict()
        front = ''.join(data.draw(st.lists(st.sampled_from(PREFIXES), max_size=3)))
        middle = data.draw(st.sampled_from(['', *checkpoints.WRAPPERS]))
        wrapped = {
            front + key.replace('.', f'.{middle}', 1): value
            for key, value in weights.items()
        }
        container = data.draw(st.sampled_from([*checkpoints.CONTAINERS, None]))
        checkpoint = wrapped if container is None else {container: wrapped, 'epoch': 3}
        assert_same(fit_weights(checkpoint, Net(), 'x.pth'), weights)

    @quick
    @given(data=st.data())
    def test_whatever_does_not_fit_is_counted(self, data):
        """Nothing of it passes, and the numbers of the message are right."""
        model = Net()
        weights = dict(model.state_dict())
        keys = [key for key in weights if 'num_batches' not in key]
        changes = st.sampled_from(['keep', 'drop', 'reshape', 'rename'])
        plan = {key: data.draw(changes) for key in keys}
        for key, change in plan.items():
            if change in ('drop', 'rename'):
                value = weights.pop(key)
                weights |= {f'old_{key}': value} if change == 'rename' else {}
            elif change == 'reshape':
                weights[key] = weights[key][..., None]
        counts = collections.Counter(plan.values())
        if counts['keep'] == len(keys):
            assert_same(fit_weights(weights, model, 'x.pth'), model.state_dict())
            return
        with pytest.raises(DataError) as error:
            fit_weights(weights, model, 'x.pth')
        for number, kind in (
            (counts['drop'] + counts['rename'], 'missing'),
            (counts['rename'], 'unexpected'),
            (counts['reshape'], 'of another shape'),
        ):
            assert (f'{number} {kind} (' in str(error.value)) == (number > 0)

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


class TestFit:
    def test_message(self, tmp_path):
        weights = Net(width=5).state_dict()
        del weights['head.bias']
        weights['neck.weight'] = torch.zeros(1)
        torch.save(weights, tmp_path / 'x.pth')
        message = (
            f'{tmp_path}/x.pth: does not fit the model of 9 weights: 1 missing '
            '(head.bias); 1 unexpected (neck.weight); 7 of another shape '
            '(backbone.0.weight: (5, 2) in the file, (3, 2) here, '
            'backbone.0.bias: (5,) in the file, (3,) here, '
            'backbone.1.weight: (5,) in the file, (3,) here and 4 more). '
            'Give the configuration that it was trained with'
        )
        model = Net()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        with pytest.raises(DataError) as error:
            load_weights(model, tmp_path / 'x.pth')
        assert f'{error.value}' == message
        assert_same(model.state_dict(), before)  # all or nothing

    def test_which_configuration(self):
        checkpoint = dict(
            state_dict=Net(width=5).state_dict(), meta=dict(experiment_name='b384_2025')
        )
        with pytest.raises(DataError, match='trained as b384_2025: give that config'):
            fit_weights(checkpoint, Net(), 'x.pth')

    def test_published(self):
        net = {'box_head.conv1_ctr.0.weight': torch.zeros(1)}
        message = (
            r'published checkpoint: convert it by python tools/\S+official\.py x\.pth'
        )
        with pytest.raises(DataError, match=message):
            fit_weights(dict(net=net), Net(), 'x.pth')

    def test_nothing_in_it(self):
        with pytest.raises(DataError, match=r'x\.pth: no weights in it; it has a, epoch'):
            fit_weights(dict(a={}, epoch=1), Net(), 'x.pth')

    def test_bookkeeping_may_be_missing_or_more(self):
        """Numbers that no output depends on."""
        weights = dict(Net().state_dict())
        del weights['backbone.1.num_batches_tracked']
        weights['n_averaged'] = torch.tensor(3)
        fitted = fit_weights(weights, Net(), 'x.pth')
        assert set(fitted) == set(Net().state_dict())

    def test_prefixes_are_said(self, monkeypatch):
        said = []
        monkeypatch.setattr(
            checkpoints, 'print_log', lambda message, logger: said.append(message)
        )
        weights = {f'module._orig_mod.{k}': v for k, v in Net().state_dict().items()}
        fit_weights(weights, Net(), 'x.pth')
        assert said == [
            "x.pth: took '_orig_mod.', 'module.' off the names of 9 of 9 weights"
        ]

    def test_twice(self):
        """Averaged weights beside the others: which ones is for the user to say."""
        weights = Net().state_dict()
        both = weights | {f'ema_{key}': value for key, value in weights.items()}
        with pytest.raises(
            DataError,
            match=r'weight twice, as backbone\.0\.weight and as ema_backbone\.0\.weight',
        ):
            take_off_prefixes(both, weights.__contains__, 'x.pth')

    def test_fresh(self):
        model, other = Net(), Net()
        weights = dict(other.state_dict())
        del weights['head.bias']
        weights['head.weight'] = torch.zeros(9, 9)
        with pytest.raises(DataError, match='; say fresh'):
            fit_weights(weights, model, 'x.pth', advice='; say fresh')
        fitted = fit_weights(weights, model, 'x.pth', fresh=['head'])
        assert torch.equal(fitted['head.weight'], model.head.weight)
        assert torch.equal(fitted['backbone.0.weight'], other.backbone[0].weight)
        with pytest.raises(DataError, match="no part 'neck'; it has backbone, head"):
            fit_weights(weights, model, 'x.pth', fresh=['neck'])
