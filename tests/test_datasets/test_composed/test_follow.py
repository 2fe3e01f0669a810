"""What optical flow can follow, against boxes that are known."""

import numpy as np

from sstrack_mm.datasets.composed import follow


def test_a_moving_square_is_found_and_followed(moving_texture):
    frames, bboxes_xywh = moving_texture(10)
    paths = follow.follow_regions(frames, 0, 10, 4, np.random.default_rng(0))
    assert paths and all(len(path) >= 4 for path in paths)

    def overlaps(path):
        return [
            follow._overlap(box, true)
            for box, true in zip(path, bboxes_xywh, strict=False)
        ]

    best = max(paths, key=lambda path: overlaps(path)[0])
    assert min(overlaps(best)) > 0.4
    moved = best[-1][:2] - best[0][:2]
    np.testing.assert_allclose(moved / (len(best) - 1), (2, 1), atol=0.5)


def test_noise_cannot_be_followed():
    frames = np.random.default_rng(0).integers(0, 256, (8, 80, 96, 3), dtype=np.uint8)
    assert follow.follow_regions(frames, 0, 8, 4, np.random.default_rng(0)) == []


def test_too_short_a_rest(moving_texture):
    frames, _ = moving_texture(10)
    assert follow.follow_regions(frames, 8, 8, 4, np.random.default_rng(0)) == []


def test_overlap():
    box = np.array([0.0, 0, 4, 4])
    assert follow._overlap(box, box) == 1
    assert follow._overlap(box, box + (2, 0, 0, 0)) == 8 / 24
    assert follow._overlap(box, box + (5, 0, 0, 0)) == 0
