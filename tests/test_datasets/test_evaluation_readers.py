import numpy as np
import pytest

from sstrack_mm.datasets import tables
from sstrack_mm.datasets.evaluation_readers import (
    ITBSequences,
    NFSSequences,
    OTBSequences,
    TC128Sequences,
    TNL2KSequences,
    UAV123Sequences,
    VOTSequences,
)
from sstrack_mm.datasets.readers import (
    FolderSequences,
    GOT10kSequences,
    LaSOTSequences,
    TrackingNetSequences,
)
from sstrack_mm.errors import DataError


def frame_names(sequence):
    return [path.rsplit('/', 1)[1] for path in sequence.frame_paths]


def numbered(first, last, digits=4):
    return [f'{i:0{digits}d}.jpg' for i in range(first, last + 1)]


def split_of(write, root, *names):
    """Restrict a dataset to some videos."""
    write.text(root / 'some.txt', '\n'.join(names))
    return dict(data_root=str(root), split_file='some.txt')


def test_sizes_of_the_tables():
    assert len(tables.LASOT_TEST) == len(set(tables.LASOT_TEST)) == 280
    assert len(tables.UAV123) == 123
    assert len(tables.OTB100) == len(set(tables.OTB100)) == 98
    assert all(first < last for first, last in tables.UAV123.values())


# One video in every layout: the reader, where its frames and boxes are, how a box is
# written, and the arguments of the reader.
def corners(x, y, w, h):
    return f'0 {x} {y} {x + w} {y + h} 1 0 0 1 "dog"'


def polygon(x, y, w, h):
    return f'{x},{y + h},{x},{y},{x + w},{y},{x + w},{y + h}'


def commas(*box):
    return ','.join(map(str, box))


LAYOUTS = [
    (FolderSequences, 'Dog/img', 'Dog/groundtruth_rect.txt', commas, {}),
    (FolderSequences, 'Dog', 'Dog/groundtruth.txt', commas, {}),
    (LaSOTSequences, 'dog/Dog/img', 'dog/Dog/groundtruth.txt', commas, {}),
    (GOT10kSequences, 'val/Dog', 'val/Dog/groundtruth.txt', commas, {'split': 'val'}),
    (
        TrackingNetSequences,
        'TEST/frames/Dog',
        'TEST/anno/Dog.txt',
        commas,
        {'split': 'test'},
    ),
    (
        OTBSequences,
        'Dog/img',
        'Dog/groundtruth_rect.txt',
        commas,
        {'split_file': 'otb.txt'},
    ),
    (TC128Sequences, 'Dog/img', 'Dog/Dog_gt.txt', commas, {}),
    (NFSSequences, 'Dog/30/Dog', 'Dog/30/Dog.txt', corners, {}),
    (ITBSequences, 'animals/Dog', 'animals/Dog/groundtruth.txt', commas, {}),
    (TNL2KSequences, 'Dog/imgs', 'Dog/groundtruth.txt', commas, {}),
    (VOTSequences, 'Dog/color', 'Dog/groundtruth.txt', polygon, {}),
]


@pytest.mark.parametrize(('reader', 'frames', 'labels', 'line', 'options'), LAYOUTS)
def test_layouts_tell_the_same(write, tmp_path, reader, frames, labels, line, options):
    boxes = np.array([[1.5, 2, 3.25, 4], [2, -1, 5, 4.5], [0, 0, 8, 8.75]])
    root = tmp_path / 'data'
    write.frames(root / frames, [f'{i}.jpg' for i in (9, 10, 11)])
    write.text(root / labels, '\n'.join(line(*box) for box in boxes.tolist()))
    if 'split_file' in options:
        write.text(root / options['split_file'], 'Dog')
    dataset = reader(data_root=str(root), **options)
    assert dataset.names == ['Dog']
    sequence = dataset.sequence(0)
    np.testing.assert_array_equal(sequence.gt_xywh, boxes)
    assert frame_names(sequence) == ['9.jpg', '10.jpg', '11.jpg']
    assert sequence.visible.all()


# OTB100.


