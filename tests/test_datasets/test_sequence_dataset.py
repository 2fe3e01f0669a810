import os
import pickle
import shutil

import numpy as np
import pytest

from sstrack_mm.datasets.readers import FolderSequences
from sstrack_mm.errors import DataError


@pytest.fixture
def root(write, tmp_path):
    root = tmp_path / 'data'
    for name, num_frames in (('a', 3), ('b', 4), ('c', 5)):
        write.video(root / name, num_frames)
    return root


def count_scans(monkeypatch):
    """Count the videos scanned from here on."""
    scanned = []
    original = FolderSequences._scan_video
    monkeypatch.setattr(
        FolderSequences,
        '_scan_video',
        lambda self, video: scanned.append(video.name) or original(self, video),
    )
    return scanned


# What a dataset serves.


def test_sequence_has_all_labels(root):
    sequence = FolderSequences(data_root=str(root)).sequence(1)
    assert sequence.name == 'b'
    assert sequence.frame_paths == [str(root / f'b/img/{i:04d}.jpg') for i in range(1, 5)]
    np.testing.assert_array_equal(
        sequence.gt_xywh, [[1, 2, 3, 4], [2, 2, 3, 4], [3, 2, 3, 4], [4, 2, 3, 4]]
    )
    assert sequence.visible.tolist() == [True] * 4


def test_invalid_boxes_are_left_to_the_metrics(write, root):
    write.text(
        root / 'b/groundtruth_rect.txt', '1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,0,4\n1,2,3,4\n'
    )
    sequence = FolderSequences(data_root=str(root)).sequence(1)
    assert sequence.visible.all()
    assert np.isnan(sequence.gt_xywh[1]).all()
    assert sequence.gt_xywh[2].tolist() == [1, 2, 0, 4]


def test_one_box_files_label_the_first_frame(write, root):
    write.text(root / 'b/groundtruth_rect.txt', '1,2,3,4\n')
    sequence = FolderSequences(data_root=str(root)).sequence(1)
    assert not sequence.has_full_gt
    assert sequence.visible.tolist() == [True, False, False, False]


def test_videos_without_labels(write, root):
    """Raw video: the same class, with ``labels=None``."""

    class RawVideos(FolderSequences):
        def _find_videos(self):
            for video in super()._find_videos():
                yield video._replace(labels=None)

    for name in 'abc':
        (root / name / 'groundtruth_rect.txt').unlink()
    for dataset in (RawVideos(data_root=str(root)), RawVideos(data_root=str(root))):
        assert dataset.names == ['a', 'b', 'c']
        source = dataset.clip_source(1)
        assert len(source['frame_paths']) == 4 and source['init_xywh'].shape == (4,)
        assert np.isnan(source['init_xywh']).all()
        sequence = dataset.sequence(1)
        assert sequence.gt_xywh.shape == (0, 4) and not sequence.has_full_gt
        assert sequence.visible.tolist() == [False] * 4


def test_training_knows_the_first_box_only(write, root):
    sources = [FolderSequences(data_root=str(root)).clip_source(i) for i in range(3)]
    assert sources[1]['video'] == 'b'
    assert len(sources[1]['frame_paths']) == 4
    np.testing.assert_array_equal(sources[1]['init_xywh'], [1, 2, 3, 4])

    for name, num_frames in (('a', 3), ('b', 4), ('c', 5)):
        write.text(
            root / name / 'groundtruth_rect.txt',
            '1,2,3,4\n' + 'no box at all\n' * (num_frames - 1),
        )
    dataset = FolderSequences(data_root=str(root))
    for i, before in enumerate(sources):
        after = dataset.clip_source(i)
        assert after['video'] == before['video']
        assert after['frame_paths'] == before['frame_paths']
        np.testing.assert_array_equal(after['init_xywh'], before['init_xywh'])
    with pytest.raises(DataError, match='line 2'):
        dataset.sequence(0)


