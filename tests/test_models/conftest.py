"""Clips for the network of ``build_tracker``."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmtrack.structures import TrackDataSample


@pytest.fixture
def make_clips():
    """Makes clips as ``PackClip`` does: two search frames, two grounding views."""

    def make(sizes=((50, 70), (60, 40)), synthetic=(False, False), seed=0):
        rng = np.random.default_rng(seed)

        def images(number, height, width):
            return torch.from_numpy(
                rng.integers(0, 256, (number, 3, height, width), dtype=np.uint8)
            )

        inputs = dict(template=[], grounding=[], search=[], frames=[])
        data_samples = []
        for (height, width), synthesised in zip(sizes, synthetic, strict=True):
            inputs['template'].append(images(1, 32, 32))
            inputs['grounding'].append(images(2, 64, 64))
            inputs['search'].append(images(2, 64, 64))
            inputs['frames'].append(images(2, height, width))
            sample = TrackDataSample(metainfo=dict(video='v', frame_ids=[0, 1, 2]))
            sample.gt_instances = InstanceData(bboxes=random_bboxes(rng))
            if synthesised:
                sample.search_instances = InstanceData(bboxes=random_bboxes(rng))
            data_samples.append(sample)
        return dict(inputs=inputs, data_samples=data_samples)

    return make


def random_bboxes(rng):
    """Two xyxy norm boxes well inside an image."""
    xy = rng.uniform(0.1, 0.5, (2, 2))
    return torch.tensor(
        np.concatenate([xy, xy + rng.uniform(0.2, 0.4, (2, 2))], axis=1),
        dtype=torch.float32,
    )
