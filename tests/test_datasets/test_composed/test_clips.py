"""Composed clips: what each kind holds, and that tickets repeat them."""

import shutil

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from sstrack_mm.datasets.composed import clips as clips_module
from sstrack_mm.datasets.composed import scene
from sstrack_mm.datasets.composed.clips import ComposedClips
from sstrack_mm.errors import DataError

SOURCES = ('pasted', 'still', 'tracked')
CROP = dict(type='CropClip', template_size=32, search_size=64)


@pytest.fixture(scope='module', autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmtrack'):
        yield


@pytest.mark.parametrize('source', SOURCES)
def test_frames_and_boxes(bank_folder, source):
    clips = ComposedClips(str(bank_folder), [], {source: 1.0})
    for number in range(20):
        clip = clips[(0, 0, number)]
        assert len(clip['frames']) == 3
        assert clip['bboxes_xywh'].shape == (3, 4)
        assert (clip['bboxes_xywh'][:, 2:] >= 6).all()
        assert clip['roles'] == dict(template=[0], search=[], view=[1, 2])
        assert all(frame.dtype == np.uint8 for frame in clip['frames'])


def test_ticket_decides(bank_folder):
    first, second = (ComposedClips(str(bank_folder), []) for _ in range(2))
    second[(0, 0, 5)]
    for a, b in zip(first[(1, 2, 3)]['frames'], second[(1, 2, 3)]['frames'], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[(1, 2, 3)]['bboxes_xywh'], first[(1, 2, 4)])


def test_without_others(bank_folder, monkeypatch):
    """The same places and targets, and nothing beside them."""
    laid = []
    for module in (clips_module, scene):
        monkeypatch.setattr(module, 'lay_others', lambda *args: laid.append(args) or [])
    for with_others in (True, False):
        laid.clear()
        clips = ComposedClips(str(bank_folder), [], with_others=with_others)
        for number in range(10):
            clips[(0, 0, number)]
        assert bool(laid) == with_others


def test_bank_without_footage(bank_folder, tmp_path):
    for name in ('stills.npy', 'actors.npy', 'tracks_procedural.npz'):
        shutil.copy(bank_folder / name, tmp_path)
    (tmp_path / 'videos').mkdir()
    shutil.copy(bank_folder / 'videos' / 'procedural_00000.npy', tmp_path / 'videos')
    clips = ComposedClips(str(tmp_path), [])
    assert all(len(clips[(0, 0, number)]['frames']) == 3 for number in range(20))


def test_tracked_boxes_are_those_of_the_bank(bank_folder):
    clips = ComposedClips(str(bank_folder), [], dict(tracked=1.0))
    known = np.concatenate([b for tracks in clips._tracks for b in tracks.bboxes_xywh])
    for number in range(10):
        for box in clips[(0, 0, number)]['bboxes_xywh']:
            assert (np.abs(known - box) < 1e-3).all(axis=1).any()


def test_still_target_is_the_same_part_of_the_picture(bank_folder):
    """Where nothing was laid over it, the warped box shows what the first one shows."""
    clips = ComposedClips(str(bank_folder), [CROP | dict(center_jitter=0)])
    clips._dress = lambda rng, frames, bboxes: (frames, bboxes)
    agree = []
    for number in range(15):
        rng = np.random.default_rng(number)
        frames, bboxes = clips._draw_still(rng)
        if (bboxes[:, 2:] >= 6).all():
            means = [
                frame[int(y) : int(y + h), int(x) : int(x + w)].mean()
                for frame, (x, y, w, h) in zip(frames, bboxes, strict=True)
            ]
            agree.append(np.ptp(means))
    assert np.median(agree) < 12


def test_through_the_pipeline(bank_folder):
    pipeline = [CROP, dict(type='DegradeCrops'), dict(type='PackClip')]
    packed = ComposedClips(str(bank_folder), pipeline)[(0, 0, 0)]
    assert packed['inputs']['template'].shape == (1, 3, 32, 32)
    assert packed['inputs']['grounding'].shape == (2, 3, 64, 64)
    bboxes = packed['data_samples'].gt_instances.bboxes
    assert bboxes.shape == (2, 4) and torch.isfinite(bboxes).all()


def test_no_bank(tmp_path):
    with pytest.raises(DataError, match='is no bank'):
        ComposedClips(str(tmp_path), [])
