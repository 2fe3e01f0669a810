"""The tracker meets ``track.npz`` to 0.1 px through mmtrack's own API."""

import cv2
import numpy as np
import pytest
from mmtrack.apis import inference_sot, init_model

from sstrack_mm.apis import track_video


@pytest.fixture(scope='module')
def video(parity_dir):
    """The BGR frames, and the reference tracker's (N, 4) xywh boxes."""
    with np.load(parity_dir / 'track.npz') as file:
        names = sorted(key for key in file if key.startswith('track/frame_'))
        frames = [cv2.imdecode(file[name], cv2.IMREAD_COLOR) for name in names]
        return frames, file['track/init_bbox_xywh'], file['track/boxes_xywh']


@pytest.fixture
def model(root, official_tiny, tiny_options):
    return init_model(
        str(root / 'configs' / 'sstrack_b256.py'),
        str(official_tiny),
        'cpu',
        cfg_options=tiny_options,
    )


def to_xyxy(bboxes_xywh):
    return np.concatenate(
        [bboxes_xywh[..., :2], bboxes_xywh[..., :2] + bboxes_xywh[..., 2:]], axis=-1
    )


def to_rgb(frames):
    return [frame[..., ::-1] for frame in frames]


def test_inference_sot(model, video):
    frames, init_xywh, expected_xywh = video
    assert len(frames) == len(expected_xywh) > 1
    bboxes, scores = [], []
    for frame_id, frame in enumerate(frames):
        result = inference_sot(model, frame, to_xyxy(init_xywh), frame_id=frame_id)
        instances = result.pred_track_instances
        assert instances.bboxes.shape == (1, 4) and instances.scores.shape == (1,)
        bboxes.append(instances.bboxes[0].numpy())
        scores.append(float(instances.scores[0]))
    np.testing.assert_allclose(bboxes, to_xyxy(expected_xywh), rtol=0, atol=0.1)
    assert scores[0] == 1
    assert all(0 < score < 1 for score in scores[1:]) and len(set(scores)) > 2


def test_track_video(model, video):
    frames, init_xywh, expected_xywh = video
    result = track_video(model, to_rgb(frames), init_xywh)
    np.testing.assert_allclose(result.bboxes_xywh, expected_xywh, rtol=0, atol=0.1)
    np.testing.assert_array_equal(result.bboxes_xywh[0], init_xywh)
