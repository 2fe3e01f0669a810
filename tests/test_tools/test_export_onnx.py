"""From a checkpoint to an ONNX file, and from there to a tracked video."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.deploy import export
from sstrack_mm.deploy.export import export_tracker
from sstrack_mm.deploy.onnx_engine import OnnxTracker
from sstrack_mm.errors import DataError
from sstrack_mm.structures.target_box import read_jsonl


@pytest.fixture
def track(load_tool, monkeypatch):
    """Runs the demo in this process."""

    def track(*args):
        monkeypatch.setattr(sys, 'argv', ['track_video.py', *map(str, args)])
        load_tool('../demo/track_video.py').main()

    return track


@pytest.fixture
def arguments(root, official_tiny, tiny_options, tmp_path):
    options = [f'{key}={value}' for key, value in tiny_options.items()]
    return [
        str(root / 'configs' / 'sstrack_b256.py'),
        str(official_tiny),
        str(tmp_path / 'new' / 'tiny.onnx'),
        '--cfg-options',
        *options,
        'model.test_cfg.memory_size=2',
    ]


def test_export_and_track(run_tool, track, arguments, tmp_path):
    result = run_tool('export_onnx.py', *arguments, '--opset', 20)
    assert result.returncode == 0, result.stderr
    assert 'found: differs from PyTorch by' in result.stdout
    tracker = OnnxTracker(arguments[2], num_threads=1)
    assert tracker.settings.memory_size == 2

    frames = np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)
    (tmp_path / 'images').mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), frame)
    track(
        tmp_path / 'images',
        *('--checkpoint', arguments[2], '--box', 10, 12, 30, 24, '--device', 'cpu'),
        *('--out', tmp_path / 'out'),
    )
    expected = track_video(tracker, frames[..., ::-1], [10, 12, 30, 24])
    boxes = [box.bbox_xywh for box in read_jsonl(tmp_path / 'out' / 'boxes.jsonl')]
    np.testing.assert_allclose(boxes, expected.bboxes_xywh, rtol=0, atol=0.01)


def test_evaluate(run_tool, root, synthetic_root, tmp_path):
    """tools/test.py takes the exported file in the weights' place: the same numbers."""
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    torch.manual_seed(0)
    model = init_model(config, device='cpu')
    torch.save(model.state_dict(), tmp_path / 'model.pth')
    export_tracker(model, tmp_path / 'model.onnx')
    metrics = []
    for name in ('model.pth', 'model.onnx'):
        result = run_tool(
            'test.py',
            *(config, tmp_path / name, '--out', tmp_path / f'{name}.out'),
            *('--dataset', 'got10k_val', '--root', synthetic_root / 'got10k'),
        )
        assert result.returncode == 0, result.stderr
        metrics.append(
            json.loads((tmp_path / f'{name}.out' / 'metrics.json').read_text())
        )
    for key, value in metrics[0]['OPE']['metrics'].items():
        assert metrics[1]['OPE']['metrics'][key] == pytest.approx(value, abs=0.01)


def test_other_numbers_are_an_error(load_tool, arguments, monkeypatch, tmp_path):
    tool = load_tool('export_onnx.py')
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *arguments])

    def write(model, path, opset, int8):
        assert not int8
        path.write_bytes(b'')

    monkeypatch.setattr(export, 'export_tracker', write)
    monkeypatch.setattr(
        export, 'difference_from_torch', lambda model, path: dict(found=0, next_query=0.1)
    )
    with pytest.raises(DataError, match=r'tiny\.onnx does not compute what the network'):
        tool.main()


@pytest.mark.parametrize('place', [0, 1])
def test_missing_file(load_tool, arguments, monkeypatch, capsys, place):
    arguments[place] = 'none.xyz'
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *arguments])
    with pytest.raises(SystemExit):
        load_tool('export_onnx.py').main()
    kind = ('configuration', 'checkpoint')[place]
    assert f'no such {kind}: none.xyz' in capsys.readouterr().err


def test_the_checkpoint_is_not_overwritten(load_tool, arguments, monkeypatch, capsys):
    arguments[2] = arguments[1]
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *arguments])
    with pytest.raises(SystemExit):
        load_tool('export_onnx.py').main()
    assert 'is what is read; write to another file' in capsys.readouterr().err


def test_full_disk(load_tool, arguments, monkeypatch):
    arguments[2] = '/dev/full'
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *arguments])
    with pytest.raises(DataError, match='/dev/full: the disk is full'):
        load_tool('export_onnx.py').main()


@pytest.mark.parametrize('opset', ['-1', '99'])
def test_no_such_opset(load_tool, arguments, monkeypatch, opset):
    """It wrote opset 18, or what no runtime reads."""
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *arguments, '--opset', opset])
    with pytest.raises(DataError, match=f'opset {opset}: the exporter can write 18'):
        load_tool('export_onnx.py').main()
