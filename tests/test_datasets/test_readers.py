import numpy as np
import pytest

from sstrack_mm.datasets.readers import (
    FolderSequences,
    GOT10kSequences,
    LaSOTSequences,
    TrackingNetSequences,
)
from sstrack_mm.errors import DataError


def relative(paths, root):
    return [path.removeprefix(f'{root}/') for path in paths]


# Plain folders.


@pytest.mark.parametrize('labels', ['groundtruth_rect.txt', 'groundtruth.txt'])
def test_plain_folders(write, tmp_path, labels):
    write.video(tmp_path / 'video10', labels=labels)
    write.video(tmp_path / 'video9', labels=labels)
    write.frames(tmp_path / 'flat', ['1.png', '2.png', '10.png'])
    write.boxes(tmp_path / 'flat' / labels, 3)
    (tmp_path / '.hidden').mkdir()
    write.text(tmp_path / 'notes.txt', 'not a video')

    dataset = FolderSequences(data_root=str(tmp_path))
    assert dataset.names == ['flat', 'video9', 'video10']
    assert relative(dataset.sequence(0).frame_paths, tmp_path) == [
        'flat/1.png',
        'flat/2.png',
        'flat/10.png',
    ]
    assert relative(dataset.sequence(1).frame_paths, tmp_path) == [
        f'video9/img/{i:04d}.jpg' for i in range(1, 5)
    ]


# LaSOT.


@pytest.fixture
def lasot(write, tmp_path):
    for category, number in (('cat', 1), ('cat', 20), ('airplane', 2)):
        folder = tmp_path / category / f'{category}-{number}'
        write.frames(folder / 'img', [f'{i:08d}.jpg' for i in range(1, 4)])
        write.boxes(folder / 'groundtruth.txt', 3)
        write.text(folder / 'full_occlusion.txt', '0,1,0\n')
        write.text(folder / 'out_of_view.txt', '0,0,1')
    write.text(tmp_path / 'training_set.txt', 'airplane-2\ncat-20\n')
    write.text(tmp_path / 'testing_set.txt', 'cat-1\n')
    return tmp_path


def test_lasot(lasot):
    dataset = LaSOTSequences(data_root=str(lasot))
    assert dataset.names == ['airplane-2', 'cat-1', 'cat-20']
    sequence = dataset.sequence(1)
    assert relative(sequence.frame_paths, lasot) == [
        f'cat/cat-1/img/0000000{i}.jpg' for i in (1, 2, 3)
    ]
    assert sequence.visible.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ('split', 'names'), [('train', ['airplane-2', 'cat-20']), ('test', ['cat-1'])]
)
def test_lasot_splits(lasot, split, names):
    assert LaSOTSequences(data_root=str(lasot), split=split).names == names


def test_lasot_published_splits_are_known(lasot):
    (lasot / 'training_set.txt').unlink()
    (lasot / 'testing_set.txt').unlink()
    assert LaSOTSequences(data_root=str(lasot), split='train').names == ['airplane-2']
    with pytest.raises(DataError, match='278 of 280 videos'):
        LaSOTSequences(data_root=str(lasot), split='test')
    dataset = LaSOTSequences(data_root=str(lasot), split='test', skip_bad_videos=True)
    assert dataset.names == ['cat-1', 'cat-20']


def test_lasot_videos_without_categories(lasot):
    (lasot / 'cat/cat-1').rename(lasot / 'cat-1')
    dataset = LaSOTSequences(data_root=str(lasot), split='test')
    assert relative(dataset.clip_source(0)['frame_paths'], lasot)[0] == (
        'cat-1/img/00000001.jpg'
    )


def test_lasot_without_flags(lasot):
    for flag in ('full_occlusion.txt', 'out_of_view.txt'):
        (lasot / 'cat/cat-1' / flag).unlink()
    assert LaSOTSequences(data_root=str(lasot), split='test').sequence(0).visible.all()


def test_lasot_flags_of_wrong_length(write, lasot):
    write.text(lasot / 'cat/cat-1/out_of_view.txt', '0,0')
    with pytest.raises(DataError, match=r'out_of_view\.txt: 2 flags, expected 3'):
        LaSOTSequences(data_root=str(lasot), split='test').sequence(0)


def test_lasot_video_of_a_split_is_missing(write, lasot):
    write.text(lasot / 'testing_set.txt', 'cat-1\ndog-3\n')
    with pytest.raises(DataError, match='dog/dog-3/img: no such folder'):
        LaSOTSequences(data_root=str(lasot), split='test')


def test_lasot_unknown_split(lasot):
    with pytest.raises(ValueError, match="'validation'"):
        LaSOTSequences(data_root=str(lasot), split='validation')


# GOT-10k.


@pytest.fixture
def got10k(write, tmp_path):
    for split, count in (('train', 3), ('val', 1), ('test', 2)):
        names = [f'GOT-10k_{split.capitalize()}_{i:06d}' for i in range(1, count + 1)]
        for name in names:
            folder = tmp_path / split / name
            write.frames(folder, [f'{i:08d}.jpg' for i in range(1, 5)])
            write.boxes(folder / 'groundtruth.txt', 1 if split == 'test' else 4)
            if split != 'test':
                write.text(folder / 'absence.label', '0\n1\n0\n0\n')
                write.text(folder / 'cover.label', '8\n3\n0\n1\n')
                write.text(folder / 'meta_info.ini', '[METAINFO]\n')
        write.text(tmp_path / split / 'list.txt', '\n'.join(names) + '\n')
    return tmp_path


