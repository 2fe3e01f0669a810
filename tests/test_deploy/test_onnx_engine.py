"""Tracking under ONNX Runtime equals tracking under PyTorch."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import cv2
import numpy as np
import onnx
import pytest

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.deploy.onnx_engine import METADATA_KEY, OnnxTracker
from sstrack_mm.errors import DataError

# Measured: 2e-4 px and 3e-7. The trajectory multiplies every rounding, but a crop moves
# only where a window's side or place is within such a rounding of the next pixel.
PIXELS, SCORE = 0.01, 1e-5


@pytest.fixture(scope='module')
def video(parity_dir):
    """The RGB frames, and the reference's (N, 4) xywh boxes."""
    with np.load(parity_dir / 'track.npz') as file:
        names = sorted(key for key in file if key.startswith('track/frame_'))
        frames = [cv2.imdecode(file[name], cv2.IMREAD_COLOR) for name in names]
        frames = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]
        return frames, file['track/init_bbox_xywh'], file['track/boxes_xywh']


@pytest.fixture
def tracker(tiny_onnx):
    return OnnxTracker(tiny_onnx, num_threads=1)


@pytest.fixture
def with_settings(tiny_onnx, tmp_path):
    """Writes the same network with other numbers in its metadata."""

    def write(settings):
        model = onnx.load(tiny_onnx)
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(settings)})
        onnx.save(model, tmp_path / 'other.onnx')
        return tmp_path / 'other.onnx'

    return write


def assert_equal(actual, expected):
    np.testing.assert_allclose(
        actual.bboxes_xywh, expected.bboxes_xywh, rtol=0, atol=PIXELS
    )
    np.testing.assert_allclose(actual.scores, expected.scores, rtol=0, atol=SCORE)


class TestParity:
    def test_reference(self, tracker, tiny_model, video):
        """From one template to all of them."""
        frames, init_xywh, expected_xywh = video
        result = track_video(tracker, frames, init_xywh)
        np.testing.assert_allclose(result.bboxes_xywh, expected_xywh, rtol=0, atol=0.1)
        assert_equal(result, track_video(tiny_model, frames, init_xywh))

    @pytest.mark.parametrize(
        'changes',
        [
            dict(memory_size=1, search_factor=5.0),
            dict(memory_size=2, memory_budget=5, size_lr=0.5, template_factor=1.5),
            dict(shade_context=True),
        ],
    )
    def test_settings(self, tiny_model, video, with_settings, monkeypatch, changes):
        frames, init_xywh, expected_xywh = video
        frames = frames[:16]
        settings = replace(tiny_model.settings, **changes)
        monkeypatch.setattr(tiny_model, 'settings', settings)
        tracker = OnnxTracker(with_settings(asdict(settings)), num_threads=1)
        result = track_video(tracker, frames, init_xywh)
        assert_equal(result, track_video(tiny_model, frames, init_xywh))
        assert np.abs(result.bboxes_xywh - expected_xywh[:16]).max() > 1

    def test_two_targets_at_once(self, tracker, video):
        """The state of one is no part of the other's."""
        frames, init_xywh, expected_xywh = video
        first = tracker.init_state(frames[0], expected_xywh[0])
        other = tracker.init_state(frames[0], np.array([20.0, 10, 40, 30]))
        for image, box_xywh in zip(frames[1:8], expected_xywh[1:8], strict=True):
            other, first = tracker.track_batch([image] * 2, [other, first])
            np.testing.assert_allclose(first.bbox_xywh, box_xywh, rtol=0, atol=0.1)


class TestInitModel:
    def test_settings(self, root, tiny_onnx):
        """The configuration's, where there is one, else the one that was exported."""
        assert init_model(None, str(tiny_onnx), 'cpu').settings.memory_size == 3
        tracker = init_model(
            root / 'configs' / 'sstrack_b256.py',
            str(tiny_onnx),
            'cpu',
            cfg_options={'model.test_cfg.memory_size': 2},
        )
        assert isinstance(tracker, OnnxTracker)
        assert tracker.settings.memory_size == 2
        assert tracker.settings.size_lr == 1.0  # not in the file: as exported

    def test_without_onnx_runtime(self, tiny_onnx, monkeypatch):
        monkeypatch.setitem(sys.modules, 'sstrack_mm.deploy.onnx_engine', None)
        with pytest.raises(DataError, match=r'pip install -r requirements/optional\.txt'):
            init_model(None, str(tiny_onnx), 'cpu')

    @pytest.mark.parametrize('key, value', [('dtype', 'bfloat16'), ('compile', True)])
    def test_keys_of_pytorch(self, root, tiny_onnx, key, value):
        message = rf'model\.test_cfg\.{key}={value} is for PyTorch'
        with pytest.raises(DataError, match=message):
            init_model(
                root / 'configs' / 'sstrack_b256.py',
                str(tiny_onnx),
                'cpu',
                cfg_options={f'model.test_cfg.{key}': value},
            )


