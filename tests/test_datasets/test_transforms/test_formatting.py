"""Packing a clip for the model."""

import numpy as np
import pytest
import torch

from sstrack_mm.datasets.transforms import PackClip
from sstrack_mm.datasets.transforms.formatting import to_tensor, to_xyxy


def make_clip(synthetic, num_search=2):
    rng = np.random.default_rng(0)

    def images(number, height, width):
        return rng.integers(0, 256, (number, height, width, 3), dtype=np.uint8)

    clip = dict(
        videos=[dict(video='name'), dict(video='donor')],
        synthetic=synthetic,
        frame_ids=[0, 3, 7][: 1 + num_search],
        frames=list(images(1 + num_search, 30, 50)),
        bboxes_xywh=np.array([[5.0, 5, 10, 10], [10, 5, 20, 15], [0, 0, 5, 10]])[
            : 1 + num_search
        ],
        roles=dict(template=[0], search=list(range(1, 1 + num_search)), view=[0, 0]),
        template=images(1, 8, 8),
        view=images(2, 16, 16),
        view_bboxes_xywh_norm=np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.2, 0.1]]),
    )
    if num_search:
        clip['search'] = images(num_search, 16, 16)
    return clip


@pytest.mark.parametrize('synthetic', [False, True])
def test_pack(synthetic):
    clip = make_clip(synthetic)
    packed = PackClip()(clip)
    inputs, sample = packed['inputs'], packed['data_samples']
    assert {key: tuple(value.shape) for key, value in inputs.items()} == dict(
        template=(1, 3, 8, 8),
        grounding=(2, 3, 16, 16),
        search=(2, 3, 16, 16),
        frames=(2, 3, 30, 50),
    )
    assert all(value.dtype == torch.uint8 for value in inputs.values())
    np.testing.assert_array_equal(inputs['frames'][1].permute(1, 2, 0), clip['frames'][2])
    torch.testing.assert_close(
        sample.gt_instances.bboxes,
        torch.tensor([[0.1, 0.2, 0.4, 0.6], [0.5, 0.5, 0.7, 0.6]]),
    )
    assert sample.metainfo == dict(video='name', frame_ids=[0, 3, 7], synthetic=synthetic)
    if synthetic:  # by the side of the letterboxed square
        torch.testing.assert_close(
            sample.search_instances.bboxes,
            torch.tensor([[0.2, 0.1, 0.6, 0.4], [0.0, 0.0, 0.1, 0.2]]),
        )
    else:
        assert 'search_instances' not in sample


def test_without_search_frames():
    packed = PackClip()(make_clip(False, num_search=0))
    assert set(packed['inputs']) == {'template', 'grounding'}


def test_flipped_frames_are_copied():
    """torch does not take an array with a negative stride."""
    images = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)[:, :, ::-1]
    tensor = to_tensor(images)
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(tensor.permute(0, 2, 3, 1), images)


def test_to_xyxy():
    assert to_xyxy(np.array([[1.0, 2, 3, 4]])).tolist() == [[1, 2, 4, 6]]
