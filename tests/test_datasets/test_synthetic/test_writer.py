"""How procedural videos lie on disk."""

import json
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import render_video, write_dataset, write_videos
from sstrack_mm.errors import DataError

SMALL = dict(num_videos=2, num_frames=4, size=(96, 64), val_videos=1, test_videos=1)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    """A small data set on disk."""
    out = tmp_path_factory.mktemp('synthetic')
    write_dataset(out, **SMALL)
    return out / 'got10k'


def files_in(root: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_layout_is_that_of_got10k(dataset):
    expected = {
        'train': ['GOT-10k_Train_000001', 'GOT-10k_Train_000002'],
        'val': ['GOT-10k_Val_000001'],
        'test': ['GOT-10k_Test_000001'],
    }
    for split, names in expected.items():
        assert (dataset / split / 'list.txt').read_text().split() == names
        for name in names:
            assert sorted(path.name for path in (dataset / split / name).iterdir()) == [
                '00000001.jpg',
                '00000002.jpg',
                '00000003.jpg',
                '00000004.jpg',
                'absence.label',
                'cover.label',
                'cut_by_image.label',
                'groundtruth.txt',
                'meta_info.ini',
            ]
    assert not dataset.with_name('got10k.part').exists()


def test_files_hold_the_rendered_video(dataset):
    folder = dataset / 'val' / 'GOT-10k_Val_000001'
    frames, bboxes_xywh, cover = render_video([0, 1, 1], 4, (96, 64))
    np.testing.assert_allclose(
        np.loadtxt(folder / 'groundtruth.txt', delimiter=','), bboxes_xywh
    )
    np.testing.assert_array_equal(np.loadtxt(folder / 'cover.label', dtype=int), cover)
    for number, frame in enumerate(frames, 1):
        written = cv2.imread(str(folder / f'{number:08d}.jpg'))[..., ::-1]
        assert written.shape == frame.shape
        assert np.abs(written.astype(float) - frame).mean() < 12


def test_labels_agree(tmp_path):
    write_dataset(tmp_path, 12, 30, seed=1, size=(64, 64))
    absent_frames = cut_frames = 0
    for folder in (tmp_path / 'got10k' / 'train').glob('GOT*'):
        bboxes_xywh = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
        absence, cover, cut = (
            np.loadtxt(folder / f'{name}.label', dtype=int)
            for name in ('absence', 'cover', 'cut_by_image')
        )
        assert len(bboxes_xywh) == len(absence) == len(cover) == len(cut) == 30
        np.testing.assert_array_equal(absence == 1, cover == 0)
        end = bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
        at_border = (bboxes_xywh[:, :2] == 0).any(axis=1) | (end == 64).any(axis=1)
        np.testing.assert_array_equal(cut == 1, at_border & (absence == 0))
        assert (bboxes_xywh[absence == 0, 2:] > 0).all()
        absent_frames += absence.sum()
        cut_frames += cut.sum()
    assert absent_frames > 0 and cut_frames > 0


def test_bytes_do_not_depend_on_workers_or_on_other_videos(dataset, tmp_path):
    write_dataset(tmp_path, **{**SMALL, 'num_videos': 3}, workers=2)
    one, other = files_in(dataset), files_in(tmp_path / 'got10k')
    for name, content in one.items():
        if name not in ('synthetic.json', 'train/list.txt'):
            assert other[name] == content, name


def test_videos_differ_between_splits_numbers_and_seeds(dataset, tmp_path):
    write_dataset(tmp_path, **SMALL, seed=1)
    first_frames = [
        path.read_bytes()
        for root in (dataset, tmp_path)
        for path in root.rglob('00000001.jpg')
    ]
    assert len(first_frames) == 8 and len(set(first_frames)) == 8


def test_default_numbers_of_videos(tmp_path):
    names = write_dataset(tmp_path, 8, 2, size=(64, 64))
    assert {split: len(videos) for split, videos in names.items()} == {
        'train': 8,
        'val': 2,
        'test': 2,
    }


def test_the_same_data_set_is_not_written_twice(tmp_path):
    names = write_dataset(tmp_path, **SMALL)
    frame = tmp_path / 'got10k' / 'train' / names['train'][0] / '00000001.jpg'
    frame.write_bytes(b'touched')
    assert write_dataset(tmp_path, **SMALL) == names
    assert frame.read_bytes() == b'touched'
    write_dataset(tmp_path, **SMALL, overwrite=True)
    assert frame.read_bytes() != b'touched'


def test_other_parameters_need_overwrite(tmp_path):
    write_dataset(tmp_path, **SMALL)
    with pytest.raises(DataError, match='other parameters'):
        write_dataset(tmp_path, **SMALL, seed=7)
    write_dataset(tmp_path, **SMALL, seed=7, overwrite=True)
    assert json.loads((tmp_path / 'got10k/synthetic.json').read_text())['seed'] == 7


@pytest.mark.parametrize('overwrite', [False, True])
def test_data_of_others_is_never_touched(tmp_path, overwrite):
    real = tmp_path / 'got10k' / 'train' / 'list.txt'
    real.parent.mkdir(parents=True)
    real.write_text('GOT-10k_Train_000001\n')
    with pytest.raises(DataError, match='was not generated'):
        write_dataset(tmp_path, **SMALL, overwrite=overwrite)
    assert real.read_text() == 'GOT-10k_Train_000001\n'


def test_a_cut_short_run_is_not_taken_for_complete(tmp_path, monkeypatch, dataset):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    module = sys.modules['sstrack_mm.datasets.synthetic.writer']
    with monkeypatch.context() as patch:
        patch.setattr(module, '_write_labels', stop)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(tmp_path, **SMALL)
    assert not (tmp_path / 'got10k').exists()
    write_dataset(tmp_path, **SMALL)
    assert files_in(tmp_path / 'got10k') == files_in(dataset)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_videos=0), 'train videos must be at least 1, not 0'),
        (dict(val_videos=0), 'val videos must be at least 1'),
        (dict(seed=-1), 'seed must be at least 0, not -1'),
        (dict(workers=0), 'workers must be at least 1'),
        (dict(num_frames=0), 'at least 2 frames'),
        (dict(size=(10, 240)), '10 x 240'),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_written(
    tmp_path, arguments, message
):
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path, **{**SMALL, **arguments})
    assert not any(tmp_path.iterdir())


