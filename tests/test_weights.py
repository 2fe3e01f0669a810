"""Weights find their places in a model: all of them, or none and a message."""

import collections

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sstrack_mm import weights as weights_module
from sstrack_mm.errors import DataError
from sstrack_mm.weights import (
    CONTAINERS,
    PREFIXES,
    WRAPPERS,
    fit_weights,
    load_weights,
    take_off_prefixes,
)

quick = settings(max_examples=40, deadline=None)


class Net(nn.Module):
    """A backbone and a head, with a batch norm between them."""

    def __init__(self, width=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))
        self.head = nn.Linear(width, 4)


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype and actual[name].shape == value.shape
        assert torch.equal(actual[name], value), name


class TestProperties:
    @quick
    @given(data=st.data())
    def test_any_prefixes(self, data):
        """Wrapped by anything known, a model's weights are found again."""
        weights = Net().state_dict()
        front = ''.join(
            data.draw(st.lists(st.sampled_from([*PREFIXES, *WRAPPERS]), max_size=3))
        )
        middle = data.draw(st.sampled_from(['', *WRAPPERS]))
        wrapped = {
            front + key.replace('.', f'.{middle}', 1): value
            for key, value in weights.items()
        }
        container = data.draw(st.sampled_from([*CONTAINERS, None]))
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

    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (lambda x: x * float('nan'), r'head\.weight has values that are not finite'),
            (lambda x: x / 0, r'head\.weight has values that are not finite'),
            (lambda x: x.to_sparse(), r'head\.weight is no plain tensor \(torch\.sparse'),
            (lambda x: x.to('meta'), r'head\.weight is no plain tensor \(meta'),
            (
                lambda x: x.int(),
                r'1 of another type \(head\.weight: torch\.int32 in the file, '
                r'torch\.float32 here\)',
            ),
            (lambda x: x.to(torch.complex64), r'1 of another type \(head\.weight'),
        ],
    )
    def test_values_that_are_none_of_a_model(self, change, message):
        weights = dict(Net().state_dict())
        weights['head.weight'] = change(weights['head.weight'])
        with pytest.raises(DataError, match=message):
            fit_weights(dict(state_dict=weights), Net(), 'x.pth')

    def test_a_name_that_is_no_text(self):
        weights = Net().state_dict() | {7: torch.zeros(1)}
        with pytest.raises(DataError, match=r'x\.pth: a weight is named 7, which is no'):
            fit_weights(dict(state_dict=weights), Net(), 'x.pth')

    def test_half_precision_is_taken(self):
        weights = dict(Net().half().state_dict())
        assert len(fit_weights(dict(state_dict=weights), Net(), 'x.pth')) == 9

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
            weights_module, 'print_log', lambda message, logger: said.append(message)
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