def test_needs_no_torch(tiny_onnx):
    """Nor anything else of what training needs."""
    code = (
        'import sys; sys.modules.update(dict.fromkeys('
        "['torch', 'timm', 'mmengine', 'mmcv', 'mmdet', 'mmtrack', 'onnx']));"
        'import numpy as np;'
        'from sstrack_mm.deploy.onnx_engine import OnnxTracker;'
        f'tracker = OnnxTracker({str(tiny_onnx)!r}, num_threads=1);'
        'image = np.zeros((48, 64, 3), np.uint8);'
        'state = tracker.init_state(image, np.array([5.0, 5, 20, 20]));'
        'assert 0 < tracker.track_step(image, state).score < 1'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


class TestBadInput:
    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match=r'none\.onnx: no such file'):
            OnnxTracker(tmp_path / 'none.onnx')

    @pytest.mark.parametrize('content', [b'', b'no model' * 10])
    def test_no_model(self, tmp_path, content):
        (tmp_path / 'text.onnx').write_bytes(content)
        with pytest.raises(DataError, match=r'text\.onnx: cannot be read as an ONNX'):
            OnnxTracker(tmp_path / 'text.onnx')

    def test_cut_short(self, tiny_onnx, tmp_path):
        (tmp_path / 'half.onnx').write_bytes(tiny_onnx.read_bytes()[: 10**6])
        with pytest.raises(DataError, match=r'half\.onnx: cannot be read as an ONNX'):
            OnnxTracker(tmp_path / 'half.onnx')

    def test_no_tracker(self, tmp_path):
        value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
        other = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
        node = onnx.helper.make_node('Identity', ['x'], ['y'])
        graph = onnx.helper.make_graph([node], 'identity', [value], [other])
        model = onnx.helper.make_model(
            graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid('', 18)]
        )
        onnx.save(model, tmp_path / 'other.onnx')
        with pytest.raises(DataError, match=r'other\.onnx: .* but no tracker'):
            OnnxTracker(tmp_path / 'other.onnx')

    @pytest.mark.parametrize(
        'changes, message',
        [
            (dict(size_lr=5), r'size_lr must be in \[0, 1\], but got 5'),
            (dict(size_rl=0.5), "no key 'size_rl'; did you mean 'size_lr'"),
        ],
    )
    def test_settings(self, tiny_model, with_settings, changes, message):
        """In the file they are checked as in a configuration."""
        path = with_settings(asdict(tiny_model.settings) | changes)
        with pytest.raises(DataError, match=rf'other\.onnx: .*{message}'):
            OnnxTracker(path)

    @pytest.mark.parametrize(
        'options, message',
        [
            ({'model.test_cfg.size_lr': 5}, r'size_lr must be in \[0, 1\], but got 5'),
            ({'model.test_cfg.serch_factor': 5}, "did you mean 'search_factor'"),
        ],
    )
    def test_settings_of_the_configuration(self, root, tiny_onnx, options, message):
        config = root / 'configs' / 'sstrack_b256.py'
        with pytest.raises(DataError, match=message):
            init_model(config, str(tiny_onnx), 'cpu', cfg_options=options)

    @pytest.mark.parametrize(
        'bbox_xywh', [(100, 10, 5, 5), (-9, 5, 9, 5), (5, 5, 0, 5), (5, 5, np.nan, 5)]
    )
    def test_first_box(self, tracker, bbox_xywh):
        image = np.zeros((48, 64, 3), np.uint8)
        with pytest.raises(DataError, match='has no area inside the 64x48 image'):
            tracker.init_state(image, np.array(bbox_xywh))

    def test_frame(self, tracker):
        image = np.zeros((48, 64, 3), np.uint8)
        with pytest.raises(ValueError, match=r'got shape \(48, 64, 3\) of float64'):
            tracker.init_state(image.astype(float), np.array([5.0, 5, 9, 9]))
        state = tracker.init_state(image, np.array([5.0, 5, 9, 9]))
        with pytest.raises(ValueError, match=r'got shape \(48, 64\) of uint8'):
            tracker.track_step(image[..., 0], state)
