"""tools/test.py: results on disk, metrics, resuming, and what goes wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sstrack_mm import disk
from sstrack_mm.datasets.synthetic import write_dataset
from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError

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


def test_workers_load_a_trained_checkpoint(run, data_root, trained, tmp_path):
    """The processes that are started read what training wrote."""
    args = (CONFIG, trained, '--out', tmp_path / 'out', '--workers', 2)
    assert 'auc' in run(*args, root=data_root).stdout
    assert len(list((tmp_path / 'out').glob('*.txt'))) == 2


def test_weights_that_do_not_fit(run, data_root, parity_dir, tmp_path):
    args = (CONFIG, parity_dir / 'official_tiny.pth', '--out', tmp_path / 'out')
    result = run(*args, root=data_root, code=1)
    assert 'does not fit the model' in result.stderr
    assert not list((tmp_path / 'out').glob('*.txt'))


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('nowhere.py',), 'no such configuration: nowhere.py'),
        ((CONFIG, 'nowhere.pth'), 'no such checkpoint: nowhere.pth'),
        ((CONFIG, '--eval', 'mAP'), "invalid choice: 'mAP'"),
        ((CONFIG, '--root', 'x'), '--root goes with --dataset'),
        ((CONFIG, '--workers', '0'), '--workers needs a positive number, got 0'),
        ((CONFIG, '--eval', 'VOT', 'OPE'), 'it goes with no other metric'),
        ((CONFIG, '--eval', 'AO', '--format-only'), 'not allowed with argument --eval'),
    ],
)
def test_bad_arguments(run, args, message):
    assert message in run(*args, code=2).stderr


def test_missing_data_is_named(run, tmp_path):
    result = run(CONFIG, '--out', tmp_path / 'out', root=tmp_path / 'nothing', code=1)
    assert str(tmp_path / 'nothing') in result.stderr
    assert 'SSTRACK_DATA_ROOT' in result.stderr


def test_configuration_without_videos(run):
    result = run('sstrack-tiny', code=1)
    assert 'it names no videos to track; add --dataset NAME' in result.stderr


def test_help_names_the_metrics(run):
    assert 'success AUC' in run('--help').stdout


def read_run(folder):
    """All that a run has written but the times, which no two runs share."""
    boxes = {path.name: path.read_bytes() for path in folder.glob('*.txt')}
    scores = {
        path.name: json.loads(path.read_text())['scores']
        for path in folder.glob('details/*.json')
    }
    return boxes, scores, (folder / 'metrics.json').read_bytes()


@pytest.fixture(scope='module')
def run_here(load_tool, default_scope):
    """Runs the command in this process, with its errors as they are raised."""
    tool = load_tool('test.py')

    def run_here(*args, root):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('SSTRACK_DATA_ROOT', str(root))
            patch.setenv('LOCAL_RANK', '0')
            patch.setattr(sys, 'argv', ['test.py', *map(str, args)])
            return tool.main()

    return run_here


@pytest.fixture(scope='module')
def longer_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_dataset(
        root, num_videos=1, num_frames=20, size=(128, 96), val_videos=1, test_videos=12
    )
    return root


@pytest.fixture(scope='module')
def undisturbed(run_here, longer_root, tmp_path_factory):
    """What a run leaves that nothing disturbed."""
    out = tmp_path_factory.mktemp('out')
    assert run_here(CONFIG, '--out', out, root=longer_root) == 0
    return read_run(out)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_stopped_and_resumed_is_byte_identical(
    run_here, undisturbed, longer_root, tmp_path, number
):
    """Killed, or by Ctrl-C, after the first of twelve videos."""
    command = [sys.executable, ROOT / 'tools' / 'test.py', CONFIG, '--out', tmp_path]
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, 'SSTRACK_DATA_ROOT': str(longer_root), 'OMP_NUM_THREADS': '1'},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob('*.txt')) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate()
    finished = [path.stem for path in tmp_path.glob('*.txt')]
    assert 1 <= len(finished) < 12
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert f'Stopped. {len(finished)} sequences are in {tmp_path}' in errors
        assert 'Traceback' not in errors
    else:
        assert process.returncode == -signal.SIGKILL

    times = {
        name: (tmp_path / 'details' / f'{name}.json').read_bytes() for name in finished
    }
    assert run_here(CONFIG, '--out', tmp_path, root=longer_root) == 0
    assert read_run(tmp_path) == undisturbed
    # What was finished was not tracked again: even its times are the same.
    for name in finished:
        assert (tmp_path / 'details' / f'{name}.json').read_bytes() == times[name]


def test_a_full_disk_loses_nothing(
    run_here, undisturbed, longer_root, tmp_path, monkeypatch
):
    fsync, calls = os.fsync, []

    def fill_disk(descriptor):
        calls.append(descriptor)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(disk.os, 'fsync', fill_disk)
        with pytest.raises(FullDiskError, match=f'{tmp_path}.*Free some space and start'):
            run_here(CONFIG, '--out', tmp_path, root=longer_root)
    finished = list(tmp_path.glob('*.txt'))
    assert 1 <= len(finished) < 12
    assert not [path for path in tmp_path.rglob('*') if path.suffix == '.tmp']
    assert run_here(CONFIG, '--out', tmp_path, root=longer_root) == 0
    assert read_run(tmp_path) == undisturbed


def test_format_only_of_a_finished_run(run_here, data_root, tmp_path, capsys):
    """Started again with --format-only, the command tracks nothing."""
    assert run_here(CONFIG, '--out', tmp_path, root=data_root) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob('*.*')}
    assert run_here(CONFIG, '--format-only', '--out', tmp_path, root=data_root) == 0
    assert before == {path: path.read_bytes() for path in before}  # times too
    path = tmp_path / 'got10k_test.zip'
    assert f'2 sequences, checked, for the server of got10k_test: {path}' in (
        capsys.readouterr().out
    )
    name = 'GOT-10k_Test_000001'
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 4
        boxes = np.loadtxt(
            archive.read(f'{name}/{name}_001.txt').decode().splitlines(), delimiter=','
        )
    saved = np.loadtxt(tmp_path / f'{name}.txt', delimiter=',')
    np.testing.assert_allclose(boxes, saved, atol=5e-4)


def test_format_only_of_one_box_a_video(run_here, data_root, tmp_path):
    """TrackingNet's layout, of whose test videos only the first box is known."""
    test, frames = tmp_path / 'TEST', data_root / 'got10k' / 'test'
    (test / 'anno').mkdir(parents=True)
    for place, folder in enumerate(sorted(frames.glob('GOT-10k*'))):
        target = test / 'frames' / f'v_{place}'
        target.mkdir(parents=True)
        for number, image in enumerate(sorted(folder.glob('*.jpg'))):
            shutil.copy(image, target / f'{number}.jpg')
        first = (folder / 'groundtruth.txt').read_text().splitlines()[0]
        (test / 'anno' / f'v_{place}.txt').write_text(first)
    out = tmp_path / 'out'
    args = (CONFIG, '--dataset', 'trackingnet', '--root', tmp_path, '--out', out)
    assert run_here(*args, '--format-only', root=tmp_path) == 0
    with zipfile.ZipFile(out / 'trackingnet.zip') as archive:
        assert archive.namelist() == ['v_0.txt', 'v_1.txt']
        lines = archive.read('v_1.txt').decode().splitlines()
    assert len(lines) == 4 and all(len(line.split(',')) == 4 for line in lines)
    with pytest.raises(DataError, match='1 of 4 frames have a true box.*--format-only'):
        run_here(*args, root=tmp_path)


