"""Pasted targets: how they change, and that their boxes are exact."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.transforms import PasteTarget, synthesis
from sstrack_mm.datasets.transforms.synthesis import (
    PasteChange,
    change_patch,
    cross_kernel,
    cut_patch,
    occlude,
    paste,
    shear_patch,
)
from sstrack_mm.errors import DataError

DRAWS = 1500


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def patch(rng):
    """Bright noise: neither black nor a colour of the frames."""
    return rng.integers(100, 256, (24, 40, 3), dtype=np.uint8)


def draw(patch, rng, number=DRAWS, min_size=1, **change):
    change = PasteChange(**change)
    return [change_patch(patch, change, rng, min_size) for _ in range(number)]


class TestChange:
    def test_none(self, patch, rng):
        changed, mask = draw(patch, rng, 1)[0]
        np.testing.assert_array_equal(changed, patch)
        assert mask.all() and mask.shape == (24, 40)

    @pytest.mark.parametrize('scale', [0.1, 0.25])
    def test_scale(self, patch, rng, scale):
        """Each axis on its own, even in 1 +- scale."""
        sizes = np.array([mask.shape for _, mask in draw(patch, rng, scale=scale)])
        factors = sizes / patch.shape[:2]
        rounding = 0.5 / np.array(patch.shape[:2])
        assert (np.abs(factors - 1) <= scale + rounding).all()
        assert (factors.min(axis=0) <= 1 - scale + 2 * rounding).all()
        assert (factors.max(axis=0) >= 1 + scale - 2 * rounding).all()
        np.testing.assert_allclose(factors.std(axis=0), scale / 3**0.5, rtol=0.1)
        assert abs(np.corrcoef(factors.T)[0, 1]) < 0.1

    @pytest.mark.parametrize('prob', [0.0, 0.3, 1.0])
    def test_flip(self, patch, rng, prob):
        flipped = [
            np.array_equal(changed, patch[:, ::-1])
            for changed, _ in draw(patch, rng, flip_prob=prob)
        ]
        assert np.mean(flipped) == pytest.approx(prob, abs=0.04)

    @pytest.mark.parametrize('prob, largest', [(0.1, 0.2), (0.5, 0.2), (1.0, 0.1)])
    def test_shear(self, patch, rng, prob, largest):
        """Up to `largest` columns a row, to both sides."""
        shears = []
        for _, mask in draw(patch, rng, shear_prob=prob, shear=largest):
            columns = [np.flatnonzero(row).mean() for row in mask]
            shears.append((columns[-1] - columns[0]) / (len(columns) - 1))
        shears = np.array(shears)
        sheared = np.abs(shears) > 0.02  # one column in all is below what a mask shows
        told = prob * (1 - 0.02 / largest)
        assert sheared.mean() == pytest.approx(told, abs=0.05)
        assert np.abs(shears).max() <= largest + 0.03
        assert shears.max() > 0.8 * largest and shears.min() < -0.8 * largest

    def test_blur_or_occlusion(self, patch, rng):
        """Each as often as it is told, never both, else none."""
        kinds = []
        for changed, _ in draw(patch, rng, blur_prob=0.18, occlusion_prob=0.1):
            black = (changed == 0).all(axis=2).mean()
            if black > 0:
                assert 0.2 < black < 0.4
                kept = changed[(changed > 0).any(axis=2)]
                assert len(kept) and set(map(tuple, kept)) <= set(
                    map(tuple, patch.reshape(-1, 3))
                )
                kinds.append('occluded')
            else:
                kinds.append('same' if np.array_equal(changed, patch) else 'blurred')
        assert kinds.count('blurred') / DRAWS == pytest.approx(0.18, abs=0.03)
        assert kinds.count('occluded') / DRAWS == pytest.approx(0.1, abs=0.025)

    def test_blur_sizes(self, monkeypatch, patch, rng):
        sizes = []

        def record(size):
            sizes.append(size)
            return cross_kernel(size)

        monkeypatch.setattr(synthesis, 'cross_kernel', record)
        draw(patch, rng, 1000, blur_prob=1.0, blur_sizes=(5, 45))
        assert set(sizes) == set(range(5, 46))

    def test_least_size(self, rng):
        small = np.full((11, 12, 3), 200, np.uint8)
        sizes = [mask.shape for _, mask in draw(small, rng, 200, min_size=10, scale=0.25)]
        assert np.min(sizes) == 10

    @pytest.mark.parametrize(
        'arguments, message',
        [
            (dict(scale=1), r'scale must be in \[0, 1\), but got 1'),
            (dict(blur_prob=0.7, occlusion_prob=0.4), 'exceed 1, but got 0.7 and 0.4'),
        ],
    )
    def test_bad_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            PasteTarget(search_change=arguments)


class TestParts:
    @pytest.mark.parametrize('size', [5, 6, 45])
    def test_cross_kernel(self, size):
        """A vertical and a horizontal bar that average."""
        kernel = cross_kernel(size)
        assert kernel.sum() == pytest.approx(1)
        used = np.argwhere(kernel)
        assert len(used) == 2 * size - 1
        assert ((used == size // 2).any(axis=1)).all()

    @pytest.mark.parametrize('area', [0.25, 0.35])
    def test_occlude(self, rng, area):
        """One block of the patch's shape, somewhere inside."""
        white = np.full((60, 100, 3), 255, np.uint8)
        places = set()
        for _ in range(50):
            rows, columns = np.nonzero(occlude(white, area, rng)[..., 0] == 0)
            assert len(rows) / 6000 == pytest.approx(area, abs=0.01)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert height * width == len(rows)  # a full rectangle
            assert width / height == pytest.approx(100 / 60, rel=0.05)
            places.add((rows.min(), columns.min()))
        assert white.all() and len(places) > 40

    @pytest.mark.parametrize('shear', [-0.2, -0.05, 0.05, 0.2])
    def test_sheared_patch_touches_its_sides(self, patch, shear):
        changed, mask = shear_patch(patch, np.ones((24, 40), np.uint8), shear)
        assert changed.shape[:2] == mask.shape
        assert mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()
        assert (mask.sum(axis=1) >= 38).all()  # no row loses more than its ends

    def test_cut_patch(self, rng):
        image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        for bbox, expected in (
            ((10, 5, 20, 12), image[5:17, 10:30]),
            ((10.5, 5, 11.2, 12), image[5:17, 10:22]),
            ((-5, -9, 20, 30), image[:21, :15]),
            ((40, 20, 30, 40), image[20:, 40:]),
        ):
            patch = cut_patch(image, np.array(bbox), 1, 'a.png')
            np.testing.assert_array_equal(patch, expected)
        box = np.array([10, 5, 3, 12])
        assert cut_patch(image, box, 10, 'a.png').shape == (12, 10, 3)
        with pytest.raises(DataError, match=r'a\.png: its box .* lies outside the 50x40'):
            cut_patch(image, np.array([50, 5, 9, 9]), 10, 'a.png')

    def test_large_patch_is_shrunk_into_the_frame(self, rng):
        frame = np.zeros((30, 40, 3), np.uint8)
        patch = np.full((50, 20, 3), 200, np.uint8)
        pasted, (x, y, w, h) = paste(frame, patch, np.ones((50, 20), bool), rng)
        assert (w, h) == (12, 30) and y == 0 and x + w <= 40
        assert (pasted[y : y + h, x : x + w] > 0).all() and not frame.any()

    def test_places(self, rng):
        """Anywhere in the frame, all alike."""
        frame, patch = np.zeros((30, 40, 3), np.uint8), np.ones((10, 10, 3), np.uint8)
        corners = np.array(
            [
                paste(frame, patch, np.ones((10, 10), bool), rng)[1][:2]
                for _ in range(DRAWS)
            ]
        )
        assert corners.min(axis=0).tolist() == [0, 0]
        assert corners.max(axis=0).tolist() == [30, 20]
        np.testing.assert_allclose(corners.mean(axis=0), [15, 10], atol=0.7)