@pytest.mark.parametrize(
    ('name', 'in_folder', 'frames'),
    [
        ('David', (1, 770), (300, 770)),
        ('Football1', (1, 80), (1, 74)),
        ('Freeman3', (1, 463), (1, 460)),
        ('Freeman4', (1, 297), (1, 283)),
        ('Diving', (1, 231), (1, 215)),
        ('BlurCar1', (247, 988), (247, 988)),
        ('BlurCar3', (3, 359), (3, 359)),
        ('BlurCar4', (1, 397), (18, 397)),
        ('Basketball', (1, 3), (1, 3)),
    ],
)
def test_otb_frame_offsets(write, tmp_path, name, in_folder, frames):
    first, last = frames
    # The images are not opened, so they may be empty files.
    for frame in numbered(*in_folder):
        write.text(tmp_path / name / 'img' / frame, '')
    write.boxes(tmp_path / name / 'groundtruth_rect.txt', last - first + 1)
    sequence = OTBSequences(**split_of(write, tmp_path, name)).sequence(0)
    assert frame_names(sequence) == numbered(first, last)
    assert sequence.gt_xywh[0].tolist() == [1, 2, 3, 4]


def test_otb_tiger1_starts_later(write, tmp_path):
    for frame in numbered(1, 354):
        write.text(tmp_path / 'Tiger1/img' / frame, '')
    write.boxes(tmp_path / 'Tiger1/groundtruth_rect.txt', 354)
    dataset = OTBSequences(**split_of(write, tmp_path, 'Tiger1'))
    sequence = dataset.sequence(0)
    assert frame_names(sequence) == numbered(6, 354)
    assert sequence.gt_xywh[[0, -1], 0].tolist() == [6, 354]
    assert dataset.clip_source(0)['init_xywh'].tolist() == [6, 2, 3, 4]


def test_otb_targets_of_one_video(write, tmp_path):
    for name in ('Jogging', 'Skating2', 'Human4', 'Dog'):
        write.frames(tmp_path / name / 'img', numbered(1, 2))
    for name in ('Jogging', 'Skating2'):
        write.boxes(tmp_path / name / 'groundtruth_rect.1.txt', 2, (1, 1, 1, 1))
        write.boxes(tmp_path / name / 'groundtruth_rect.2.txt', 2, (2, 2, 2, 2))
    write.text(tmp_path / 'Human4/groundtruth_rect.1.txt', '\n')
    write.boxes(tmp_path / 'Human4/groundtruth_rect.2.txt', 2)
    write.boxes(tmp_path / 'Dog/groundtruth_rect.txt', 2)
    dataset = OTBSequences(
        **split_of(write, tmp_path, 'Dog', 'Human4', 'Jogging', 'Skating2')
    )
    assert dataset.names == [
        'Dog',
        'Human4.2',
        'Jogging.1',
        'Jogging.2',
        'Skating2.1',
        'Skating2.2',
    ]
    assert dataset.sequence(2).gt_xywh[0].tolist() == [1, 1, 1, 1]
    assert dataset.sequence(3).gt_xywh[0].tolist() == [2, 2, 2, 2]
    assert dataset.sequence(2).frame_paths == dataset.sequence(3).frame_paths


@pytest.mark.parametrize('line', ['1,2,3,4', '1\t2\t3\t4', '1 2 3 4'])
def test_otb_delimiters(write, tmp_path, line):
    write.frames(tmp_path / 'Dog/img', numbered(1, 1))
    write.text(tmp_path / 'Dog/groundtruth_rect.txt', line)
    dataset = OTBSequences(**split_of(write, tmp_path, 'Dog'))
    assert dataset.sequence(0).gt_xywh.tolist() == [[1, 2, 3, 4]]


def test_otb_attributes(write, tmp_path):
    write.video(tmp_path / 'Dog')
    write.text(tmp_path / 'anno/att/Dog.txt', '1,0,1,0,0,0,0,0,0,0,0')
    dataset = OTBSequences(**split_of(write, tmp_path, 'Dog'))
    assert dataset.sequence(0).attributes == ('IV', 'SV')


def test_otb_missing_videos_are_named(write, tmp_path):
    write.video(tmp_path / 'Dog')
    with pytest.raises(DataError) as error:
        OTBSequences(data_root=str(tmp_path))
    assert '97 of 98 videos' in str(error.value)
    assert 'Basketball/img' in str(error.value)


# UAV123.


def test_uav123_parts_share_a_folder(write, tmp_path):
    for frame in numbered(1, 2437, 6):
        write.text(tmp_path / 'data_seq/UAV123/bird1' / frame, '')
    for name, count in (('bird1_1', 253), ('bird1_2', 703), ('bird1_3', 865)):
        write.boxes(tmp_path / f'anno/UAV123/{name}.txt', count)
    dataset = UAV123Sequences(
        **split_of(write, tmp_path, 'bird1_1', 'bird1_2', 'bird1_3')
    )
    for idx, (first, last) in enumerate([(1, 253), (775, 1477), (1573, 2437)]):
        assert frame_names(dataset.sequence(idx)) == numbered(first, last, 6)
    assert '/bird1/' in dataset.sequence(2).frame_paths[0]


