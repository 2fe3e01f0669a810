"""tools/test.py: results on disk, metrics, resuming, and what goes wrong."""

import json
from pathlib import Path

import pytest

from sstrack_mm.datasets.synthetic import write_dataset

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'sstrack_tiny_synthetic.py'


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_dataset(root, num_videos=1, num_frames=4, seed=0, val_videos=1, test_videos=2)
    return root


@pytest.fixture
def run(run_tool):
    def run(*args, root='.', code=0):
        result = run_tool('test.py', *args, SSTRACK_DATA_ROOT=str(root))
        assert result.returncode == code, result.stderr[-2000:]
        return result

    return run


def test_tracks_evaluates_and_resumes(run, data_root, tmp_path):
    args = (CONFIG, '--eval', 'OPE', 'AO', '--out', tmp_path / 'out', '--seed', 3)
    first = run(*args, root=data_root)
    names = ['GOT-10k_Test_000001', 'GOT-10k_Test_000002']
    boxes = {name: (tmp_path / 'out' / f'{name}.txt').read_bytes() for name in names}
    assert all(len(text.splitlines()) == 4 for text in boxes.values())
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert metrics['OPE']['convention'] == 'pytracking'
    assert metrics['AO']['convention'] == 'got10k'
    assert 0 <= metrics['OPE']['metrics']['auc'] <= 100
    assert 'auc' in first.stdout and 'sr75' in first.stdout

    (tmp_path / 'out' / f'{names[1]}.txt').unlink()
    untouched = (tmp_path / 'out' / f'{names[0]}.txt').stat().st_mtime_ns
    run(*args, root=data_root)
    assert (tmp_path / 'out' / f'{names[0]}.txt').stat().st_mtime_ns == untouched
    assert {
        name: (tmp_path / 'out' / f'{name}.txt').read_bytes() for name in names
    } == boxes

    refused = run(CONFIG, '--out', tmp_path / 'out', '--seed', 4, root=data_root, code=1)
    assert 'seed' in refused.stderr and 'another run' in refused.stderr


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('nowhere.py',), 'no such configuration: nowhere.py'),
        ((CONFIG, 'nowhere.pth'), 'no such checkpoint: nowhere.pth'),
        ((CONFIG, '--eval', 'mAP'), "invalid choice: 'mAP'"),
        ((CONFIG, '--root', 'x'), '--root goes with --dataset'),
        ((CONFIG, '--workers', '0'), '--workers needs a positive number, got 0'),
    ],
)
def test_bad_arguments(run, args, message):
    assert message in run(*args, code=2).stderr


def test_missing_data_is_named(run, tmp_path):
    result = run(CONFIG, '--out', tmp_path / 'out', root=tmp_path / 'nothing', code=1)
    assert str(tmp_path / 'nothing') in result.stderr
    assert 'SSTRACK_DATA_ROOT' in result.stderr


def test_help_names_the_metrics(run):
    assert 'success AUC' in run('--help').stdout
