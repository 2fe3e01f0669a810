"""Sequences that begin elsewhere, against the boxes they are made of."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets import FolderSequences
from sstrack_mm.errors import DataError


@pytest.fixture
def videos(tmp_path):
    """One video of ten frames, whose target is not seen in the fifth."""
    images = tmp_path / 'videos' / 'a' / 'img'
    images.mkdir(parents=True)
    for i in range(10):
        cv2.imwrite(str(images / f'{i}.png'), np.full((8, 9, 3), 10 * i, np.uint8))
    boxes = np.array([[i, 0, 2.25, 3] for i in range(10)])
    boxes[4] = 0
    np.savetxt(images.parent / 'groundtruth_rect.txt', boxes, fmt='%g', delimiter=',')
    return images.parents[1]


def test_each_way_to_the_end(run_tool, videos, tmp_path):
    tool = ('dataset_tools/more_starts.py', '--dataset', 'folder', '--root', videos)
    done = run_tool(*tool, '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert '7 sequences' in done.stdout
    expected = dict(
        a_forward_0=range(10),
        a_forward_1=range(2, 10),
        a_forward_2=range(5, 10),  # the frame after that without a target
        a_forward_3=range(6, 10),
        a_backward_0=range(9, -1, -1),
        a_backward_1=range(7, -1, -1),
        a_backward_2=range(5, -1, -1),
    )
    sequences = {one.name: one for one in FolderSequences(tmp_path / 'out').sequences()}
    assert sorted(sequences) == sorted(expected)
    for name, order in expected.items():
        sequence = sequences[name]
        frames = [int(cv2.imread(path)[0, 0, 0]) // 10 for path in sequence.frame_paths]
        assert frames == list(order)
        xs = np.where(sequence.gt_xywh[:, 2] > 0, sequence.gt_xywh[:, 0], 4)
        assert xs.tolist() == list(order)

    again = run_tool(*tool, '--out', tmp_path / 'out')
    assert again.returncode == 1 and 'is there already' in again.stderr


def test_first_box_alone(load_tool, videos):
    sequence = next(iter(FolderSequences(videos).sequences()))
    sequence = replace(sequence, gt_xywh=sequence.gt_xywh[:1])
    with pytest.raises(DataError, match='a: only 1 boxes are known'):
        load_tool('dataset_tools/more_starts.py').cut(sequence)
