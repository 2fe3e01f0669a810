import json

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import (
    RESET_LAYOUT,
    RunFolder,
    frames_per_second,
    read_details,
    read_times,
)
from sstrack_mm.structures.track_result import ResetResult, TrackResult

INFO = dict(config='a', seed=0)


def make_result(num_frames=3):
    rng = np.random.default_rng(num_frames)
    scores, times = rng.random((2, num_frames))
    return TrackResult(rng.uniform(0, 1e3, (num_frames, 4)), scores, times)


def all_files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_boxes_read_back_exactly(tmp_path):
    result = make_result(50)
    RunFolder(tmp_path / 'out', INFO).write('car', result)
    boxes = np.loadtxt(tmp_path / 'out' / 'car.txt', delimiter=',')
    np.testing.assert_array_equal(boxes, result.bboxes_xywh)


def test_layout(tmp_path):
    folder = RunFolder(tmp_path, INFO)
    result = make_result()
    folder.write('car', result)
    folder.write_failure('dog', 'out of memory')
    assert all_files(tmp_path) == {
        'run.json',
        'car.txt',
        'details/car.json',
        'failed/dog.txt',
    }
    details = read_details(tmp_path, 'car', INFO)
    np.testing.assert_array_equal(details['scores'], result.scores)
    np.testing.assert_array_equal(details['times'], result.times)
    assert (tmp_path / 'failed' / 'dog.txt').read_text() == 'out of memory'
    assert json.loads((tmp_path / 'run.json').read_text()) == INFO


def test_a_result_ends_a_failure(tmp_path):
    folder = RunFolder(tmp_path, INFO)
    folder.write_failure('car', 'out of memory')
    folder.write('car', make_result())
    assert not (tmp_path / 'failed' / 'car.txt').exists()


def test_finished(tmp_path):
    folder = RunFolder(tmp_path, dict(sizes=(1, 2)))
    assert not folder.is_finished('car', 3)
    folder.write('car', make_result())
    again = RunFolder(tmp_path, dict(sizes=(1, 2)))
    assert again.is_finished('car', 3)
    assert not again.is_finished('car', 4)
    with open(tmp_path / 'car.txt', 'a') as file:
        file.write('1,2,3,4\n')
    assert not again.is_finished('car', 3)


def test_broken_details_are_not_finished(tmp_path):
    folder = RunFolder(tmp_path, INFO)
    folder.write('car', make_result())
    (tmp_path / 'details' / 'car.json').write_text('{"run')
    assert not folder.is_finished('car', 3)


def test_another_run_is_refused(tmp_path):
    RunFolder(tmp_path, INFO).write('car', make_result())
    with pytest.raises(DataError, match=r'differ in seed \(0 there, 5 here\)'):
        RunFolder(tmp_path, dict(INFO, seed=5))


def test_results_of_unknown_origin_are_refused(tmp_path):
    (tmp_path / 'car.txt').write_text('1,2,3,4\n')
    with pytest.raises(DataError, match='no run.json'):
        RunFolder(tmp_path, INFO)


def test_mixed_results_are_noticed(tmp_path):
    for place, seed in enumerate((0, 1)):
        folder = RunFolder(tmp_path / str(seed), dict(INFO, seed=seed))
        folder.write('car', make_result(3 + place))
    copied = (tmp_path / '1' / 'car.txt').read_bytes()
    (tmp_path / '0' / 'car.txt').write_bytes(copied)
    with pytest.raises(DataError, match='car.txt: it is not as the run wrote it'):
        read_details(tmp_path / '0', 'car', INFO)
    details = (tmp_path / '1' / 'details' / 'car.json').read_bytes()
    (tmp_path / '0' / 'details' / 'car.json').write_bytes(details)
    with pytest.raises(DataError, match='car.txt: another run made it'):
        read_details(tmp_path / '0', 'car', INFO)
    (tmp_path / '0' / 'details' / 'car.json').unlink()
    with pytest.raises(DataError, match='car.txt: the run .* did not write it'):
        read_details(tmp_path / '0', 'car', INFO)


def test_names_must_be_file_names(tmp_path):
    with pytest.raises(DataError, match="'a/b'"):
        RunFolder(tmp_path, INFO).is_finished('a/b', 3)


@pytest.mark.parametrize(
    ('field', 'value', 'message'),
    [
        ('bboxes_xywh', np.zeros((2, 4)), r'bboxes_xywh of shape \(2, 4\) for 3 frames'),
        ('scores', np.zeros((3, 1)), r'scores of shape \(3, 1\)'),
        ('times', np.array([0, np.nan, 0]), 'times that are not finite.*frame 2'),
        ('bboxes_xywh', np.array([[1.0] * 4, [1] * 4, [1, 2, np.inf, 3]]), 'frame 3'),
    ],
)
def test_unusable_results(field, value, message):
    make_result().check(3)
    with pytest.raises(DataError, match=message):
        make_result()._replace(**{field: value}).check(3)


def test_trajectories(tmp_path):
    """Rows of several lengths; whole numbers stay whole."""
    folder = RunFolder(tmp_path, INFO, RESET_LAYOUT)
    rows = [np.array([1]), np.array([0.1, 2, 3, 4]), np.array([2]), np.array([0])]
    result = ResetResult(rows, np.ones(4), np.array([0.1, 0.3, 0.2, 0]))
    folder.write('car', result)
    path = tmp_path / 'baseline' / 'car' / 'car_001.txt'
    assert path.read_text() == '1\n0.1,2.0,3.0,4.0\n2\n0\n'
    assert folder.is_finished('car', 4)
    assert read_details(tmp_path, 'car', INFO, RESET_LAYOUT)['scores'] == [1] * 4
    path.write_text('1\n')
    assert not folder.is_finished('car', 4)
    with pytest.raises(DataError, match='car_001.txt: it is not as the run wrote it'):
        read_details(tmp_path, 'car', INFO, RESET_LAYOUT)
    # frames without tracking take no time
    assert frames_per_second(read_times(tmp_path)) == pytest.approx(5)


def test_trajectories_of_another_program_are_not_mixed(tmp_path):
    (tmp_path / 'baseline' / 'car').mkdir(parents=True)
    (tmp_path / 'baseline' / 'car' / 'car_001.txt').write_text('1\n')
    with pytest.raises(DataError, match='do not say what made them'):
        RunFolder(tmp_path, INFO, RESET_LAYOUT)


def test_a_run_that_failed_at_once_blocks_nothing(tmp_path):
    """Until there is a result, another run may take the folder."""
    RunFolder(tmp_path, INFO).write_failure('car', 'the weights do not fit')
    other = dict(INFO, seed=1)
    RunFolder(tmp_path, other).write('car', make_result())
    with pytest.raises(DataError, match='another run'):
        RunFolder(tmp_path, INFO)
    assert RunFolder(tmp_path, other).is_finished('car', 3)
