"""Boxes from what a backbone tells apart."""

import numpy as np
import pytest
import torch

from sstrack_mm.datasets import FeaturesProposer
from sstrack_mm.datasets.feature_proposals import cut_in_two, embed_frame
from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture
def model(build_tracker):
    return build_tracker().eval()


@pytest.fixture
def tokens():
    """(12, 16, 8) noise around one direction, and around another one in a region."""
    rng = np.random.default_rng(0)
    first, second = np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    tokens = np.tile(first, (12, 16, 1))
    tokens[3:7, 5:10] = second
    return tokens + 0.05 * rng.normal(size=tokens.shape)


class TestCut:
    def test_region(self, tokens):
        strength = cut_in_two(tokens, 0.4)
        inside = np.zeros((12, 16), bool)
        inside[3:7, 5:10] = True
        np.testing.assert_array_equal(strength > 0, inside)

    def test_scale_of_tokens_does_not_matter(self, tokens):
        length = np.random.default_rng(1).uniform(1, 5, (12, 16, 1))
        np.testing.assert_allclose(
            cut_in_two(tokens * length, 0.4), cut_in_two(tokens, 0.4), atol=1e-9
        )


class TestEmbedding:
    def test_grid(self, model, scene):
        """Windows of 4x4 tokens side by side, here two rows of three."""
        (frame,) = scene(1, size=(240, 160))
        tokens = embed_frame(model, frame, 3)
        assert tokens.shape == (2 * 4, 3 * 4, 16)
        # What all windows share is taken out.
        windows = tokens.reshape(2, 4, 3, 4, 16)
        np.testing.assert_allclose(windows.mean(axis=(0, 2)), 0, atol=1e-6)

    def test_windows_are_where_they_belong(self, model, scene):
        """A change in one window changes the tokens of this one against the others."""
        (frame,) = scene(1, size=(192, 64))
        changed = frame.copy()
        changed[:, 128:] = 255 - changed[:, 128:]
        difference = np.abs(embed_frame(model, frame, 3) - embed_frame(model, changed, 3))
        parts = difference.reshape(4, 3, 4, 16).mean(axis=(0, 2, 3))
        assert parts.argmax() == 2


class TestProposer:
    @pytest.fixture
    def proposer(self, monkeypatch, tokens):
        module = 'sstrack_mm.datasets.feature_proposals'
        monkeypatch.setattr(f'{module}._load_model', lambda *args: None)
        monkeypatch.setattr(f'{module}.embed_frame', lambda *args: tokens)
        return FeaturesProposer()

    def test_box(self, proposer):
        frame = np.zeros((120, 320, 3), np.uint8)  # 20 x 10 pixels a token
        box = proposer.propose(np.random.default_rng(0), [frame], ['a'])
        np.testing.assert_allclose(box, [100, 30, 100, 40])

    def test_what_the_border_cuts_is_no_target(self, proposer, tokens):
        tokens[:] = np.roll(tokens, -3, axis=0)
        frame = np.zeros((120, 320, 3), np.uint8)
        assert proposer.propose(np.random.default_rng(0), [frame], ['a']) is None

    def test_network_of_the_zoo(self, scene):
        """It is loaded at the first use, and draws no random numbers of the run."""
        frames = scene(1, size=(160, 120), square=(40, (60, 40), (0, 0)))
        proposer = FeaturesProposer()
        state = torch.get_rng_state()
        boxes = [proposer.propose(np.random.default_rng(0), frames, 'a') for _ in '12']
        assert torch.equal(torch.get_rng_state(), state)
        np.testing.assert_array_equal(*boxes)
        x, y, w, h = boxes[0]
        assert x > 0 and y > 0 and x + w < 160 and y + h < 120 and min(w, h) > 0

    def test_weights_are_needed(self, root):
        config = str(root / 'configs' / 'sstrack_tiny_synthetic.py')
        frame = np.zeros((120, 160, 3), np.uint8)
        with pytest.raises(DataError, match='needs a checkpoint: .* sstrack-tiny'):
            FeaturesProposer(config).propose(np.random.default_rng(0), [frame], ['a'])

    def test_arguments(self):
        with pytest.raises(ValueError, match='windows >= 1'):
            FeaturesProposer(windows=0)
