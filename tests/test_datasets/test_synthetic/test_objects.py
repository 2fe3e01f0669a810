"""Objects have their size, and moving parts."""

import numpy as np

from sstrack_mm.datasets.synthetic.objects import random_actor
from sstrack_mm.datasets.synthetic.video import bbox_of_mask


def test_objects_have_about_the_size_that_was_asked_for():
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(60):
        actor = random_actor(rng, 60.0, 0.0)
        assert {part.sprite.dtype for part in actor.parts} == {np.dtype('float32')}
        patch, _ = actor.render(np.eye(2, 3), 0)
        bbox = bbox_of_mask(patch[..., 3] > 127)
        ratios.append(np.sqrt(bbox[2] * bbox[3]) / 60)
    assert 0.8 < np.median(ratios) <= 1.05
    assert min(ratios) > 0.4 and max(ratios) < 1.5


def test_moving_parts_change_the_shape():
    rng = np.random.default_rng(0)
    actors = [random_actor(rng, 60.0, 0.0) for _ in range(20)]
    shapes = [
        [actor.render(np.eye(2, 3), t)[0].shape for t in (0, 5)] for actor in actors
    ]
    assert sum(first != second for first, second in shapes) >= 5
