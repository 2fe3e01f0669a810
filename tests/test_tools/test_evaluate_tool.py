"""The command ``tools/analysis_tools/evaluate.py``."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sstrack_mm.errors import DataError

SCRIPT = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'evaluate.py'
METRICS = {'auc', 'op50', 'op75', 'precision', 'norm_precision', 'ao', 'sr50', 'sr75'}


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('evaluate_tool', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, monkeypatch, tmp_path):
    """Run the command in this process, which has mmtrack loaded already."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def run_tool(*args):
        monkeypatch.setattr(sys, 'argv', ['evaluate.py', *map(str, args)])
        tool.main()

    return run_tool


@pytest.fixture
def data(tmp_path):
    """Three videos in the plain layout, and the results of two trackers."""
    rng = np.random.default_rng(0)
    for n, name in enumerate(('car', 'dog', 'cup')):
        num_frames = 6 + n
        folder = tmp_path / 'data' / name
        (folder / 'img').mkdir(parents=True)
        for i in range(num_frames):
            Image.new('RGB', (64, 48)).save(folder / 'img' / f'{i:04d}.jpg')
        truth = np.array([10, 10, 20, 20]) + rng.uniform(0, 8, (num_frames, 4))
        np.savetxt(folder / 'groundtruth_rect.txt', truth, '%.17g', ',')
        for tracker, error in (('good', 0.5), ('bad', 9)):
            out = tmp_path / tracker
            out.mkdir(exist_ok=True)
            boxes = truth + rng.uniform(-error, error, truth.shape)
            np.savetxt(out / f'{name}.txt', boxes, '%.17g', ',')
    return tmp_path


def folder_options(data):
    return '--dataset', 'folder', '--root', data / 'data'


def test_one_tracker(run, data, capsys):
    run(data / 'good', *folder_options(data), '--json', data / 'out.json')
    content = json.loads((data / 'out.json').read_text())
    assert content['convention'] == 'pytracking'
    assert set(content['metrics']) == METRICS
    assert set(content['sequences']) == {'car', 'dog', 'cup'}
    for metric, value in content['metrics'].items():
        values = [row[metric] for row in content['sequences'].values()]
        assert value == pytest.approx(np.mean(values))
    assert content['metrics']['precision'] == 100
    assert 70 < content['metrics']['auc'] < 100
    shown = capsys.readouterr().out
    assert f'{content["metrics"]["auc"]:.2f}' in shown
    assert 'pytracking' in shown


def test_several_trackers_and_conventions(run, data, capsys):
    run(
        data / 'good',
        data / 'bad',
        *folder_options(data),
        '--convention',
        'got10k',
        'pysot',
        '--bootstrap',
        '100',
        '--json',
        data / 'out.json',
    )
    reports = json.loads((data / 'out.json').read_text())['reports']
    assert [(report['tracker'], report['convention']) for report in reports] == [
        ('good', 'got10k'),
        ('good', 'pysot'),
        ('bad', 'got10k'),
        ('bad', 'pysot'),
    ]
    low, high = reports[1]['intervals']['auc']
    assert low <= reports[1]['metrics']['auc'] <= high
    assert 'difference_to_first' not in reports[1]
    gain = reports[3]['difference_to_first']['auc']
    assert gain['mean'] == pytest.approx(
        reports[3]['metrics']['auc'] - reports[1]['metrics']['auc']
    )
    assert gain['low'] <= gain['mean'] <= gain['high'] < 0
    shown = capsys.readouterr().out
    assert 'bad - good' in shown
    assert f'{gain["mean"]:+.1f} ({gain["low"]:+.1f}' in shown


def test_a_missing_sequence(run, data, capsys):
    (data / 'good' / 'dog.txt').unlink()
    with pytest.raises(DataError, match='1 of 3 .*dog.*--missing skip'):
        run(data / 'good', *folder_options(data))
    run(
        data / 'good',
        *folder_options(data),
        '--missing',
        'skip',
        '--json',
        data / 'out.json',
    )
    assert 'good has no results for dog' in capsys.readouterr().out
    assert json.loads((data / 'out.json').read_text())['missing'] == ['dog']


def test_too_few_frames(run, data):
    path = data / 'good' / 'cup.txt'
    path.write_text(''.join(path.read_text().splitlines(keepends=True)[:5]))
    with pytest.raises(DataError, match=r'cup: .*\(5, 4\) for 8 frames'):
        run(data / 'good', *folder_options(data))


def test_results_without_a_number(run, data):
    path = data / 'good' / 'cup.txt'
    path.write_text(path.read_text() + 'nan,1,2,3\n')
    with pytest.raises(DataError, match='cup.txt, line 9: not a finite box'):
        run(data / 'good', *folder_options(data))


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['none', '--dataset', 'folder', '--root', 'data'], 'none: no such folder'),
        (['good', '--dataset', 'folder', '--root', 'nowhere'], 'nowhere'),
        (['good', '--dataset', 'lasott', '--root', 'data'], 'lasott'),
        (
            ['good', '--dataset', 'folder', '--root', 'data', '--convention', 'vot2018'],
            'no trajectories',
        ),
    ],
)
def test_what_is_not_there(run, data, monkeypatch, args, message):
    monkeypatch.chdir(data)
    with pytest.raises(DataError, match=f'{message}'):
        run(*args)


@pytest.mark.parametrize(
    'args',
    [
        [],
        ['good'],
        ['good', '--dataset', 'folder', '--convention', 'otb'],
        ['good', '--dataset', 'folder', '--bootstrap', '-3'],
    ],
)
def test_wrong_usage(run, args, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2
    assert 'usage: ' in capsys.readouterr().err


def test_vot2018(run, data):
    """One run without a failure, in the folders of VOT and PySOT."""
    truth = '10.0,10.0,20.0,10.0\n'
    name = data / 'vot' / 'car'
    (name / 'color').mkdir(parents=True)
    for i in range(120):
        Image.new('RGB', (64, 48)).save(name / 'color' / f'{i + 1:08d}.jpg')
    (name / 'groundtruth.txt').write_text(truth * 120)
    results = data / 'tracker' / 'baseline' / 'car'
    results.mkdir(parents=True)
    (results / 'car_001.txt').write_text('1\n' + truth * 119)
    run(
        data / 'tracker',
        '--dataset',
        'folder',
        '--root',
        data / 'vot',
        '--convention',
        'vot2018',
        '--json',
        data / 'out.json',
    )
    content = json.loads((data / 'out.json').read_text())
    assert content['convention'] == 'vot2018'
    assert content['metrics'] == pytest.approx(
        dict(accuracy=1, robustness=0, eao=1, failures=0)
    )


def test_help_is_quick_and_complete():
    """In a process of its own, as a person runs it."""
    process = subprocess.run(
        [sys.executable, str(SCRIPT), '--help'],
        check=True,
        capture_output=True,
        text=True,
    )
    for option in ('--dataset', '--root', '--convention', '--json', '--bootstrap'):
        assert option in process.stdout
