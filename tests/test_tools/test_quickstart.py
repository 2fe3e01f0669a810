"""The quickstart, shortened: all its steps, and what it leaves behind."""

import json
from pathlib import Path

import cv2


def test_leaves_what_it_promises(run_tool, tmp_path):
    result = run_tool(
        'quickstart.py',
        '--work-dir',
        tmp_path,
        '--videos',
        2,
        '--test-videos',
        2,
        '--frames',
        5,
        '--seed',
        7,
        '--cfg-options',
        'train_dataloader.sampler.samples_per_epoch=4',
        'train_dataloader.batch_size=2',
        'train_cfg.max_epochs=1',
    )
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-2000:]
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['seed'] == 7
    assert summary['samples_seen'] == 4
    assert summary['train_seconds'] > 0
    for key in ('auc_untrained', 'auc_trained'):
        assert 0 <= summary[key] <= 1
        assert f'{summary[key]:.3f}' in result.stdout
    assert Path(summary['checkpoint']).is_file()
    assert cv2.imread(str(tmp_path / 'success.png')) is not None
    assert cv2.imread(str(tmp_path / 'picture.png')) is not None
    video = cv2.VideoCapture(str(tmp_path / 'tracking.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_bad_numbers_are_refused(run_tool):
    result = run_tool('quickstart.py', '--videos', 1)
    assert result.returncode == 2
    assert '--videos must be at least 2, but got 1' in result.stderr
