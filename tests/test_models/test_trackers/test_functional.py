"""The functions between boxes, maps and tokens."""

import numpy as np
import pytest
import torch

from sstrack_mm.models.backbones import ViTOutput
from sstrack_mm.models.trackers.functional import (
    hann_window,
    mean_iou,
    pool_box,
    pseudo_boxes,
)


@pytest.mark.parametrize('size', [4, 16])
def test_hann_window(size):
    profile = [0.5 * (1 - np.cos(2 * np.pi * k / (size + 1))) for k in range(1, size + 1)]
    np.testing.assert_allclose(hann_window(size), np.outer(profile, profile), rtol=1e-6)
    assert hann_window(size).min() > 0


class TestPseudoBoxes:
    @staticmethod
    def slow(box_cxcywh_norm, width, height, size):
        """One box, as the method's page words it."""
        scale = max(width, height) / size
        cx, cy, w, h = (round(v * size) for v in box_cxcywh_norm)
        x1, y1 = max(cx - w / 2, 0), max(cy - h / 2, 0)
        x2, y2 = min(cx + w / 2, width / scale), min(cy + h / 2, height / scale)
        w, h = max(x2 - x1, 0) * scale, max(y2 - y1, 0) * scale
        return [x1 * scale, y1 * scale, w or 1, h or 1]

    def test_equals_slow_version(self):
        rng = np.random.default_rng(0)
        boxes = torch.tensor(
            np.concatenate(
                [rng.uniform(-0.2, 1.2, (300, 2)), rng.uniform(0, 0.6, (300, 2))], axis=1
            )
        )
        image_wh = torch.tensor(rng.integers(20, 900, (300, 2)))
        actual = pseudo_boxes(boxes, image_wh, 256)
        expected = [
            self.slow(box, width, height, 256)
            for box, (width, height) in zip(
                boxes.tolist(), image_wh.tolist(), strict=True
            )
        ]
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)
        assert (actual[:, 2:] == 1).any()  # some lie outside their image

    def test_nothing_left(self):
        """A box below the image has no area: a side of 0 becomes 1 pixel."""
        bboxes = pseudo_boxes(
            torch.tensor([[0.25, 0.9, 0.5, 0.1]]), torch.tensor([[200, 100]]), 100
        )
        assert bboxes[0, 2:].tolist() == [100, 1]


class TestPoolBox:
    @staticmethod
    def output(kept=None):
        tokens = torch.randn(1, 16, 3, generator=torch.Generator().manual_seed(0))
        kept = torch.ones(1, 16, dtype=torch.bool) if kept is None else kept
        return ViTOutput(tokens * kept[..., None], torch.zeros(1, 1, 3), kept)

    def test_cells_in_the_box(self):
        """Those with their centres in it: of 4 columns 1 and 2, of 4 rows 0."""
        output = self.output()
        features, valid = pool_box(output, torch.tensor([[0.5, 0.15, 0.3, 0.2]]))
        expected = (output.search_tokens[0, 1] + output.search_tokens[0, 2]) / 2
        torch.testing.assert_close(features[0], expected)
        assert valid.tolist() == [True]

    def test_eliminated_cells_are_not_counted(self):
        kept = torch.ones(1, 16, dtype=torch.bool)
        kept[0, 1] = False
        output = self.output(kept)
        features, _ = pool_box(output, torch.tensor([[0.5, 0.15, 0.3, 0.2]]))
        torch.testing.assert_close(features[0], output.search_tokens[0, 2])

    @pytest.mark.parametrize(
        'box',
        [[0.5, 0.5, 0.01, 0.01], [2.0, 2, 0.5, 0.5]],
        ids=['between centres', 'outside'],
    )
    def test_no_cell(self, box):
        features, valid = pool_box(self.output(), torch.tensor([box]))
        assert valid.tolist() == [False] and not features.any()

    def test_slow_version(self):
        rng = np.random.default_rng(0)
        kept = torch.from_numpy(rng.random((1, 16)) < 0.7)
        output = self.output(kept)
        for cx, cy, w, h in rng.uniform(0, 1, (50, 4)):
            cells = [
                4 * row + column
                for row in range(4)
                for column in range(4)
                if abs((column + 0.5) / 4 - cx) <= w / 2
                and abs((row + 0.5) / 4 - cy) <= h / 2
                and kept[0, 4 * row + column]
            ]
            features, valid = pool_box(output, torch.tensor([[cx, cy, w, h]]))
            assert valid.item() == bool(cells)
            if cells:
                torch.testing.assert_close(
                    features[0].float(), output.search_tokens[0, cells].mean(dim=0)
                )


def test_mean_iou():
    """Of two boxes shifted by half, an equal and a distant one; then of the first two."""
    predicted = torch.tensor([[0.5, 0.5, 0.4, 0.4]] * 3)
    true = torch.tensor([[0.5, 0.3, 0.9, 0.7], [0.3, 0.3, 0.7, 0.7], [0, 0, 0.1, 0.1]])
    assert mean_iou(predicted, true).item() == pytest.approx((1 / 3 + 1) / 3, abs=1e-5)
    weighted = mean_iou(predicted, true, torch.tensor([1.0, 1, 0]))
    assert weighted.item() == pytest.approx((1 / 3 + 1) / 2, abs=1e-5)
    assert mean_iou(predicted, true, torch.zeros(3)) == 0
