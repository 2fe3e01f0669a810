"""From a checkpoint to an ONNX file, and from there to a tracked video."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.deploy import export
from sstrack_mm.deploy.export import export_tracker
from sstrack_mm.deploy.onnx_engine import OnnxTracker
from sstrack_mm.errors import DataError


def read_rows(folder):
    """Frame, target, x, y, w, h of each line of the demo's boxes.jsonl."""
    lines = map(json.loads, (folder / 'boxes.jsonl').read_text().splitlines())
    return np.array(
        [[line['frame'], float(line['target']), *line['bbox_xywh']] for line in lines]
    )


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
    rows = read_rows(tmp_path / 'out')
    np.testing.assert_array_equal(rows[:, :2], [[0, 1], [1, 1], [2, 1], [3, 1]])
    np.testing.assert_allclose(rows[:, 2:6], expected.bboxes_xywh, rtol=0, atol=0.01)
    assert (tmp_path / 'out' / 'track.mp4').stat().st_size > 0


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


def test_demo_needs_a_config(track, official_tiny, capsys):
    with pytest.raises(SystemExit):
        track('video.mp4', '--checkpoint', official_tiny, '--box', 1, 2, 3, 4)
    assert '--config is needed' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        ([], 512),
        (['--cfg-options', 'model.test_cfg.memory_budget=64'], 64),
        (
            [
                *('--memory-budget', '32'),
                *('--cfg-options', 'model.test_cfg.memory_budget=64'),
            ],
            32,
        ),
    ],
)
def test_memory_budget(load_tool, monkeypatch, root, tmp_path, args, expected):
    """The option's, else the configuration's, else the demo's own."""
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    model = init_model(config, device='cpu')
    torch.save(model.state_dict(), tmp_path / 'model.pth')
    demo = load_tool('../demo/track_video.py')
    command = [
        *('track_video.py', 'video.mp4', '--config', config, '--device', 'cpu'),
        *('--checkpoint', tmp_path / 'model.pth', '--box', 1, 2, 3, 4, *args),
    ]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in command])
    model = demo.load_tracker(demo.parse_args())
    assert model.settings.memory_budget == expected


def test_several_targets(track, root, official_tiny, tiny_options, tmp_path):
    """The demo tracks each target as if it were alone."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)
    (tmp_path / 'images').mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), frame)
    config = Config.fromfile(root / 'configs' / 'sstrack_b256.py')
    config.merge_from_dict(tiny_options)
    config.dump(tmp_path / 'tiny.py')
    boxes = [(10, 12, 30, 24), (40, 20, 25, 25)]
    track(
        tmp_path / 'images',
        *('--config', tmp_path / 'tiny.py', '--checkpoint', official_tiny),
        *('--box', *boxes[0], '--box', *boxes[1], '--device', 'cpu'),
        *('--out', tmp_path / 'out'),
    )
    model = init_model(str(tmp_path / 'tiny.py'), str(official_tiny), 'cpu')
    rows = read_rows(tmp_path / 'out')
    assert rows[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    for target, bbox_xywh in enumerate(boxes, start=1):
        alone = track_video(model, frames[..., ::-1], bbox_xywh).bboxes_xywh
        found = rows[rows[:, 1] == target, 2:6]
        # The network differs by rounding, and noise enlarges that from frame to frame.
        np.testing.assert_allclose(found[:2], alone[:2], atol=0.01)