@pytest.mark.parametrize(
    ('name', 'folder'),
    [('car6_5', 'car6'), ('car1_s', 'car1_s'), ('wakeboard10', 'wakeboard10')],
)
def test_uav123_folders(name, folder):
    assert tables.uav123_folder(name) == folder


def test_uav123_rows_without_target_and_attributes(write, tmp_path):
    for frame in numbered(1, 109, 6):
        write.text(tmp_path / 'data_seq/UAV123/uav6' / frame, '')
    lines = ['1,2,3,4', 'NaN,NaN,NaN,NaN', *['1,2,3,4'] * 107]
    write.text(tmp_path / 'anno/UAV123/uav6.txt', '\n'.join(lines))
    write.text(tmp_path / 'anno/UAV123/att/uav6.txt', '1 0 0 1 0 0 0 0 0 0 0 1')
    sequence = UAV123Sequences(**split_of(write, tmp_path, 'uav6')).sequence(0)
    # UAV123 has no word on visibility; the metrics judge the row of NaN.
    assert sequence.visible.all()
    assert np.isnan(sequence.gt_xywh[1]).all()
    assert sequence.attributes == ('SV', 'FM', 'SOB')


# TC128.


def test_tc128_frame_ranges(write, tmp_path):
    write.frames(tmp_path / 'Ball_ce1/img', numbered(1, 9))
    write.text(tmp_path / 'Ball_ce1/Ball_ce1_frames.txt', '3,5\n')
    write.boxes(tmp_path / 'Ball_ce1/Ball_ce1_gt.txt', 3)
    write.frames(tmp_path / 'Whole/img', numbered(1, 2))
    write.boxes(tmp_path / 'Whole/Whole_gt.txt', 2)
    dataset = TC128Sequences(data_root=str(tmp_path))
    assert dataset.names == ['Ball_ce1', 'Whole']
    assert frame_names(dataset.sequence(0)) == numbered(3, 5)
    assert frame_names(dataset.sequence(1)) == numbered(1, 2)


def test_tc128_bad_range_is_named(write, tmp_path):
    write.text(tmp_path / 'Ball_ce1/Ball_ce1_frames.txt', '3')
    with pytest.raises(DataError, match=r'Ball_ce1_frames\.txt: 1 flags, expected 2'):
        TC128Sequences(data_root=str(tmp_path))


def test_tc128_new_ranges_are_seen(write, tmp_path):
    write.frames(tmp_path / 'Ball_ce1/img', numbered(1, 9))
    write.text(tmp_path / 'Ball_ce1/Ball_ce1_frames.txt', '3,5\n')
    write.boxes(tmp_path / 'Ball_ce1/Ball_ce1_gt.txt', 3)
    TC128Sequences(data_root=str(tmp_path))
    write.text(tmp_path / 'Ball_ce1/Ball_ce1_frames.txt', '4,6\n')
    sequence = TC128Sequences(data_root=str(tmp_path)).sequence(0)
    assert frame_names(sequence) == numbered(4, 6)


# Need for Speed.


def nfs_lines(count):
    return ''.join(f'0 {i} 20 {i + 30} 60 {i} 0 0 1 "a ball"\n' for i in range(count))


@pytest.mark.parametrize('nested', ['', 'board_1'])
def test_nfs_corners_and_labels(write, tmp_path, nested):
    folder = tmp_path / 'board_1' / nested
    for rate, count in (('30', 2), ('240', 16)):
        write.frames(folder / rate / 'board_1', numbered(1, count, 5))
        write.text(folder / rate / 'board_1.txt', nfs_lines(count))
    for rate, count in (('30', 2), ('240', 16)):
        sequence = NFSSequences(data_root=str(tmp_path), split=rate).sequence(0)
        assert sequence.name == 'board_1'
        assert len(sequence) == count
        assert sequence.gt_xywh[1].tolist() == [1, 20, 30, 40]


@pytest.mark.parametrize(
    ('num_lines', 'num_frames', 'kept', 'step'),
    [
        (10, 10, 10, 1),
        (80, 10, 10, 8),
        (77, 10, 10, 8),
        (81, 10, 10, 8),
        (11, 10, 10, 1),
        (9, 10, 9, 1),
    ],
)
def test_nfs_lengths(write, tmp_path, num_lines, num_frames, kept, step):
    write.frames(tmp_path / 'b/30/b', numbered(1, num_frames, 5))
    write.text(tmp_path / 'b/30/b.txt', nfs_lines(num_lines))
    sequence = NFSSequences(data_root=str(tmp_path)).sequence(0)
    assert len(sequence) == kept
    np.testing.assert_array_equal(sequence.gt_xywh[:, 0], step * np.arange(kept))


