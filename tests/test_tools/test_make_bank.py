"""The maker of banks; what is in them is in test_composed."""

import sys

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets import FolderSequences
from sstrack_mm.datasets.synthetic.textures import random_background


def write_pan(path, seed):
    """Write 70 frames of a camera that moves over a texture by a pixel a frame."""
    place = random_background(np.random.default_rng(seed), 160, 120).clip(0, 255)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (90, 100))
    for i in range(70):
        writer.write(np.ascontiguousarray(place[10:110, i : i + 90], np.uint8))
    writer.release()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--videos', '-1'], '--videos: needs 1 at least, got -1'),
        (['--frames', '1'], '--frames: needs 2 at least, got 1'),
        (['--max-frames', '0'], '--max-frames: needs 1 at least, got 0'),
        (['--short-side', '0'], '--short-side: needs 1 at least, got 0'),
        (['--footage', 'none'], 'none: no such folder'),
        (['--footage', '.'], '.: no video to learn from in it'),
        (['--footage', 'films', '--held-out', 'b', 'c'], '--held-out: films has no b, c'),
        (['--footage', 'films', '--held-out', 'a'], 'no video to learn from'),
        (['--held-out', 'a'], '--held-out: of which --footage?'),
        (['--footage', 'films', '--regions', 'here'], '--regions: of which files?'),
    ],
)
def test_told_before_anything_is_made(
    load_tool, monkeypatch, capsys, tmp_path, options, message
):
    (tmp_path / 'films').mkdir()
    (tmp_path / 'films' / 'a.mp4').touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['make_bank.py', 'bank', *options])
    with pytest.raises(SystemExit):
        load_tool('dataset_tools/make_bank.py').main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'bank').exists()


def test_regions_to_measure_on(load_tool, monkeypatch, tmp_path):
    """Of what is held out alone; they move as the camera does, the other way."""
    for seed, name in enumerate(['learned', 'held']):
        write_pan(tmp_path / f'{name}.avi', seed)
    few = '--videos 1 --frames 4 --stills 1 --actors 1'.split()
    held_out = ['--footage', str(tmp_path), '--held-out', 'held']
    regions = tmp_path / 'regions'
    (tmp_path / 'regions.part' / 'half').mkdir(parents=True)  # of a run that broke off
    arguments = [str(tmp_path / 'bank'), *few, *held_out, '--regions', str(regions)]
    monkeypatch.setattr(sys, 'argv', ['make_bank.py', *arguments])
    load_tool('dataset_tools/make_bank.py').main()
    assert not (tmp_path / 'bank' / 'videos' / 'held.npy').exists()
    assert not (tmp_path / 'regions.part').exists()
    dataset = FolderSequences(str(regions))
    assert len(dataset) and all(name.startswith('held_') for name in dataset.names)
    for sequence in dataset.sequences():
        assert len(sequence.frame_paths) == len(sequence.gt_xywh) >= 30
        steps = np.diff(sequence.gt_xywh[:, :2], axis=0)
        np.testing.assert_allclose(np.median(steps, axis=0), [-1, 0], atol=0.1)
