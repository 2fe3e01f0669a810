"""The corner head, behind the same interface."""

import math

import pytest
import torch

GRID = 8


@pytest.fixture
def head(build_head, corner_head_cfg):
    torch.manual_seed(0)
    head = build_head(corner_head_cfg, feat_size=GRID)
    head.init_weights()
    return head


def encode(x, y):
    """(1, 1, F, F) distribution over four cells around a point, whose mean it is."""
    probability = torch.zeros(1, 1, GRID, GRID)
    column, row = math.floor(x * GRID - 0.5), math.floor(y * GRID - 0.5)
    right, down = x * GRID - 0.5 - column, y * GRID - 0.5 - row
    for i, share_y in ((row, 1 - down), (row + 1, down)):
        for j, share_x in ((column, 1 - right), (column + 1, right)):
            probability[0, 0, i, j] = share_x * share_y
    return probability


def random_bboxes(number):
    low = torch.rand(number, 2, generator=torch.Generator().manual_seed(1)) * 0.4 + 0.1
    return torch.cat([low, low + 0.1 + low.flip(0) * 0.5], dim=1)


def test_round_trip(head):
    for x1, y1, x2, y2 in random_bboxes(20).tolist():
        boxes, scores = head.predict_by_feat(
            dict(top_left_map=encode(x1, y1), bottom_right_map=encode(x2, y2))
        )
        expected = torch.tensor([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]])
        torch.testing.assert_close(boxes, expected)
        assert 0 < scores.item() <= 1


def test_sure_of_two_cells(head):
    maps = dict(
        top_left_map=encode(1.5 / GRID, 2.5 / GRID),
        bottom_right_map=encode(5.5 / GRID, 6.5 / GRID),
    )
    boxes, scores = head.predict_by_feat(maps)
    torch.testing.assert_close(boxes * GRID, torch.tensor([[3.5, 4.5, 4, 4]]))
    assert scores.item() == 1


def test_crossed_corners(head):
    """A box has no negative sides."""
    boxes, _ = head.predict_by_feat(
        dict(top_left_map=encode(0.8, 0.3), bottom_right_map=encode(0.4, 0.6))
    )
    torch.testing.assert_close(boxes, torch.tensor([[0.6, 0.45, 0.4, 0.3]]))


def test_maps_are_distributions(head):
    maps = head(torch.randn(2, 6, GRID, GRID))
    for key in ('top_left_map', 'bottom_right_map'):
        assert maps[key].shape == (2, 1, GRID, GRID)
        torch.testing.assert_close(maps[key].sum((1, 2, 3)), torch.ones(2))


def test_losses(head):
    x1, y1, x2, y2 = 0.2, 0.3, 0.5, 0.7
    maps = dict(top_left_map=encode(x1, y1), bottom_right_map=encode(x2, y2))
    perfect = head.loss_by_feat(maps, torch.tensor([[x1, y1, x2, y2]]))
    assert all(loss.item() == pytest.approx(0, abs=1e-5) for loss in perfect.values())
    moved = head.loss_by_feat(maps, torch.tensor([[x1 + 0.3, y1, x2 + 0.3, y2]]))
    assert moved['loss_bbox'].item() == pytest.approx(5 * 0.15, rel=1e-4)
    assert moved['loss_iou'].item() == pytest.approx(2, rel=1e-4)


def test_same_interface(head, build_head):
    """What the tracker calls works alike for both heads."""
    other = build_head(feat_size=GRID)
    feat, bboxes = torch.randn(3, 6, GRID, GRID), random_bboxes(3)
    for box_head in (head, other):
        maps = box_head(feat)
        boxes, scores = box_head.predict_by_feat(maps, torch.ones(GRID, GRID))
        assert boxes.shape == (3, 4) and scores.shape == (3,)
        losses = box_head.loss_by_feat(maps, bboxes, torch.tensor([1.0, 0, 1]))
        assert {'loss_iou', 'loss_bbox'} <= set(losses)
        sum(losses.values()).backward()
