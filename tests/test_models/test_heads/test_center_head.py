"""The centre head: targets, losses and decoding."""

import math

import numpy as np
import pytest
import torch

from sstrack_mm.models.heads.center_head import gaussian_radius

GRID = 16


@pytest.fixture
def head(build_head):
    torch.manual_seed(0)
    head = build_head(feat_size=GRID)
    head.init_weights()
    return head


def slow_radius(width, height, overlap=0.7):
    quadratics = [
        (1, height + width, width * height * (1 - overlap) / (1 + overlap)),
        (4, 2 * (height + width), (1 - overlap) * width * height),
        (4 * overlap, -2 * overlap * (height + width), (overlap - 1) * width * height),
    ]
    return max(
        0, int(min((b + math.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in quadratics))
    )


def slow_heat_map(bbox_xyxy_norm):
    x1, y1, x2, y2 = (v * GRID for v in bbox_xyxy_norm)
    radius = slow_radius(x2 - x1, y2 - y1)
    sigma = (2 * radius + 1) / 6
    column, row = round((x1 + x2) / 2), round((y1 + y2) / 2)
    heat_map = np.zeros((GRID, GRID))
    for i in range(GRID):
        for j in range(GRID):
            if abs(i - row) <= radius and abs(j - column) <= radius:
                distance = (i - row) ** 2 + (j - column) ** 2
                heat_map[i, j] = math.exp(-distance / (2 * sigma**2))
    return heat_map


def slow_focal_loss(scores, heat_maps):
    """The penalty-reduced focal loss, cell by cell."""
    total, peaks = 0.0, 0
    for score, target in zip(
        scores.flatten().tolist(), heat_maps.flatten().tolist(), strict=True
    ):
        if target == 1:
            peaks += 1
            total -= (1 - score) ** 2 * math.log(score)
        else:
            total -= (1 - target) ** 4 * score**2 * math.log(1 - score)
    return total / max(peaks, 1)


def random_bboxes(number, low=-0.3, high=1.1):
    """(number, 4) xyxy norm boxes, some with their centres outside."""
    rng = np.random.default_rng(number)
    centers, wh = rng.uniform(low, high, (number, 2)), rng.uniform(0.02, 0.7, (number, 2))
    return torch.tensor(
        np.concatenate([centers - wh / 2, centers + wh / 2], axis=1), dtype=torch.float32
    )


def random_maps(number):
    generator = torch.Generator().manual_seed(number)
    return dict(
        score_map=torch.rand(number, 1, GRID, GRID, generator=generator) * 0.98 + 0.01,
        size_map=torch.rand(number, 2, GRID, GRID, generator=generator),
        offset_map=torch.randn(number, 2, GRID, GRID, generator=generator),
    )


def encode(bbox_xyxy_norm):
    """The maps of a head that is sure of one box."""
    x1, y1, x2, y2 = bbox_xyxy_norm.tolist()
    x, y = (x1 + x2) / 2 * GRID, (y1 + y2) / 2 * GRID
    maps = {
        key: torch.full((1, channels, GRID, GRID), 0.01)
        for key, channels in (('score_map', 1), ('size_map', 2), ('offset_map', 2))
    }
    row, column = math.floor(y), math.floor(x)
    maps['score_map'][0, 0, row, column] = 0.9
    maps['size_map'][0, :, row, column] = torch.tensor([x2 - x1, y2 - y1])
    maps['offset_map'][0, :, row, column] = torch.tensor([x - column, y - row])
    return maps


class TestRadius:
    def test_equals_formula(self):
        wh = np.random.default_rng(0).uniform(0.1, 16, (200, 2))
        radius = gaussian_radius(*torch.tensor(wh).T, 0.7)
        assert radius.tolist() == [slow_radius(*size) for size in wh]

    @pytest.mark.parametrize('side, expected', [(10, 2), (100, 27), (0.5, 0)])
    def test_square(self, side, expected):
        """By hand: the least root is the third, (sqrt(1120) - 28) / 20 side."""
        side = torch.tensor([float(side)])
        assert gaussian_radius(side, side, 0.7).item() == expected


class TestTargets:
    def test_equals_slow_version(self, head):
        bboxes = random_bboxes(60)
        expected = np.stack([slow_heat_map(bbox) for bbox in bboxes.tolist()])
        np.testing.assert_allclose(
            head.get_targets(bboxes)[:, 0], expected, rtol=1e-5, atol=1e-7
        )

    def test_one_peak_at_the_centre(self, head):
        # The centre (5.5, 6.5) in cells is rounded to even.
        bbox = torch.tensor([[5.5 - 3, 6.5 - 2, 5.5 + 3, 6.5 + 2]]) / GRID
        assert (head.get_targets(bbox)[0, 0] == 1).nonzero().tolist() == [[6, 6]]

    def test_centre_outside(self, head):
        bboxes = torch.tensor([[0.7, 0.2, 1.5, 0.8], [-0.9, 0.2, -0.3, 0.8]])
        targets = head.get_targets(bboxes)
        assert not (targets == 1).any()
        assert targets[0].any() and not targets[1].any()


class TestLosses:
    def test_focal(self, head):
        bboxes, maps = random_bboxes(20), random_maps(20)
        targets = np.stack([slow_heat_map(bbox) for bbox in bboxes.tolist()])
        assert 0 < (targets == 1).sum() < 20
        assert head.loss_by_feat(maps, bboxes)['loss_score'].item() == pytest.approx(
            slow_focal_loss(maps['score_map'], targets), rel=1e-4
        )

    def test_focal_without_peaks(self, head):
        bboxes, maps = random_bboxes(3) + 5, random_maps(3)
        targets = np.zeros((3, GRID, GRID))
        assert head.loss_by_feat(maps, bboxes)['loss_score'].item() == pytest.approx(
            slow_focal_loss(maps['score_map'], targets), rel=1e-4
        )

    def test_perfect_boxes(self, head):
        bbox = torch.tensor([[0.2, 0.3, 0.65, 0.5]])
        losses = head.loss_by_feat(encode(bbox[0]), bbox)
        assert losses['loss_iou'].item() == pytest.approx(0, abs=1e-5)
        assert losses['loss_bbox'].item() == pytest.approx(0, abs=1e-5)

    def test_known_distance(self, head):
        """A box beside the truth: GIoU = -(gap / hull), L1 = mean of coordinates."""
        predicted = torch.tensor([0.1, 0.25, 0.3, 0.45])
        true = torch.tensor([[0.5, 0.25, 0.7, 0.45]])
        losses = head.loss_by_feat(encode(predicted), true)
        assert losses['loss_iou'].item() == pytest.approx(2 * (1 + 0.2 / 0.6), rel=1e-3)
        assert losses['loss_bbox'].item() == pytest.approx(5 * 0.2, rel=1e-3)

    def test_truth_is_clamped(self, head):
        maps = random_maps(1)
        outside = head.loss_by_feat(maps, torch.tensor([[-0.2, 0.3, 0.5, 1.4]]))
        clamped = head.loss_by_feat(maps, torch.tensor([[0.0, 0.3, 0.5, 1.0]]))
        for key in ('loss_iou', 'loss_bbox'):
            assert outside[key] == clamped[key]

    def test_images_without_weight(self, head):
        """They change nothing, whatever is in them."""
        bboxes, maps = random_bboxes(4, 0.1, 0.9), random_maps(4)
        weight = torch.tensor([1.0, 0, 1, 0])
        expected = head.loss_by_feat(maps, bboxes, weight)
        out_of = weight == 0
        changed = {
            key: torch.where(out_of[:, None, None, None], value.flip(0), value)
            for key, value in maps.items()
        }
        bboxes = torch.where(out_of[:, None], bboxes.flip(0), bboxes)
        losses = head.loss_by_feat(changed, bboxes, weight)
        assert losses == expected and all(loss > 0 for loss in losses.values())

    def test_no_image_with_weight(self, head):
        losses = head.loss_by_feat(random_maps(2), torch.zeros(2, 4), torch.zeros(2))
        assert {key: loss.item() for key, loss in losses.items()} == dict(
            loss_score=0, loss_iou=0, loss_bbox=0
        )


class TestDecoding:
    def test_round_trip(self, head):
        for bbox in random_bboxes(30, 0.05, 0.95):
            boxes, scores = head.predict_by_feat(encode(bbox))
            cx, cy, w, h = boxes[0]
            xyxy = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
            torch.testing.assert_close(xyxy, bbox)
            assert scores.item() == pytest.approx(0.9)

    def test_peak_of_the_target(self, head):
        """The target's peak is the cell to decode, with an offset of at most a half."""
        for bbox in random_bboxes(30, 0.05, 0.95):
            target = head.get_targets(bbox[None])
            if not (target == 1).any():  # rounded to a cell behind the last
                continue
            center = (bbox[:2] + bbox[2:]) / 2 * GRID
            row, column = divmod(int(target.argmax()), GRID)
            offset = center - torch.tensor([column, row])
            assert (offset.abs() <= 0.5).all()
            maps = dict(
                score_map=target,
                size_map=torch.full((1, 2, GRID, GRID), 0.3),
                offset_map=offset[None, :, None, None].expand(1, 2, GRID, GRID),
            )
            boxes, _ = head.predict_by_feat(maps)
            torch.testing.assert_close(boxes[0, :2], center / GRID)

    def test_window(self, head):
        """It chooses the cell; the score is the cell's own."""
        maps = random_maps(3)
        maps['score_map'] *= 0.5
        maps['score_map'][:, 0, 3, 4] = 0.8
        maps['score_map'][:, 0, 0, 15] = 0.9
        window = torch.ones(GRID, GRID)
        window[0] = 0.7
        for weights, score, row, column in ((None, 0.9, 0, 15), (window, 0.8, 3, 4)):
            boxes, scores = head.predict_by_feat(maps, weights)
            torch.testing.assert_close(scores, torch.full((3,), score))
            assert torch.equal(boxes[:, 2:], maps['size_map'][:, :, row, column])

    def test_batch_equals_singles(self, head):
        maps = random_maps(4)
        boxes, scores = head.predict_by_feat(maps)
        for i in range(4):
            single = {key: value[i : i + 1] for key, value in maps.items()}
            assert torch.equal(head.predict_by_feat(single)[0][0], boxes[i])
            assert torch.equal(head.predict_by_feat(single)[1][0], scores[i])


def test_maps(head):
    maps = head(torch.randn(2, 6, GRID, GRID) * 1000)
    assert {key: tuple(value.shape) for key, value in maps.items()} == dict(
        score_map=(2, 1, GRID, GRID),
        size_map=(2, 2, GRID, GRID),
        offset_map=(2, 2, GRID, GRID),
    )
    for key in ('score_map', 'size_map'):
        assert maps[key].min() >= 1e-4 and maps[key].max() <= 1 - 1e-4


def test_starts_xavier_uniform(build_head):
    head = build_head(in_channels=64, feat_channels=64)
    head.init_weights()
    weight = head.score_branch[0].conv.weight
    bound = math.sqrt(6 / (64 * 9 + 64 * 9))
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_halving_channels(build_head):
    branch = build_head(feat_channels=32).size_branch
    channels = [layer.conv.out_channels for layer in branch[:4]]
    assert channels == [32, 16, 8, 4]


def test_bad_channels(build_head):
    with pytest.raises(ValueError, match='multiple of 8, but got 12'):
        build_head(feat_channels=12)


class TestFineMap:
    """The stem's features double the map's resolution."""

    @pytest.fixture
    def head(self, build_head):
        torch.manual_seed(0)
        head = build_head(feat_size=GRID, fine_channels=5)
        head.init_weights()
        return head.eval()

    def test_shapes(self, head):
        maps = head(torch.rand(2, 6, GRID, GRID), torch.rand(2, 5, 2 * GRID, 2 * GRID))
        assert maps['score_map'].shape == (2, 1, 2 * GRID, 2 * GRID)
        assert (head.token_grid, head.feat_size) == (GRID, 2 * GRID)
        assert (
            head.get_targets(torch.tensor([[0.1, 0.1, 0.4, 0.4]])).shape[-1] == 2 * GRID
        )

    def test_both_count(self, head):
        feat, fine = torch.rand(1, 6, GRID, GRID), torch.rand(1, 5, 2 * GRID, 2 * GRID)
        size = head(feat, fine)['size_map']
        assert not torch.allclose(size, head(0 * feat, fine)['size_map'])
        assert not torch.allclose(size, head(feat, 0 * fine)['size_map'])
