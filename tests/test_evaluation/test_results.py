import logging

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.results import load_results, match_names, read_bboxes
from sstrack_mm.evaluation.run_folder import RunFolder
from sstrack_mm.structures.track_result import TrackResult

BOXES = np.array([[10, 20, 30, 40], [11, 21, 31, 41], [12, 22, 32, 42.0]])


def write(path, boxes=BOXES, form='%.4f', delimiter=','):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, boxes, form, delimiter)


def test_own_results(tmp_path):
    result = TrackResult(BOXES / 3, np.array([1, 0.5, 0.25]), np.array([0.5, 0.1, 0.4]))
    folder = RunFolder(tmp_path, dict(seed=1))
    folder.write('car', result)
    folder.write('a_time', result)  # a name like a side file of PyTracking
    folder.write_failure('dog', 'why')
    results = load_results(tmp_path)
    assert set(results.bboxes_xywh) == {'car', 'a_time'}
    np.testing.assert_array_equal(results.bboxes_xywh['car'], result.bboxes_xywh)
    np.testing.assert_array_equal(results.scores['car'], result.scores)
    np.testing.assert_array_equal(results.times['car'], result.times)
    assert results.run_info == dict(seed=1)
    assert results.fps == pytest.approx(3)


def test_own_results_of_two_runs(tmp_path):
    result = TrackResult(BOXES, np.ones(3), np.ones(3))
    RunFolder(tmp_path, dict(seed=1)).write('car', result)
    write(tmp_path / 'dog.txt')
    with pytest.raises(DataError, match='dog.txt'):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ('form', 'delimiter'),
    [('%.4f', ','), ('%d', '\t'), ('%.2f', ' '), ('%.2f', ', '), ('%.1f', ';')],
)
def test_files_of_boxes(tmp_path, form, delimiter):
    write(tmp_path / 'car.txt', BOXES, form, delimiter)
    write(tmp_path / 'dog-1.txt', BOXES + 1, form, delimiter)
    results = load_results(tmp_path)
    assert set(results.bboxes_xywh) == {'car', 'dog-1'}
    np.testing.assert_array_equal(results.bboxes_xywh['dog-1'], BOXES + 1)
    assert results.run_info is None
    assert results.scores == results.times == {}
    assert results.fps is None


def test_pytracking_folder(tmp_path):
    write(tmp_path / 'car.txt', BOXES, '%d', '\t')
    write(tmp_path / 'car_time.txt', [0.5, 0.25, 0.25], '%f', '\t')
    write(tmp_path / 'car_all_boxes.txt', np.ones((3, 8)), '%d', '\t')
    write(tmp_path / 'car_all_scores.txt', np.ones((3, 2)), '%f', '\t')
    write(tmp_path / 'car_object_presence_scores.txt', np.ones(3), '%f', '\t')
    write(tmp_path / 'race_time.txt', BOXES, '%d', '\t')
    results = load_results(tmp_path)
    assert set(results.bboxes_xywh) == {'car', 'race_time'}
    np.testing.assert_array_equal(results.bboxes_xywh['car'], BOXES)
    np.testing.assert_array_equal(results.times['car'], [0.5, 0.25, 0.25])
    assert results.fps == pytest.approx(3)


def test_got10k_folder(tmp_path, caplog):
    name = 'GOT-10k_Val_000001'
    for repetition in (1, 2, 3):
        write(tmp_path / name / f'{name}_{repetition:03d}.txt', form='%.3f')
    write(
        tmp_path / name / f'{name}_time.txt',
        [[np.nan, 1, 1], [0.25, 1, 1], [0.25, 1, 1]],
        '%.8f',
    )
    with caplog.at_level(logging.WARNING):
        results = load_results(tmp_path)
    np.testing.assert_array_equal(results.bboxes_xywh[name], BOXES)
    assert set(results.bboxes_xywh) == {name}
    assert results.fps == pytest.approx(4)
    assert not caplog.records


def test_repetitions_that_differ_are_told(tmp_path, caplog):
    write(tmp_path / 'car' / 'car_001.txt')
    write(tmp_path / 'car' / 'car_002.txt', BOXES + 1)
    with caplog.at_level(logging.WARNING):
        results = load_results(tmp_path)
    np.testing.assert_array_equal(results.bboxes_xywh['car'], BOXES)
    assert 'more than once' in caplog.text


