"""The command ``tools/analysis_tools/benchmark.py``."""

import json
import sys

import pytest
import torch

from sstrack_mm.errors import DataError

TOOL = 'analysis_tools/benchmark.py'


@pytest.fixture
def run(load_tool, monkeypatch):
    """Runs the command in this process."""
    tool = load_tool(TOOL)

    def run_here(*args):
        monkeypatch.setattr(sys, 'argv', ['benchmark.py', *map(str, args)])
        tool.main()

    return run_here


def test_baseline(run_tool, root, tmp_path):
    """Both sides, in processes of their own."""
    out = tmp_path / 'new' / 'track.json'
    result = run_tool(
        TOOL,
        root / 'configs' / 'sstrack_tiny_synthetic.py',
        'track',
        *('--baseline', '--device', 'cpu', '--frames', 2, '--repeats', 2),
        *('--frame-size', 96, 80, '--json', out),
        *('--cfg-options', 'model.backbone.depth=4'),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(out.read_text())
    assert report['ratio']['fps'] == report['ours']['fps'] / report['baseline']['fps']
    assert report['settings']['cfg_options'] == {'model.backbone.depth': 4}
    assert report['machine']['versions']['torch'] == torch.__version__
    assert 'MFU' in result.stdout and 'network (ms)' in result.stdout


def test_bad_input(run, root, capsys):
    config = root / 'configs' / 'sstrack_b256.py'
    with pytest.raises(SystemExit):
        run(root / 'configs' / 'missing.py', 'track')
    assert 'no such configuration' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(config, 'track', '--json', root)
    assert 'is a folder; name a file in it' in capsys.readouterr().err
    with pytest.raises(DataError, match="there is no baseline of 'data'"):
        run(config, 'data', '--baseline', '--device', 'cpu')
    with pytest.raises(DataError, match='nowhere'):
        run(config, 'track', '--device', 'nowhere')
    with pytest.raises(DataError, match='cuda:99'):
        run(config, 'track', '--device', 'cuda:99')
