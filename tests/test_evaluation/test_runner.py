import functools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.runner import Experiment, first_box, run_sequences
from sstrack_mm.structures.sequence import VideoSequence
from sstrack_mm.structures.track_result import TrackResult

INFO = dict(config='tiny', seed=0)
NAMES = ['car', 'dog', 'cup', 'bird', 'boat']


class FakeDataset:
    """Five videos of different lengths; ``broken`` ones cannot be read."""

    def __init__(self, names=NAMES, broken=()):
        self.names = names
        self.broken = broken

    def sequence(self, idx):
        name = self.names[idx]
        if name in self.broken:
            raise DataError(f'{name}/groundtruth.txt: no such file')
        num_frames = 4 + idx
        return VideoSequence(
            name,
            [f'data/{name}/{i}.jpg' for i in range(num_frames)],
            np.full((num_frames, 4), 50.0),
            np.ones(num_frames, bool),
        )


@pytest.fixture
def factory(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from fake_tracker import make_tracker

    return lambda **trouble: functools.partial(make_tracker, trouble)


def boxes_in(folder):
    return {path.stem: path.read_bytes() for path in folder.glob('*.txt')}


@pytest.fixture
def expected(tmp_path, factory):
    """The box files of a run that nothing disturbed."""
    run_sequences(factory(), FakeDataset(), tmp_path / 'expected', INFO, progress=False)
    boxes = boxes_in(tmp_path / 'expected')
    assert sorted(boxes) == sorted(NAMES)
    return boxes


def test_a_second_run_has_nothing_to_do(tmp_path, factory):
    summary = run_sequences(factory(), FakeDataset(), tmp_path, INFO)
    assert (summary.finished, summary.skipped, summary.failed) == (NAMES, [], {})
    assert summary.exit_code == 0
    # The tracker is not even made.
    again = run_sequences(factory(factory=True), FakeDataset(), tmp_path, INFO)
    assert (again.finished, again.skipped, again.failed) == ([], NAMES, {})
    assert again.exit_code == 0


def test_a_sequence_without_a_first_box_is_named():
    sequence = replace(FakeDataset(['raw']).sequence(0), gt_xywh=np.empty((0, 4)))
    with pytest.raises(DataError, match='raw: it has no box'):
        first_box(sequence)


def test_progress_bar(tmp_path, factory, capsys):
    run_sequences(factory(dog='crash'), FakeDataset(NAMES[:3]), tmp_path, INFO)
    shown = capsys.readouterr().err
    assert '2/3 sequences' in shown
    assert '15/15' in shown
    assert 'frames/s' in shown
    assert 'failed=1' in shown
    run_sequences(factory(), FakeDataset(), tmp_path, INFO, progress=False)
    assert not capsys.readouterr().err


def test_a_crash_fails_one_sequence(tmp_path, factory, caplog, expected):
    out = tmp_path / 'out'
    summary = run_sequences(
        factory(cup='crash', boat='short'), FakeDataset(), out, INFO, progress=False
    )
    assert summary.finished == ['car', 'dog', 'bird']
    assert set(summary.failed) == {'cup', 'boat'}
    assert summary.exit_code == 1
    assert 'cup failed: ValueError: cannot track cup' in caplog.text
    assert '2 sequences have no result: cup, boat' in caplog.text
    assert 'Traceback' in (out / 'failed' / 'cup.txt').read_text()
    assert '(7, 4) for 8 frames' in (out / 'failed' / 'boat.txt').read_text()

    again = run_sequences(factory(), FakeDataset(), out, INFO, progress=False)
    assert again.finished == ['cup', 'boat']
    assert not list((out / 'failed').iterdir())
    assert boxes_in(out) == expected


def test_an_unreadable_sequence_fails_alone(tmp_path, factory, caplog):
    summary = run_sequences(
        factory(), FakeDataset(broken=['dog']), tmp_path, INFO, progress=False
    )
    assert summary.finished == ['car', 'cup', 'bird', 'boat']
    assert 'dog/groundtruth.txt' in summary.failed['dog']
    assert 'dog cannot be read' in caplog.text
    assert (tmp_path / 'failed' / 'dog.txt').exists()


def test_ctrl_c_keeps_what_is_finished(tmp_path, factory, caplog, expected):
    out = tmp_path / 'out'
    with pytest.raises(KeyboardInterrupt):
        run_sequences(factory(cup='interrupt'), FakeDataset(), out, INFO, progress=False)
    assert sorted(boxes_in(out)) == ['car', 'dog']
    assert '2 sequences are in' in caplog.text
    assert '3 are left: start the same command again' in caplog.text
    again = run_sequences(factory(), FakeDataset(), out, INFO, progress=False)
    assert again.skipped == ['car', 'dog']
    assert boxes_in(out) == expected


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_runner import *
from fake_tracker import make_tracker

if __name__ == '__main__':
    factory = functools.partial(make_tracker, dict(bird=sys.argv[3]))
    workers = int(sys.argv[4])
    run_sequences(
        factory, FakeDataset(), sys.argv[2], INFO, workers=workers, progress=False
    )
"""


@pytest.mark.parametrize(('trouble', 'workers'), [('kill', 1), ('kill parent', 2)])
def test_killed_and_resumed_is_byte_identical(
    tmp_path, factory, expected, trouble, workers
):
    out = tmp_path / 'out'
    (tmp_path / 'run.py').write_text(SCRIPT)
    arguments = [tmp_path / 'run.py', Path(__file__).parent, out, trouble, workers]
    # This waits for the workers too: they hold its end of the error stream.
    process = subprocess.run(
        [sys.executable, *map(str, arguments)], check=False, capture_output=True
    )
    assert process.returncode == -9
    assert b'Traceback' not in process.stderr
    finished = boxes_in(out)
    # A worker ends the sequence it is at.
    assert {'car', 'cup', 'dog'} <= set(finished)
    assert ('bird' in finished) == (workers == 2)
    summary = run_sequences(factory(), FakeDataset(), out, INFO, progress=False)
    assert sorted(summary.skipped) == sorted(finished)
    assert boxes_in(out) == expected


def test_a_full_disk_ends_the_run(tmp_path, factory, monkeypatch):
    monkeypatch.setattr(os, 'fsync', os.fsync)  # put back what the tracker does to it
    with pytest.raises(FullDiskError, match='cup.* the disk is full'):
        run_sequences(
            factory(cup='full disk'), FakeDataset(), tmp_path, INFO, progress=False
        )
    assert sorted(boxes_in(tmp_path)) == ['car', 'dog']


def test_what_a_worker_has_finished_counts_on_ctrl_c(tmp_path, factory, caplog):
    """It is on disk, but the first process was stopped before it heard of it."""

    def stop(frame_paths, init_xywh):
        run_sequences(factory(), FakeDataset(), tmp_path, INFO, progress=False)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sequences(lambda: stop, FakeDataset(), tmp_path, INFO, progress=False)
    assert '5 sequences are in' in caplog.text and '0 are left' in caplog.text


def test_another_run_is_refused(tmp_path, factory):
    run_sequences(factory(), FakeDataset(), tmp_path, INFO, progress=False)
    with pytest.raises(DataError, match='seed'):
        run_sequences(factory(), FakeDataset(), tmp_path, dict(INFO, seed=1))


def test_ranks_share_the_sequences(tmp_path, factory, expected):
    out = tmp_path / 'out'
    first = run_sequences(
        factory(), FakeDataset(), out, INFO, rank=0, world_size=2, progress=False
    )
    second = run_sequences(factory(), FakeDataset(), out, INFO, rank=1, world_size=2)
    assert first.finished == ['car', 'cup', 'boat']
    assert second.finished == ['dog', 'bird']
    assert boxes_in(out) == expected


def test_workers_write_the_same_bytes(tmp_path, factory, expected):
    out = tmp_path / 'out'
    summary = run_sequences(
        factory(), FakeDataset(), out, INFO, workers=2, progress=False
    )
    assert sorted(summary.finished) == sorted(NAMES)
    assert boxes_in(out) == expected


def test_workers_that_crash_or_die(tmp_path, factory, expected):
    out = tmp_path / 'out'
    summary = run_sequences(
        factory(dog='kill', cup='crash'),
        FakeDataset(),
        out,
        INFO,
        workers=2,
        progress=False,
    )
    assert sorted(summary.finished) == ['bird', 'boat', 'car']
    assert 'exit code -9' in summary.failed['dog']
    assert 'cannot track cup' in summary.failed['cup']
    assert 'exit code -9' in (out / 'failed' / 'dog.txt').read_text()
    run_sequences(factory(), FakeDataset(), out, INFO, workers=2, progress=False)
    assert boxes_in(out) == expected


def test_workers_without_a_tracker(tmp_path, factory):
    with pytest.raises(RuntimeError, match='no such checkpoint'):
        run_sequences(
            factory(factory=True),
            FakeDataset(),
            tmp_path,
            INFO,
            workers=2,
            progress=False,
        )
    with pytest.raises(ValueError, match='no such checkpoint'):
        run_sequences(
            factory(factory=True), FakeDataset(), tmp_path, INFO, progress=False
        )


def test_a_full_disk_in_a_worker(tmp_path, factory):
    with pytest.raises(FullDiskError, match='car.* the disk is full'):
        run_sequences(
            factory(car='full disk'),
            FakeDataset(),
            tmp_path,
            INFO,
            workers=2,
            progress=False,
        )
    assert 'car' not in boxes_in(tmp_path)


def test_what_the_tracker_is_told(tmp_path):
    """The first box alone, unless the experiment tells more."""
    told = []

    def track(frame_paths, truth):
        told.append(truth)
        return TrackResult(np.ones((4, 4)), np.ones(4), np.ones(4))

    dataset = FakeDataset(['car'])
    run_sequences(lambda: track, dataset, tmp_path / 'a', INFO, progress=False)
    assert told.pop().shape == (4,)
    more = Experiment(lambda sequence: sequence.gt_xywh, 'deep/{name}_001.txt')
    for _ in range(2):
        run_sequences(
            lambda: track, dataset, tmp_path / 'b', INFO, progress=False, experiment=more
        )
    assert [truth.shape for truth in told] == [(4, 4)]  # the second run skips it
    assert (tmp_path / 'b' / 'deep' / 'car_001.txt').exists()


def test_a_sequence_that_cannot_be_told_fails_alone(tmp_path, factory):
    def tell(sequence):
        if sequence.name == 'dog':
            raise DataError('dog: there is no groundtruth.txt')
        return sequence.gt_xywh[0]

    experiment = Experiment(tell, '{name}.txt')
    summary = run_sequences(
        factory(), FakeDataset(), tmp_path, INFO, progress=False, experiment=experiment
    )
    assert summary.failed == {'dog': 'dog: there is no groundtruth.txt'}
    assert len(summary.finished) == 4


def test_two_sequences_of_one_name(tmp_path, factory):
    with pytest.raises(DataError, match='same name'):
        run_sequences(factory(), FakeDataset(['car', 'car']), tmp_path, INFO)


@pytest.mark.parametrize(
    'wrong', [dict(workers=0), dict(rank=2, world_size=2), dict(rank=-1)]
)
def test_wrong_arguments(tmp_path, factory, wrong):
    with pytest.raises(ValueError, match='need workers >= 1'):
        run_sequences(factory(), FakeDataset(), tmp_path, INFO, **wrong)