def test_got10k_toolkit_on_otb(tmp_path):
    write(tmp_path / 'car.txt', form='%.3f')
    write(tmp_path / 'times' / 'car_time.txt', [0.5, 0.5, 0.5])
    results = load_results(tmp_path)
    assert set(results.bboxes_xywh) == {'car'}
    assert results.fps == pytest.approx(2)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,2,3', 'car.txt, line 2: .*3'),
        ('1,2,three,4', 'car.txt, line 2: .*three'),
        ('1,2,nan,4', r'car.txt, line 2: not a finite box: \[1.0, 2.0, nan, 4.0\]'),
    ],
)
def test_bad_lines(tmp_path, line, message):
    (tmp_path / 'car.txt').write_text(f'1,2,3,4\n{line}\n5,6,7,8\n')
    with pytest.raises(DataError, match=message):
        read_bboxes(tmp_path / 'car.txt')


def test_bad_times(tmp_path):
    write(tmp_path / 'car.txt')
    (tmp_path / 'car_time.txt').write_text('0.1\nfast\n0.1\n')
    with pytest.raises(DataError, match='car_time.txt'):
        load_results(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match='none: no such folder'):
        load_results(tmp_path / 'none')
    write(tmp_path / 'lasot' / 'tracker' / 'car.txt')
    with pytest.raises(DataError, match='the folder of one tracker'):
        load_results(tmp_path)
    (tmp_path / 'car.txt').touch()
    with pytest.raises(DataError, match='car.txt: the file is empty'):
        load_results(tmp_path)


OTB_NAMES = ['Car1', 'Human4.2', 'Jogging.1', 'Jogging.2', 'Skating2.1', 'Skating2.2']


@pytest.mark.parametrize(
    'saved',
    [
        OTB_NAMES,
        ['Car1', 'Human4-2', 'Jogging-1', 'Jogging-2', 'Skating2-1', 'Skating2-2'],
        ['Car1', 'Human4', 'Jogging_1', 'Jogging_2', 'Skating2_1', 'Skating2_2'],
        ['car1', 'human4', 'jogging.1', 'jogging.2', 'skating2-1', 'skating2-2'],
        ['otb_Car1', 'Human4', 'Jogging1', 'Jogging2', 'Skating2', 'Skating2-2'],
    ],
)
def test_names_of_other_toolkits(tmp_path, saved):
    for level, name in enumerate(saved):
        write(tmp_path / f'{name}.txt', BOXES + level)
        write(tmp_path / f'{name}_time.txt', [0.5, 0.5, 0.5])
    results = load_results(tmp_path, OTB_NAMES)
    assert list(results.bboxes_xywh) == list(results.times)
    assert sorted(results.bboxes_xywh) == OTB_NAMES
    for level, name in enumerate(OTB_NAMES):
        np.testing.assert_array_equal(results.bboxes_xywh[name], BOXES + level)


def test_names_of_several_datasets_in_one_folder():
    saved = ['Car1', 'uav_car1', 'nfs_car1_2', 'bear-1']
    assert match_names(saved, ['car1'])['uav_car1'] == 'car1'
    assert match_names(saved, ['Car1'])['uav_car1'] == 'uav_car1'
    assert match_names(saved, ['car1_2', 'bear-1']) == {
        'Car1': 'Car1',
        'uav_car1': 'uav_car1',
        'nfs_car1_2': 'car1_2',
        'bear-1': 'bear-1',
    }
    assert match_names(saved, []) == {name: name for name in saved}


def test_two_results_of_one_sequence():
    with pytest.raises(DataError, match='Jogging-1 and Jogging_1 .* of Jogging.1'):
        match_names(['Jogging_1', 'Jogging-1'], OTB_NAMES)
    # One of the very name is the right one.
    saved = ['Jogging-1', 'Jogging.1']
    assert match_names(saved, OTB_NAMES) == {name: name for name in saved}


def test_what_is_no_result_is_not_read(tmp_path):
    (tmp_path / 'car.txt').write_text('1,2,3,4\n')
    (tmp_path / 'README.txt').write_text('Boxes of a tracker.\n')
    (tmp_path / '._car.txt').write_bytes(b'\x00\x05\x16\x07')
    assert set(load_results(tmp_path, ['car']).bboxes_xywh) == {'car'}
    with pytest.raises(DataError, match='README.txt, line 1'):
        load_results(tmp_path)


def test_bad_results_can_be_left_out(tmp_path, caplog):
    (tmp_path / 'car.txt').write_text('1,2,3,4\n')
    (tmp_path / 'dog.txt').write_text('1,2,nan,4\n')
    with pytest.raises(DataError, match='dog.txt, line 1: not a finite box'):
        load_results(tmp_path, ['car', 'dog'])
    results = load_results(tmp_path, ['car', 'dog'], skip_bad=True)
    assert set(results.bboxes_xywh) == {'car'}
    assert 'dog.txt, line 1' in caplog.text