@pytest.mark.parametrize('num_lines', [8, 12])
def test_nfs_lengths_too_far_apart(write, tmp_path, num_lines):
    write.frames(tmp_path / 'b/30/b', numbered(1, 10, 5))
    write.text(tmp_path / 'b/30/b.txt', nfs_lines(num_lines))
    with pytest.raises(DataError, match=rf'b\.txt: {num_lines} boxes for 10'):
        NFSSequences(data_root=str(tmp_path))


def test_nfs_bad_lines_and_rates(write, tmp_path):
    write.frames(tmp_path / 'b/30/b', numbered(1, 1))
    write.text(tmp_path / 'b/30/b.txt', '0 1 2 3 "ball"\n')
    with pytest.raises(DataError, match=r'b\.txt, line 1: expected an identity'):
        NFSSequences(data_root=str(tmp_path))
    with pytest.raises(ValueError, match="'60'"):
        NFSSequences(data_root=str(tmp_path), split='60')


# ITB and TNL2K.


def test_itb_scenarios(write, tmp_path):
    for scenario, name in (
        ('Human-body', 'golf-1'),
        ('Animals', 'bee'),
        ('Human-body', 'golf-2'),
    ):
        write.frames(tmp_path / scenario / name, numbered(1, 2))
        write.boxes(tmp_path / scenario / name / 'groundtruth.txt', 2)
    dataset = ITBSequences(data_root=str(tmp_path))
    assert dataset.names == ['bee', 'golf-1', 'golf-2']
    assert dataset.sequence(1).attributes == ('Human-body',)
    assert ITBSequences(**split_of(write, tmp_path, 'golf-2')).names == ['golf-2']


def test_tnl2k(write, tmp_path):
    write.frames(tmp_path / 'Tiger_video_7-Done/imgs', ['2.png', '10.png'])
    write.boxes(tmp_path / 'Tiger_video_7-Done/groundtruth.txt', 2)
    write.text(tmp_path / 'Tiger_video_7-Done/language.txt', 'the tiger')
    write.text(tmp_path / 'att/Tiger_video_7-Done_attribute.txt', '1' + ',0' * 15 + ',1')
    dataset = TNL2KSequences(data_root=str(tmp_path))
    assert dataset.names == ['Tiger_video_7-Done']
    sequence = dataset.sequence(0)
    assert frame_names(sequence) == ['2.png', '10.png']
    assert sequence.attributes == ('CM', 'MS')


# VOT.


@pytest.mark.parametrize('base', ['', 'sequences'])
@pytest.mark.parametrize('images', ['', 'color'])
def test_vot_polygons(write, tmp_path, base, images):
    root = tmp_path / base
    for name in ('bag', 'ants1', 'unlisted'):
        write.frames(root / name / images, numbered(1, 2, 8))
        write.text(root / name / 'groundtruth.txt', '0,3,4,0,8,5,4,8\n1,2,3,4\n')
    write.text(root / 'ants1/occlusion.tag', '0\n1\n')
    write.text(root / 'ants1/camera_motion.tag', '0\n0\n')
    write.text(root / 'list.txt', 'bag\nants1\n')
    dataset = VOTSequences(data_root=str(tmp_path))
    assert dataset.names == ['bag', 'ants1']
    sequence = dataset.sequence(1)
    assert frame_names(sequence) == numbered(1, 2, 8)
    assert sequence.gt_xywh.tolist() == [[0, 0, 8, 8], [1, 2, 3, 4]]
    assert sequence.attributes == ('occlusion',)
    assert dataset.polygons(1).tolist() == [
        [0, 3, 4, 0, 8, 5, 4, 8],
        [1, 2, 4, 2, 4, 6, 1, 6],
    ]


def test_vot_masks_are_for_the_toolkit(write, tmp_path):
    write.frames(tmp_path / 'agility', numbered(1, 1))
    write.text(tmp_path / 'agility/groundtruth.txt', 'm535,111,35,46,12,3\n')
    with pytest.raises(DataError, match=r'groundtruth\.txt, line 1: .*vot-toolkit'):
        VOTSequences(data_root=str(tmp_path))