def test_got10k(got10k):
    dataset = GOT10kSequences(data_root=str(got10k), split='val')
    sequence = dataset.sequence(0)
    assert sequence.name == 'GOT-10k_Val_000001'
    assert relative(sequence.frame_paths, got10k) == [
        f'val/GOT-10k_Val_000001/0000000{i}.jpg' for i in range(1, 5)
    ]
    assert sequence.visible.tolist() == [True, False, False, True]


def test_got10k_test_has_one_box(got10k):
    dataset = GOT10kSequences(data_root=str(got10k), split='test')
    assert len(dataset) == 2
    assert dataset.sequence(1).gt_xywh.shape == (1, 4)


def test_got10k_without_a_list(got10k):
    (got10k / 'train/list.txt').unlink()
    assert len(GOT10kSequences(data_root=str(got10k))) == 3


@pytest.mark.parametrize(
    'listed', ['GOT-10k_Train_000003\nGOT-10k_Train_000001', '2\n0\n']
)
def test_got10k_split_by_names_or_places(write, got10k, listed):
    write.text(got10k / 'vot_clean.txt', listed)
    dataset = GOT10kSequences(data_root=str(got10k), split_file='vot_clean.txt')
    assert dataset.names == ['GOT-10k_Train_000003', 'GOT-10k_Train_000001']


def test_got10k_place_beyond_the_list(write, got10k):
    write.text(got10k / 'vot_clean.txt', '0\n3\n')
    with pytest.raises(DataError, match=r'vot_clean\.txt: place 3 .* 3 videos'):
        GOT10kSequences(data_root=str(got10k), split_file='vot_clean.txt')


def test_got10k_missing_part_and_video(write, got10k):
    with pytest.raises(DataError, match='validation: no such folder'):
        GOT10kSequences(data_root=str(got10k), split='validation')
    write.text(got10k / 'val/list.txt', 'GOT-10k_Val_000001\nGOT-10k_Val_000002\n')
    with pytest.raises(DataError, match='GOT-10k_Val_000002: no such folder'):
        GOT10kSequences(data_root=str(got10k), split='val')


# TrackingNet.


@pytest.fixture
def trackingnet(write, tmp_path):
    for chunk, names in (
        ('TRAIN_0', ['v-b', 'v_a']),
        ('TRAIN_10', ['x']),
        ('TRAIN_2', ['y']),
        ('TEST', ['t']),
    ):
        for name in names:
            write.frames(
                tmp_path / chunk / 'frames' / name, [f'{i}.jpg' for i in range(12)]
            )
            write.boxes(
                tmp_path / chunk / 'anno' / f'{name}.txt', 1 if chunk == 'TEST' else 12
            )
    return tmp_path


@pytest.mark.parametrize(
    ('split', 'names'),
    [('train', ['v-b', 'v_a', 'y', 'x']), ('TRAIN_10', ['x']), ('test', ['t'])],
)
def test_trackingnet_chunks(trackingnet, split, names):
    assert TrackingNetSequences(data_root=str(trackingnet), split=split).names == names


def test_trackingnet_frames_are_counted_not_spelt(trackingnet):
    source = TrackingNetSequences(data_root=str(trackingnet)).clip_source(3)
    assert relative(source['frame_paths'], trackingnet) == [
        f'TRAIN_10/frames/x/{i}.jpg' for i in range(12)
    ]
    np.testing.assert_array_equal(source['init_xywh'], [1, 2, 3, 4])


def test_trackingnet_split_file(write, trackingnet):
    write.text(trackingnet / 'few.txt', 'x\nv_a\n')
    dataset = TrackingNetSequences(data_root=str(trackingnet), split_file='few.txt')
    assert dataset.names == ['v_a', 'x']


def test_trackingnet_frames_or_boxes_missing(write, trackingnet):
    write.boxes(trackingnet / 'TRAIN_0/anno/no_frames.txt', 3)
    write.frames(trackingnet / 'TRAIN_0/frames/no_boxes', ['0.jpg'])
    with pytest.raises(DataError) as error:
        TrackingNetSequences(data_root=str(trackingnet))
    assert 'frames/no_frames: no such folder' in str(error.value)
    assert 'anno/no_boxes.txt: no such file' in str(error.value)


def test_trackingnet_chunk_missing(trackingnet):
    with pytest.raises(DataError, match='TRAIN_7/anno: no such folder'):
        TrackingNetSequences(data_root=str(trackingnet), split='TRAIN_7')
    with pytest.raises(ValueError, match="'all'"):
        TrackingNetSequences(data_root=str(trackingnet), split='all')
    with pytest.raises(DataError, match='TRAIN_0'):
        TrackingNetSequences(data_root=str(trackingnet / 'TEST'))