def test_files_without_labels(tmp_path):
    """The training videos of the same seed, and not a box beside them."""
    names = write_videos(tmp_path, 2, 6, 5, size=(96, 64))
    folder = tmp_path / 'videos'
    assert {path.name for path in folder.iterdir()} == {*names, 'synthetic.json'}
    images, _, _ = render_video([5, 0, 2], 6, (96, 64))
    with av.open(str(folder / names[1])) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == 6
    assert np.abs(np.stack(frames) - images.astype(int)).mean() < 12
    assert write_videos(tmp_path, 2, 6, 5, size=(96, 64)) == names
    with pytest.raises(DataError, match='other parameters'):
        write_videos(tmp_path, 3, 6, 5, size=(96, 64))
    with pytest.raises(DataError, match='even sides'):
        write_videos(tmp_path, 1, 4, size=(97, 64))


def test_a_colon_in_a_relative_path(tmp_path, monkeypatch):
    """FFmpeg would take what is before it for a protocol."""
    monkeypatch.chdir(tmp_path)
    (name,) = write_videos('day:1', 1, 4, size=(96, 64))
    assert (tmp_path / 'day:1' / 'videos' / name).is_file()


def test_absences(tmp_path):
    """They are in the labels, and in the parameters of the data set."""
    write_dataset(
        *(tmp_path, 1, 70, 3), size=(96, 72), val_videos=1, test_videos=1, absences=1
    )
    folder = tmp_path / 'got10k' / 'test' / 'GOT-10k_Test_000001'
    _, _, cover = render_video([3, 2, 1], 70, (96, 72), absences=1)
    absent = np.loadtxt(folder / 'absence.label', int)
    np.testing.assert_array_equal(absent, cover == 0)
    assert absent.sum() >= 1
    assert json.loads((tmp_path / 'got10k' / 'synthetic.json').read_text())['absences']


@pytest.mark.parametrize('look', ['night', 'fisheye'])
def test_looks(tmp_path, look):
    """In images and in files of video, and in the parameters of both."""
    write_dataset(tmp_path, **SMALL, look=look)
    write_videos(tmp_path, 1, 4, size=(96, 64), look=look)
    frames, bboxes_xywh, _ = render_video([0, 2, 1], 4, (96, 64), look=look)
    folder = tmp_path / 'got10k' / 'test' / 'GOT-10k_Test_000001'
    np.testing.assert_allclose(
        np.loadtxt(folder / 'groundtruth.txt', delimiter=','), bboxes_xywh, atol=1e-4
    )
    written = cv2.imread(str(folder / '00000003.jpg'))[..., ::-1]
    assert np.abs(written.astype(float) - frames[2]).mean() < 12
    images, _, _ = render_video([0, 0, 1], 4, (96, 64), look=look)
    with av.open(str(tmp_path / 'videos' / 'GOT-10k_Train_000001.mp4')) as container:
        read = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert np.abs(np.stack(read) - images.astype(int)).mean() < 12
    for name in ('got10k', 'videos'):
        assert (
            json.loads((tmp_path / name / 'synthetic.json').read_text())['look'] == look
        )
    with pytest.raises(DataError, match='other parameters'):
        write_dataset(tmp_path, **SMALL)
