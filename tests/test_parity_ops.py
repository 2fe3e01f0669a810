"""The parts of the method meet the numbers of ``ops.npz``."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config
from mmtrack.registry import MODELS
from torch.nn import functional as F

import sstrack_mm.models  # noqa: F401  (registers the head)
from sstrack_mm.engine.hooks import keep_ratio_at
from sstrack_mm.models.backbones.pretrained import resize_pos_embed
from sstrack_mm.models.losses import nt_xent_loss
from sstrack_mm.models.trackers.functional import hann_window
from sstrack_mm.structures.batched_crop import crop_targets
from sstrack_mm.structures.crop import (
    boxes_to_crop,
    crop_full_frame,
    crop_target,
    target_window,
)
from sstrack_mm.tracking.memory import template_indices

TARGET_CROPS = [(2, 128), (4, 256), (5, 384)]


@pytest.fixture(scope='module')
def ops(parity_dir):
    with np.load(parity_dir / 'ops.npz') as file:
        return {key.removeprefix('ops/'): file[key] for key in file}


@pytest.fixture(scope='module')
def published_head(root, default_scope):
    """The head of SSTrack-B256."""
    head = Config.fromfile(root / 'configs' / 'sstrack_b256.py').model.head
    return MODELS.build(head | dict(in_channels=16, feat_channels=8, feat_size=16))


def assert_close(actual, expected):
    """The tolerance of the reference: 1e-5 relative plus 1e-6."""
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def block_means(images, block):
    """(..., H, W, 3) to the means over ``block`` x ``block`` pixels."""
    *batch, height, width, channels = images.shape
    blocks = images.reshape(
        *batch, height // block, block, width // block, block, channels
    )
    return blocks.mean((-4, -2))


def heat_map_bboxes(ops):
    """(28, 4) xyxy norm boxes of the heat maps and the focal loss."""
    xywh = torch.from_numpy(ops['heatmap/boxes_xywh_norm'])
    return torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], dim=1)


def test_nt_xent(ops):
    loss = nt_xent_loss(
        torch.from_numpy(ops['ntxent/view0']),
        torch.from_numpy(ops['ntxent/view1']),
        float(ops['ntxent/temperature']),
    )
    assert_close(loss, ops['ntxent/loss'])


def test_heat_maps(ops, published_head):
    maps = published_head.get_targets(heat_map_bboxes(ops))
    assert_close(maps[:, 0], ops['heatmap/maps'])
    # The peaks are counted by equality, so they must be exact.
    np.testing.assert_array_equal(maps[:, 0] == 1, ops['heatmap/maps'] == 1)


def test_focal_loss(ops, published_head):
    score_map = torch.from_numpy(ops['focal/score_map'])
    other_map = torch.full_like(score_map.expand(-1, 2, -1, -1), 0.5)
    losses = published_head.loss_by_feat(
        dict(score_map=score_map, size_map=other_map, offset_map=other_map),
        heat_map_bboxes(ops),
    )
    assert_close(losses['loss_score'], ops['focal/loss'])


def test_giou_loss(ops, published_head):
    loss_iou = published_head.loss_iou
    bboxes = [torch.from_numpy(ops[f'giou/boxes{i}_xyxy']) for i in (1, 2)]
    assert_close(loss_iou(*bboxes) / loss_iou.loss_weight, ops['giou/loss'])


def test_iou(ops):
    bboxes = [torch.from_numpy(ops[f'giou/boxes{i}_xyxy']) for i in (1, 2)]
    assert_close(bbox_overlaps(*bboxes, is_aligned=True), ops['giou/iou'])


@pytest.mark.parametrize('size', [16, 24])
def test_hann_window(ops, size):
    assert_close(hann_window(size), ops[f'hann{size}'])


@pytest.mark.parametrize('schedule, end_epoch', [('150e', 100), ('60e', 60)])
def test_keep_ratio(ops, schedule, end_epoch):
    expected = ops[f'keep_ratio/{schedule}']
    ratios = [
        keep_ratio_at(epoch, 20, end_epoch, 0.7) for epoch in range(1, len(expected) + 1)
    ]
    assert_close(ratios, expected)


@pytest.mark.parametrize('memory_size', [1, 3, 4])
def test_template_indices(ops, memory_size):
    expected = ops[f'template_indices/n{memory_size}']
    assert len(expected) == 2000
    for frame_id, row in enumerate(expected, 1):
        assert template_indices(frame_id, memory_size) == row[row >= 0].tolist()


@pytest.mark.parametrize('grid', [8, 12, 16, 24])
def test_pos_embed(ops, grid):
    resized = resize_pos_embed(torch.from_numpy(ops['pos_embed/grid14']), grid)
    assert_close(resized, ops[f'pos_embed/grid{grid}'])


def test_boxes_to_crop(ops):
    box = {
        key: ops[f'box_to_crop/{key}']
        for key in ('box_xywh', 'extract_xywh', 'resize_factor', 'size')
    }
    assert_close(boxes_to_crop(*box.values()), ops['box_to_crop/out_xywh_norm'])


class TestTargetCrops:
    """All boxes at each (factor, size)."""

    @pytest.fixture(params=TARGET_CROPS, ids=str)
    def case(self, request, ops):
        factor, size = request.param
        prefix = f'crop/f{factor}_o{size}/'
        expected = {
            key.removeprefix(prefix): value
            for key, value in ops.items()
            if key.startswith(prefix)
        }
        return factor, size, expected

    def check_pixels(self, crops, expected, grey_levels):
        if 'image' in expected:
            difference = np.abs(crops.astype(int) - expected['image'].astype(int))
        else:
            # The means of 8x8 pixels are stored in 16 bits: half a unit of those.
            means = block_means(crops.astype(float), 8)
            rounding = np.spacing(expected['image_mean_8x8']).astype(float) / 2
            difference = np.abs(means - expected['image_mean_8x8']) - rounding
        assert difference.max() <= grey_levels

    def test_opencv(self, ops, case):
        factor, size, expected = case
        crops, resize_factors = zip(
            *[
                crop_target(ops['crop/image'], bbox, factor, size)
                for bbox in ops['crop/boxes_xywh']
            ],
            strict=True,
        )
        assert_close(resize_factors, expected['resize_factor'])
        self.check_pixels(np.stack(crops), expected, grey_levels=0)

    def test_float(self, ops, case):
        factor, size, expected = case
        image = torch.from_numpy(ops['crop/image']).permute(2, 0, 1)
        bboxes = torch.from_numpy(ops['crop/boxes_xywh'])
        _, height, width = image.shape
        crops = crop_targets(
            image.expand(len(bboxes), -1, -1, -1),
            torch.tensor([[width, height]]).expand(len(bboxes), 2),
            bboxes,
            factor,
            size,
            resize='float',
        )
        self.check_pixels(crops.permute(0, 2, 3, 1).numpy(), expected, grey_levels=1)

    def test_padded_fraction(self, ops, case):
        """The window of a white image is white but where it is padded."""
        factor, size, expected = case
        white = np.full_like(ops['crop/image'], 255)
        for bbox, fraction in zip(
            ops['crop/boxes_xywh'], expected['padding_fraction'], strict=True
        ):
            left, top, side = target_window(bbox, factor)
            window, _ = crop_target(white, np.array([left, top, side, side]), 1, side)
            padding = torch.from_numpy(window[None, None, ..., 0] == 0).float()
            resized = F.interpolate(padding, (size, size), mode='bilinear')
            assert_close((resized > 0).float().mean(), fraction)


def test_full_frame(ops):
    square, content_wh = crop_full_frame(ops['crop/image'], 256)
    means = block_means(square.astype(float), 4)
    rounding = np.spacing(ops['fullframe/image_mean_4x4']).astype(float) / 2
    assert (np.abs(means - ops['fullframe/image_mean_4x4']) <= rounding).all()
    assert_close([0, 0, *content_wh], ops['fullframe/content_xywh'])
    assert_close(
        content_wh[0] / ops['crop/image'].shape[1], ops['fullframe/resize_factor']
    )
