"""Windows, crops, and boxes into and out of them."""

import math
import tracemalloc

import cv2
import numpy as np
import pytest
import torch

from sstrack_mm.errors import DataError
from sstrack_mm.structures import crop
from sstrack_mm.structures.batched_crop import _crop_on_device, crop_targets
from sstrack_mm.structures.crop import (
    box_from_crop,
    boxes_to_crop,
    crop_full_frame,
    crop_target,
    target_window,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_image(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def slow_crop(image, bbox_xywh, factor, size):
    """The crop as the method's page words it, pixel by pixel."""
    left, top, side = target_window(bbox_xywh, factor)
    height, width = image.shape[:2]
    last_column = width - 1 if left + side >= width else width
    last_row = height - 1 if top + side >= height else height
    window = np.zeros((side, side, 3), np.uint8)
    for row in range(side):
        for column in range(side):
            y, x = top + row, left + column
            if 0 <= y < last_row and 0 <= x < last_column:
                window[row, column] = image[y, x]
    return cv2.resize(window, (size, size), interpolation=cv2.INTER_LINEAR)


class TestWindow:
    @pytest.mark.parametrize(
        'bbox_xywh, factor, expected',
        [
            ((10, 20, 8, 2), 2, (10, 17, 8)),
            ((0, 0, 3, 3), 1, (0, 0, 3)),
            ((0, 0, 1, 1), 2, (0, 0, 2)),  # -0.5 is rounded to the even 0,
            ((1, 3, 1, 1), 2, (0, 2, 2)),  # 0.5 to 0, and 2.5 to 2
            ((0, 0, 2, 2.1), 1, (0, 0, 3)),  # the side is rounded up
            ((-50, -50, 10, 10), 2, (-55, -55, 20)),
        ],
    )
    def test_window(self, bbox_xywh, factor, expected):
        assert target_window(np.array(bbox_xywh), factor) == expected

    @pytest.mark.parametrize(
        'bbox_xywh',
        [(0, 0, 0, 5), (0, 0, 5, -1), (0, 0, math.nan, 5), (math.inf, 0, 5, 5)],
    )
    def test_unusable_box(self, bbox_xywh):
        with pytest.raises(DataError, match='cannot crop around the box'):
            target_window(np.array(bbox_xywh), 2)


class TestCropTarget:
    def test_equals_slow_version(self, rng):
        image = random_image(rng, 30, 40)
        for _ in range(40):
            bbox = np.concatenate([rng.uniform(-20, 45, 2), rng.uniform(1, 20, 2)])
            crop, resize_factor = crop_target(image, bbox, 2, 32)
            np.testing.assert_array_equal(crop, slow_crop(image, bbox, 2, 32))
            assert resize_factor == 32 / target_window(bbox, 2)[2]

    @pytest.mark.parametrize('x, last_is_black', [(11, False), (12, True), (13, True)])
    def test_blanked_edge(self, x, last_is_black):
        """A window that reaches x2 >= W loses the last column of the image."""
        white = np.full((40, 20, 3), 255, np.uint8)
        crop, _ = crop_target(white, np.array([x, 16, 8, 8]), 1, 8)
        column = 19 - x  # of the crop, where the image's last column would be
        assert (crop[:, : min(column, 8)] == 255).all()
        assert (crop[:, column : column + 1] == 0).all()
        assert last_is_black == (column < 8)

    def test_outside_is_black(self):
        white = np.full((20, 20, 3), 255, np.uint8)
        crop, _ = crop_target(white, np.array([100, 100, 5, 5]), 2, 16)
        assert not crop.any()

    def test_shade_leaves_the_box(self):
        """A crop of twice a target's size, and a target half as wide as it is high."""
        white = np.full((100, 100, 3), 255, np.uint8)
        bbox = np.array([40.0, 30.0, 20.0, 40.0])
        shaded, resize_factor = crop_target(white, bbox, 2, 114, shade=True)
        assert resize_factor == 2
        rows, columns = np.nonzero(shaded[..., 0] == 255)
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (40, 80)
        assert (columns.min(), rows.min()) == (36, 16)  # of a window from (22, 22)
        assert set(np.unique(shaded)) == {127, 255}


class TestFullFrame:
    @pytest.mark.parametrize('height, width', [(60, 100), (100, 60), (100, 100)])
    def test_padding(self, rng, height, width):
        image = random_image(rng, height, width) // 2 + 100
        square, content_wh = crop_full_frame(image, 50)
        np.testing.assert_array_equal(content_wh, [width / 2, height / 2])
        w, h = content_wh.astype(int)
        assert square.shape == (50, 50, 3) and (square[:h, :w] > 0).all()
        assert not square[h:].any() and not square[:, w:].any()

    def test_no_resize_keeps_pixels(self, rng):
        image = random_image(rng, 30, 50)
        square, _ = crop_full_frame(image, 50)
        np.testing.assert_array_equal(square[:30], image)


class TestRoundTrips:
    def test_boxes(self, rng):
        """From the image into a crop and back, but for the half pixel of the two centres.

        Boxes enter a crop around the centre of its pixels' centres, (size - 1) / 2;
        predictions leave it around size / 2.
        """
        for _ in range(50):
            around = np.concatenate([rng.uniform(0, 200, 2), rng.uniform(20, 60, 2)])
            bbox = around + rng.uniform(-5, 5, 4)
            resize_factor = 256 / target_window(around, 4)[2]
            x, y, w, h = boxes_to_crop(bbox, around, resize_factor, 256)
            back = box_from_crop([x + w / 2, y + h / 2, w, h], around, resize_factor, 256)
            expected = bbox - np.array([0.5, 0.5, 0, 0]) / resize_factor
            np.testing.assert_allclose(back, expected, atol=1e-9)

    def test_pixels(self, rng):
        """A bright box is found in the crop where it is said to be, and leads back."""
        for _ in range(20):
            bbox = np.concatenate([rng.integers(40, 100, 2), rng.integers(20, 40, 2)])
            x, y, w, h = bbox
            image = np.zeros((200, 220, 3), np.uint8)
            image[y : y + h, x : x + w] = 255
            around = bbox + np.concatenate([rng.integers(-8, 8, 2), [0, 0]])
            crop, resize_factor = crop_target(image, around, 4, 256)
            rows, columns = np.nonzero(crop[..., 0] > 127)
            x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            found = np.array([x1 + x2, y1 + y2, 2 * (x2 - x1), 2 * (y2 - y1)]) / 512
            back = box_from_crop(found, around, resize_factor, 256)
            # A window starts at a whole pixel, and the crop's pixels are discrete.
            np.testing.assert_allclose(back, bbox, atol=0.5 + 1 / resize_factor)
            told = boxes_to_crop(bbox, around, resize_factor, 256) * 256
            np.testing.assert_allclose(
                [x1, y1, x2 - x1, y2 - y1], told, atol=1 + resize_factor
            )


class TestBoxesToCrop:
    def test_box_itself_is_centred(self):
        bbox = np.array([10.0, 20, 16, 4])
        x, y, w, h = boxes_to_crop(bbox, bbox, 3.0, 64) * 64
        assert (w, h) == (48, 12) and x + w / 2 == y + h / 2 == 31.5

    def test_clipped_at_start(self):
        """A box that starts left of the crop is cut there, one too wide is clamped."""
        around = np.array([50.0, 50, 10, 10])
        left = boxes_to_crop(np.array([30.0, 50, 20, 10]), around, 1.0, 20) * 20
        np.testing.assert_allclose(left, [0, 4.5, 4.5, 10])
        wide = boxes_to_crop(np.array([52.0, 50, 60, 10]), around, 1.0, 20) * 20
        np.testing.assert_allclose(wide, [6.5, 4.5, 20, 10])


class TestBatchedCrop:
    """The same crops for a batch, as every device cuts it."""

    @staticmethod
    def compare(images, bboxes_xywh, factor, size):
        """Crops of both resizes, plain and shaded, against one by one."""
        height = max(image.shape[0] for image in images)
        width = max(image.shape[1] for image in images)
        # What lies in the padding must not matter.
        batch = np.full((len(images), height, width, 3), 77, np.uint8)
        for row, image in zip(batch, images, strict=True):
            row[: image.shape[0], : image.shape[1]] = image
        arguments = (
            torch.from_numpy(batch).permute(0, 3, 1, 2),
            torch.tensor([image.shape[1::-1] for image in images]),
            torch.tensor(np.array(bboxes_xywh)),
            factor,
            size,
        )
        for shade in (False, True):
            singles = np.stack(
                [
                    crop_target(image, bbox, factor, size, shade)[0]
                    for image, bbox in zip(images, bboxes_xywh, strict=True)
                ]
            )
            batched = {
                'on the CPU': crop_targets(*arguments, shade=shade),
                'on a device': _crop_on_device(*arguments, 'opencv', shade),
                'float': crop_targets(*arguments, 'float', shade),
            }
            for name, crops in batched.items():
                assert crops.dtype == torch.uint8
                crops = crops.permute(0, 2, 3, 1).numpy().astype(int)
                difference = np.abs(crops - singles).max()
                assert difference <= (1 if name == 'float' else 0), (name, shade)

    def test_random_windows(self, rng):
        """Inside, across the edges of and outside images of different sizes."""
        images = [random_image(rng, *rng.integers(20, 90, 2)) for _ in range(60)]
        xy, wh = rng.uniform(-60, 120, (60, 2)), np.exp(rng.uniform(0, 4.5, (60, 2)))
        bboxes = np.concatenate([xy, wh], axis=1)
        self.compare(images, bboxes, 2.0, 48)

    @pytest.mark.parametrize('size', [31, 64])
    def test_every_side(self, rng, size):
        """Each side of a window from 1 pixel to over twice the crop's."""
        image = random_image(rng, 200, 200)
        sides = np.arange(1, 2 * size + 12)
        bboxes = np.stack([100 - sides / 2, 100 - sides / 2, sides, sides], axis=1)
        self.compare([image] * len(sides), bboxes, 1.0, size)

    def test_exactly_twice(self, rng):
        """There OpenCV averages 2x2 pixels, with another rounding."""
        image = random_image(rng, 128, 128)
        bboxes = np.array([[0.0, 0, 128, 128], [-9, 5, 128, 128], [-1, -1, 128, 128]])
        self.compare([image] * 3, bboxes, 1.0, 64)

    def test_one_pixel(self, rng):
        image = random_image(rng, 20, 20)
        bboxes = np.array([[7.0, 9, 1, 1], [0, 0, 1, 1], [19, 19, 1, 1], [-3, 4, 1, 1]])
        self.compare([image] * 4, bboxes, 1.0, 16)

    def test_touching_the_edge(self, rng):
        """Windows that end at, one pixel before and one behind the image's edge."""
        image = random_image(rng, 40, 60)
        bboxes = np.array(
            [
                [60.0 - 16 + i, 40.0 - 16 + j, 16, 16]
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ]
        )
        self.compare([image] * 9, bboxes, 1.0, 16)

    def test_boxes_on_the_cpu(self):
        """Positions are computed there: not every device has float64."""
        crops = crop_targets(
            torch.zeros(2, 3, 40, 60, dtype=torch.uint8, device='meta'),
            torch.tensor([[60, 40]] * 2),
            torch.tensor([[5.0, 5, 20, 10]] * 2, dtype=torch.float64),
            2,
            16,
        )
        assert crops.device.type == 'meta' and crops.shape == (2, 3, 16, 16)
        assert crops.dtype == torch.uint8

    def test_unknown_resize(self):
        with pytest.raises(ValueError, match="'nearest'"):
            crop_targets(
                torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
                torch.tensor([[8, 8]]),
                torch.ones(1, 4),
                2,
                8,
                'nearest',
            )


@pytest.mark.parametrize(
    ('bbox_xywh', 'factor'),
    [((100, 50, 1500, 1100), 4), ((-300, -200, 2000, 1500), 3.3), ((60, 40, 90, 90), 5)],
)
def test_a_huge_window_is_cut_from_the_pixels_it_needs(monkeypatch, bbox_xywh, factor):
    """With the same result to the bit."""
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    expected, scale = crop_target(image, np.array(bbox_xywh), factor, 64)
    monkeypatch.setattr(crop, '_MAX_WINDOW', 1)
    cut, same_scale = crop_target(image, np.array(bbox_xywh), factor, 64)
    np.testing.assert_array_equal(cut, expected)
    assert scale == same_scale and cut.any()


def test_a_huge_box_takes_little_memory():
    tracemalloc.start()
    image = np.ones((72, 128, 3), np.uint8)
    cut, scale = crop_target(image, np.array([0, 0, 2e4, 2e4]), 4, 256)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert cut.shape == (256, 256, 3) and scale == 256 / 80000
