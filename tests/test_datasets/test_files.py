import numpy as np
import pytest

from sstrack_mm.datasets import files
from sstrack_mm.errors import DataError
from sstrack_mm.frames import list_frames


def put(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    'line',
    [
        '1,2,3,4',
        '1\t2\t3\t4',
        '1 2 3 4',
        '1;2;3;4',
        ' 1,\t2  3;4 ',
        '1,2,3,4,',
        '1.0,2e0,3.00E+00,0.4e1',
    ],
)
def test_every_delimiter(line):
    assert files.parse_box(line) == (1, 2, 3, 4)


def test_polygon_becomes_its_axis_aligned_box():
    assert files.parse_box('5,1, 9,4, 6,8, 2,3') == (2, 1, 7, 7)
    assert np.isnan(files.parse_box('5,1, 9,nan, 6,8, 2,3')[1])


def test_lines_of_a_file(tmp_path):
    path = put(tmp_path / 'gt.txt', '\ufeff1,2\r\nNaN 3\r\n\r\n5\n \n')
    assert files.read_lines(path) == ['1,2', 'NaN 3', '', '5']


def test_names_of_a_list(tmp_path):
    assert files.read_names(put(tmp_path / 'l.txt', ' a \n\nb c\n')) == ['a', 'b c']


def test_boxes_of_lines():
    boxes = files.parse_lines(
        'gt.txt', [(1, '1,2,3,4'), (3, 'NaN NaN NaN NaN')], files.parse_box
    )
    assert boxes.dtype == np.float64
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [np.nan] * 4])


@pytest.mark.parametrize(
    ('line', 'reason'), [('1,2,three,4', 'three'), ('1,2,3', 'got 3'), ('', 'got 0')]
)
def test_unparsable_line_is_named_with_its_number(line, reason):
    with pytest.raises(DataError, match=rf'a/gt\.txt, line 7: .*{reason}'):
        files.parse_lines('a/gt.txt', [(1, '1,2,3,4'), (7, line)], files.parse_box)


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r'gone\.txt: no such file'):
        files.read_lines(tmp_path / 'gone.txt')
    with pytest.raises(DataError, match=r'empty\.txt: the file is empty'):
        files.read_lines(put(tmp_path / 'empty.txt', '\n\n'))


@pytest.mark.parametrize('text', ['0,1,1', '0\n1\n1\n', '0 1\n1'])
def test_flags_in_a_row_or_a_column(tmp_path, text):
    assert files.read_flags(put(tmp_path / 'f.txt', text), 3).tolist() == [0, 1, 1]


def test_bad_flags_are_named(tmp_path):
    with pytest.raises(DataError, match=r'f\.txt: 2 flags, expected 3'):
        files.read_flags(put(tmp_path / 'f.txt', '0,1'), 3)
    with pytest.raises(DataError, match=r"f\.txt: .*'x'"):
        files.read_flags(put(tmp_path / 'f.txt', '0,x,1'), 3)


def test_frame_range_goes_by_the_numbers_in_the_names():
    frames = [f'img{number:04d}.jpg' for number in range(298, 310)]
    assert files.frame_range('d', frames, None, None) == (0, 12)
    assert files.frame_range('d', frames, 300, 305) == (2, 8)
    assert files.frame_range('d', frames, 300, None) == (2, 12)
    assert files.frame_range('d', frames, None, 300) == (0, 3)


@pytest.mark.parametrize(
    'frames', [['1.jpg', '2.jpg'], ['1.jpg', '3.jpg'], ['a.jpg', 'b.jpg']]
)
def test_frame_range_with_missing_frames_is_an_error(frames):
    with pytest.raises(DataError, match=r'some/folder: .* frames 1 to 3'):
        files.frame_range('some/folder', frames, 1, 3)


HIDDEN = ('._1', '.DS_Store', '@eaDir', '$RECYCLE.BIN', '__MACOSX', 'lost+found')


def test_what_systems_leave_is_not_listed(tmp_path):
    for name in HIDDEN:
        (tmp_path / name).mkdir()
    for name in ('._1.jpg', '@thumb.jpg', '1.jpg'):
        put(tmp_path / name, '')
    (tmp_path / 'car').mkdir()
    assert files.list_folders(tmp_path) == ['car']
    assert list_frames(tmp_path) == ['1.jpg']


def test_a_link_to_itself_is_listed_and_then_refused(tmp_path):
    (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
    assert files.list_folders(tmp_path) == ['loop']
    with pytest.raises(DataError, match='loop: Too many levels of symbolic links'):
        list_frames(tmp_path / 'loop')
    with pytest.raises(DataError, match='loop: Too many levels of symbolic links'):
        files.read_lines(tmp_path / 'loop')


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(files.os, 'listdir', refuse)
    monkeypatch.setattr(files.os, 'scandir', refuse)
    for read in (list_frames, files.list_folders):
        with pytest.raises(DataError, match=f'^{tmp_path}: Permission denied \\(see'):
            read(tmp_path)


def test_all_bad_lines_are_numbered():
    lines = list(enumerate(['1,2,3,4', 'x', '1,2,3', '1,2,3,4', ''], start=1))
    with pytest.raises(DataError, match=r"b.txt, line 2: .*'x' \(and so lines 3, 5\) \("):
        files.parse_lines('b.txt', lines, files.parse_box)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('x,y,w,h', ". Line 2 is no box: 'x,y,w,h'"),
        (' ', '. Line 2 is blank'),
        ('5,6,7,8', ''),
    ],
)
def test_extra_lines(line, message):
    assert files.describe_extra_lines([(1, 'nan,1,2,3'), (2, line)]) == message
