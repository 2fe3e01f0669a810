"""NT-Xent, against its formula and analytic values."""

import math

import pytest
import torch

from sstrack_mm.models.losses import InstanceContrastiveLoss, nt_xent_loss


def slow_nt_xent(view0, view1, temperature):
    """The formula, term by term."""
    features = [*view0.tolist(), *view1.tolist()]
    number = len(features)

    def similarity(i, j):
        dot = sum(a * b for a, b in zip(features[i], features[j], strict=True))
        return dot / math.hypot(*features[i]) / math.hypot(*features[j]) / temperature

    total = 0.0
    for i in range(number):
        positive = (i + number // 2) % number
        others = sum(math.exp(similarity(i, j)) for j in range(number) if j != i)
        total -= math.log(math.exp(similarity(i, positive)) / others)
    return total / number


@pytest.mark.parametrize('pairs', [1, 2, 5])
@pytest.mark.parametrize('temperature', [0.1, 0.5, 2.0])
def test_equals_formula(pairs, temperature):
    generator = torch.Generator().manual_seed(pairs)
    views = torch.randn(2, pairs, 7, generator=generator)
    assert nt_xent_loss(*views, temperature).item() == pytest.approx(
        slow_nt_xent(*views, temperature), abs=1e-5
    )


def test_one_pair_is_zero():
    """There is nothing to push away."""
    assert nt_xent_loss(torch.randn(1, 8), torch.randn(1, 8)).item() == 0


def test_two_orthogonal_pairs():
    views = torch.eye(2)
    expected = math.log(math.exp(1 / 0.5) + 2) - 1 / 0.5
    assert nt_xent_loss(views, 3 * views, 0.5).item() == pytest.approx(expected)


def test_equal_features():
    """Nothing to tell apart: one of 2B - 1 features at random."""
    views = torch.ones(4, 3)
    assert nt_xent_loss(views, views).item() == pytest.approx(math.log(7))


class TestInstanceContrastiveLoss:
    def test_left_out_clips(self):
        views = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
        valid = torch.tensor([True, False, True, True, False])
        loss = InstanceContrastiveLoss(temperature=0.3, loss_weight=2.0)
        expected = 2 * nt_xent_loss(views[0][valid], views[1][valid], 0.3)
        assert torch.equal(loss(*views, valid), expected)

    def test_no_clip_left(self):
        views = torch.randn(2, 3, 4, requires_grad=True)
        loss = InstanceContrastiveLoss()(*views, torch.zeros(3, dtype=torch.bool))
        loss.backward()
        assert loss.item() == 0 and not views.grad.any()

    @pytest.mark.parametrize('temperature', [0, -1])
    def test_bad_temperature(self, temperature):
        with pytest.raises(ValueError, match=f'must be positive, but got {temperature}'):
            InstanceContrastiveLoss(temperature=temperature)
