"""tools/analysis_tools/opencv_peers.py: boxes in the format of all results."""

import cv2
import numpy as np
import pytest

from sstrack_mm.evaluation.results import load_results


@pytest.fixture
def folder(tmp_path):
    """A plain folder with one video of three frames."""
    images = tmp_path / 'data' / 'video' / 'img'
    images.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(images / f'{number}.png'), np.zeros((20, 30, 3), np.uint8))
    (images.parent / 'groundtruth_rect.txt').write_text('2,3,8,9\n4,3,8,9\n6,3,8,9\n')
    return tmp_path / 'data'


def test_still_keeps_the_first_box(run_tool, folder, tmp_path):
    args = ('still', '--dataset', 'folder', '--root', folder, '--out', tmp_path / 'out')
    done = run_tool('analysis_tools/opencv_peers.py', *args)
    assert done.returncode == 0, done.stderr
    bboxes = load_results(tmp_path / 'out' / 'still').bboxes_xywh['video']
    np.testing.assert_array_equal(bboxes, [[2, 3, 8, 9]] * 3)


def test_says_what_is_missing(run_tool, folder, tmp_path):
    args = ('kcf', '--dataset', 'folder', '--root', folder, '--out', tmp_path / 'out')
    done = run_tool('analysis_tools/opencv_peers.py', *args)
    assert done.returncode == 1
    assert 'has no TrackerKCF_create' in done.stderr