def test_format_only_needs_a_server(run_here, data_root, tmp_path):
    """Said before anything is tracked."""
    args = (CONFIG, '--dataset', 'got10k_val', '--format-only', '--out', tmp_path / 'out')
    with pytest.raises(DataError, match='one for got10k_test and trackingnet'):
        run_here(*args, root=data_root)
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def vot_root(data_root, tmp_path):
    """A video of 120 frames as VOT2018 has it: polygons, and the frames in color/."""
    source = data_root / 'got10k' / 'test' / 'GOT-10k_Test_000001'
    images = sorted(source.glob('*.jpg'))
    color = tmp_path / 'vot2018' / 'car' / 'color'
    color.mkdir(parents=True)
    for number in range(120):
        os.link(images[0], color / f'{number:08d}.jpg')
    x, y, w, h = map(
        float, (source / 'groundtruth.txt').read_text().split()[0].split(',')
    )
    polygon = (x, y, x + w, y + 2, x + w - 2, y + h, x + 2, y + h)
    line = ','.join(map(str, polygon)) + '\n'
    (color.parent / 'groundtruth.txt').write_text(line * 120)
    (tmp_path / 'vot2018' / 'list.txt').write_text('car\n')
    return tmp_path


def test_vot(run_here, vot_root, tmp_path, capsys):
    out = tmp_path / 'out'
    args = (CONFIG, '--dataset', 'vot2018', '--eval', 'VOT', '--out', out)
    assert run_here(*args, root=vot_root) == 0
    path = out / 'baseline' / 'car' / 'car_001.txt'
    lines = path.read_text().splitlines()
    assert len(lines) == 120 and lines[0] == '1'
    report = json.loads((out / 'metrics.json').read_text())['VOT']
    assert report['convention'] == 'vot2018'
    assert report['metrics']['failures'] == lines.count('2')
    assert 'eao' in capsys.readouterr().out
    assert json.loads((out / 'run.json').read_text())['config'].count("test_mode='VOT'")

    written = path.stat().st_mtime_ns
    assert run_here(*args, root=vot_root) == 0
    assert path.stat().st_mtime_ns == written
    # Boxes of one pass do not get mixed with trajectories.
    with pytest.raises(DataError, match="another run.*test_mode='VOT'"):
        run_here(*args[:3], '--out', out, root=vot_root)