class TestPasteTarget:
    """The transform, with all the changes of the paper's configuration."""

    CHANGES = dict(
        template_change=dict(scale=0.1, shear_prob=0.1, shear=0.2),
        search_change=dict(
            scale=0.25,
            shear_prob=0.5,
            shear=0.2,
            blur_prob=0.18,
            blur_sizes=(5, 45),
            occlusion_prob=0.1,
            occlusion_area=(0.25, 0.35),
            flip_prob=0.3,
        ),
    )

    @pytest.fixture
    def make_clip(self, tmp_path, patch):
        donor = np.full((60, 70, 3), 255, np.uint8)
        donor[5:29, 8:48] = patch
        cv2.imwrite(str(tmp_path / 'donor.png'), donor[..., ::-1])

        def make(seed, synthetic=True):
            rng = np.random.default_rng(seed)
            # Values that no patch has: not bright, and black is not among them either.
            frames = [rng.integers(30, 60, (120, 160, 3), dtype=np.uint8)] * 3
            return dict(
                rng=rng,
                frames=frames,
                synthetic=synthetic,
                bboxes_xywh=np.array([[5, 5, 9, 9], [np.nan] * 4, [np.nan] * 4]),
                roles=dict(template=[0], search=[1, 2], view=[0, 0]),
                videos=[
                    dict(),
                    dict(
                        frame_paths=[str(tmp_path / 'donor.png')],
                        init_xywh=np.array([8.0, 5, 40, 24]),
                    ),
                ],
            )

        return make

    def test_boxes_bound_the_changed_pixels(self, make_clip):
        transform = PasteTarget(**self.CHANGES)
        for seed in range(60):
            before, clip = make_clip(seed)['frames'], transform(make_clip(seed))
            for old, new, bbox in zip(
                before, clip['frames'], clip['bboxes_xywh'], strict=True
            ):
                rows, columns = np.nonzero((old != new).any(axis=2))
                np.testing.assert_array_equal(
                    bbox,
                    [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1],
                )

    def test_input_is_left_alone(self, make_clip):
        clip = make_clip(0)
        frames = clip['frames'][0].copy()
        PasteTarget()(clip)
        np.testing.assert_array_equal(clip['frames'][0], frames)
        assert np.isnan(clip['bboxes_xywh'][1]).all()

    def test_search_frames_change_more(self, make_clip):
        """The labelled frame's target has its own, gentler changes."""
        transform = PasteTarget(search_change=dict(scale=0.25))
        widths = np.array(
            [transform(make_clip(seed))['bboxes_xywh'][:, 2] for seed in range(20)]
        )
        assert (widths[:, 0] == 40).all() and len(np.unique(widths[:, 1:])) > 5

    def test_real_clips_pass(self, make_clip):
        clip = make_clip(0, synthetic=False)
        assert PasteTarget(**self.CHANGES)(clip) is clip

    def test_patch_is_at_least_so_large(self, make_clip):
        clip = make_clip(0)
        clip['videos'][1]['init_xywh'] = np.array([20.0, 10, 4, 3])
        assert (PasteTarget(min_size=10)(clip)['bboxes_xywh'][:, 2:] == 10).all()

    def test_donor_without_a_box(self, make_clip):
        clip = make_clip(0)
        clip['videos'][1]['init_xywh'] = np.full(4, np.nan)
        with pytest.raises(DataError, match='no first box to cut.* ComposeTarget'):
            PasteTarget()(clip)