def test_relative_data_root_stays_relative(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    source = FolderSequences(data_root='data').clip_source(0)
    assert source['frame_paths'][0] == os.path.join('data', 'a', 'img', '0001.jpg')


def test_indices_choose_videos(root):
    assert FolderSequences(data_root=str(root), indices=2).names == ['a', 'b']
    assert FolderSequences(data_root=str(root), indices=[2, 0]).names == ['c', 'a']


def test_lazy_init(root, monkeypatch):
    scanned = count_scans(monkeypatch)
    dataset = FolderSequences(data_root=str(root), lazy_init=True)
    assert scanned == []
    assert len(dataset) == 3 and scanned == ['a', 'b', 'c']


def test_attributes_come_from_the_files_of_the_toolkits(write, root):
    class Reader(FolderSequences):
        attribute_names = ('fast', 'dark', 'small')

    write.text(root / 'annos/att/b.txt', '1,0,1')
    dataset = Reader(data_root=str(root))
    assert dataset.names == ['a', 'b', 'c']
    assert dataset.sequence(0).attributes == ()
    assert dataset.sequence(1).attributes == ('fast', 'small')
    write.text(root / 'annos/att/b.txt', '1,0')
    with pytest.raises(DataError, match=r'att/b\.txt: 2 flags, expected 3'):
        dataset.sequence(1)


def test_pickle_to_a_worker_stays_small(write, tmp_path):
    sizes = []
    for count in (2, 60):
        root = tmp_path / f'data{count:02d}'
        for i in range(count):
            write.video(root / f'video{i}', 1)
        dataset = FolderSequences(data_root=str(root))
        sizes.append(len(pickle.dumps(dataset)))
        copy = pickle.loads(pickle.dumps(dataset))
        assert copy.names == dataset.names
        assert copy.clip_source(1)['video'] == 'video1'
    assert sizes[1] < sizes[0] + 100


# The index.


def test_unchanged_data_is_not_scanned_again(root, monkeypatch):
    FolderSequences(data_root=str(root))
    scanned = count_scans(monkeypatch)
    dataset = FolderSequences(data_root=str(root))
    assert dataset.names == ['a', 'b', 'c']
    assert scanned == []


def test_touched_folder_is_scanned_again(root, monkeypatch):
    FolderSequences(data_root=str(root))
    scanned = count_scans(monkeypatch)
    os.utime(root / 'b/img', (1, 1))
    FolderSequences(data_root=str(root))
    assert scanned == ['a', 'b', 'c']


def test_changed_data_is_seen(write, root):
    FolderSequences(data_root=str(root))
    write.video(root / 'd', 6)
    write.boxes(root / 'a/groundtruth_rect.txt', 3, (5, 6, 7, 88))
    shutil.rmtree(root / 'b')
    dataset = FolderSequences(data_root=str(root))
    assert dataset.names == ['a', 'c', 'd']
    assert dataset.clip_source(0)['init_xywh'].tolist() == [5, 6, 7, 88]


def test_frames_lost_while_running_are_named(root):
    dataset = FolderSequences(data_root=str(root))
    (root / 'b/img/0004.jpg').unlink()
    with pytest.raises(DataError, match=r'b/img: 4 frames were here .* now 3'):
        dataset.clip_source(1)


def test_boxes_changed_while_running_are_named(write, root):
    dataset = FolderSequences(data_root=str(root))
    write.boxes(root / 'b/groundtruth_rect.txt', 6)
    with pytest.raises(DataError, match=r'b/groundtruth_rect\.txt: 6 boxes for 4'):
        dataset.sequence(1)


# Bad data.


def test_missing_root_says_how_to_set_it(tmp_path):
    with pytest.raises(DataError) as error:
        FolderSequences(data_root=str(tmp_path / 'gone'))
    for part in (
        str(tmp_path / 'gone'),
        'NAME/img',
        'groundtruth_rect.txt',
        'data_root',
        'SSTRACK_DATA_ROOT',
    ):
        assert part in str(error.value)


def test_empty_root(tmp_path):
    with pytest.raises(DataError, match=f'{tmp_path}: no video found'):
        FolderSequences(data_root=str(tmp_path))


def test_all_bad_videos_are_in_one_error(write, root):
    (root / 'a/groundtruth_rect.txt').unlink()
    write.boxes(root / 'b/groundtruth_rect.txt', 3)
    for frame in (root / 'c/img').iterdir():
        frame.unlink()
    with pytest.raises(DataError) as error:
        FolderSequences(data_root=str(root))
    for part in (
        '3 of 3 videos',
        'a/groundtruth_rect.txt: no such file',
        'b/groundtruth_rect.txt: 3 boxes for 4 frames',
        'c/img: no frames',
    ):
        assert part in str(error.value)


def test_long_lists_of_bad_videos_are_cut(root):
    for i in range(15):
        (root / f'empty{i}').mkdir()
    with pytest.raises(DataError) as error:
        FolderSequences(data_root=str(root))
    assert '15 of 18 videos' in str(error.value)
    assert 'empty9' in str(error.value)
    assert 'empty10' not in str(error.value)
    assert 'and 5 more' in str(error.value)


@pytest.mark.parametrize(
    'line', ['1,2,0,4', '1,2,3,-1', 'nan,nan,nan,nan', '1,2,inf,4', 'no box', '']
)
def test_bad_first_box_is_named(write, root, line):
    write.text(root / 'b/groundtruth_rect.txt', f'{line}\n' + '1,2,3,4\n' * 3)
    with pytest.raises(DataError, match=r'b/groundtruth_rect\.txt, line 1: '):
        FolderSequences(data_root=str(root))


def test_bad_videos_can_be_skipped(write, root, caplog):
    write.text(root / 'b/groundtruth_rect.txt', '1,2,0,4\n')
    dataset = FolderSequences(data_root=str(root), skip_bad_videos=True)
    assert dataset.names == ['a', 'c']
    assert '1 of 3 videos' in caplog.text
    assert 'b/groundtruth_rect.txt, line 1' in caplog.text
    with pytest.raises(DataError):
        FolderSequences(data_root=str(root))


def test_skipping_all_videos_is_an_error(write, root):
    for name in 'abc':
        write.text(root / name / 'groundtruth_rect.txt', '1,2,0,4\n')
    with pytest.raises(DataError, match='3 of 3 videos'):
        FolderSequences(data_root=str(root), skip_bad_videos=True)


def test_videos_of_a_split_file_beside_the_data_or_elsewhere(write, root, tmp_path):
    write.text(root / 'some.txt', 'c\n\na\n')
    write.text(tmp_path / 'other.txt', 'b')
    assert FolderSequences(data_root=str(root), split_file='some.txt').names == ['c', 'a']
    assert FolderSequences(
        data_root=str(root), split_file=str(tmp_path / 'other.txt')
    ).names == ['b']
    with pytest.raises(DataError, match=r'none\.txt: no such file'):
        FolderSequences(data_root=str(root), split_file='none.txt')
    write.text(root / 'some.txt', 'gone')
    with pytest.raises(DataError, match='gone'):
        FolderSequences(data_root=str(root), split_file='some.txt')
