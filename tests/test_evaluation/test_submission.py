"""The files for evaluation servers: their layout, and what is found before they leave."""

import io
import time
import zipfile

import numpy as np
import pytest
from got10k.experiments import ExperimentGOT10k

from sstrack_mm import disk
from sstrack_mm.datasets.catalogue import CATALOGUE
from sstrack_mm.datasets.readers import GOT10kSequences, TrackingNetSequences
from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.results import load_results
from sstrack_mm.evaluation.run_folder import RunFolder
from sstrack_mm.evaluation.submission import (
    SERVERS,
    check_submission,
    find_server,
    write_submission,
)
from sstrack_mm.structures.track_result import TrackResult

LENGTHS = {'GOT-10k_Test_000001': 5, 'GOT-10k_Test_000002': 3}


@pytest.fixture
def got10k(tmp_path):
    """The test set as it is published: one box a video; the images are not read."""
    folder = tmp_path / 'got10k' / 'test'
    for name, num_frames in LENGTHS.items():
        (folder / name).mkdir(parents=True)
        for number in range(1, num_frames + 1):
            (folder / name / f'{number:08d}.jpg').touch()
        (folder / name / 'groundtruth.txt').write_text('10,20,30,40\n')
    (folder / 'list.txt').write_text('\n'.join(LENGTHS))
    return GOT10kSequences(data_root=str(folder.parent), split='test')


@pytest.fixture
def trackingnet(tmp_path):
    """The test set as it is published, with one video of three frames."""
    folder = tmp_path / 'trackingnet' / 'TEST'
    (folder / 'frames' / 'a_0').mkdir(parents=True)
    (folder / 'anno').mkdir()
    for number in range(3):
        (folder / 'frames' / 'a_0' / f'{number}.jpg').touch()
    (folder / 'anno' / 'a_0.txt').write_text('10,20,30,40\n')
    return TrackingNetSequences(data_root=str(folder.parent), split='test')


def track(num_frames):
    rng = np.random.default_rng(num_frames)
    return TrackResult(
        rng.uniform(1, 500, (num_frames, 4)),
        np.ones(num_frames),
        rng.uniform(0.001, 0.1, num_frames),
    )


def save(folder, dataset, **changes):
    """The results of a run, with one field of the first video changed."""
    run = RunFolder(folder, dict(seed=1))
    for place, sequence in enumerate(dataset.sequences()):
        result = track(len(sequence))
        run.write(sequence.name, result._replace(**({} if place else changes)))
    return load_results(folder)


class Tracker:
    """What the GOT-10k toolkit asks of a tracker."""

    name = 'tracker'
    is_deterministic = True

    def track(self, img_files, box, visualize=False):
        result = track(len(img_files))
        return result.bboxes_xywh, result.times


def test_the_zip_is_that_of_the_got10k_toolkit(got10k, tmp_path, monkeypatch):
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)
    experiment = ExperimentGOT10k(
        got10k.data_root, 'test', str(tmp_path / 'theirs'), str(tmp_path / 'reports')
    )
    experiment.run(Tracker())
    experiment.report(['tracker'])
    results = save(tmp_path / 'ours', got10k)
    write_submission(tmp_path / 'ours.zip', 'got10k_test', got10k.sequences(), results)
    with (
        zipfile.ZipFile(tmp_path / 'ours.zip') as ours,
        zipfile.ZipFile(tmp_path / 'theirs' / 'GOT-10k' / 'tracker.zip') as theirs,
    ):
        files = [name for name in theirs.namelist() if not name.endswith('/')]
        assert len(files) == 2 * len(LENGTHS)
        assert sorted(ours.namelist()) == sorted(files)
        for name in files:
            assert ours.read(name) == theirs.read(name)


def test_trackingnet_reads_as_its_server_does(trackingnet, tmp_path):
    """One NAME.txt a video at the top, four numbers between commas a line."""
    results = save(tmp_path / 'out', trackingnet)
    path = tmp_path / 'out.zip'
    write_submission(path, 'trackingnet', trackingnet.sequences(), results)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ['a_0.txt']
        assert archive.getinfo('a_0.txt').external_attr >> 16 == 0o644
        boxes = np.loadtxt(io.BytesIO(archive.read('a_0.txt')), delimiter=',')
    np.testing.assert_allclose(boxes, results.bboxes_xywh['a_0'], atol=5e-4)


def test_the_same_results_make_the_same_bytes(got10k, tmp_path):
    results = save(tmp_path / 'out', got10k)
    paths = [tmp_path / 'a.zip', tmp_path / 'b.zip']
    for path in paths:
        write_submission(path, 'got10k_test', got10k.sequences(), results)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_too_few_videos_are_named(got10k, tmp_path, caplog, monkeypatch):
    results = save(tmp_path / 'out', got10k)
    path = tmp_path / 'got10k.zip'
    write_submission(path, 'got10k_test', got10k.sequences(), results)
    assert 'has 2 sequences, but the server of got10k_test evaluates 180' in caplog.text
    caplog.clear()
    whole = CATALOGUE['got10k_test']._replace(num_videos=2)
    monkeypatch.setitem(CATALOGUE, 'got10k_test', whole)
    write_submission(path, 'got10k_test', got10k.sequences(), results)
    assert not caplog.text


def boxes_with(frame, bbox_xywh):
    bboxes_xywh = track(5).bboxes_xywh
    bboxes_xywh[frame] = bbox_xywh
    return bboxes_xywh


def times_with(frame, seconds):
    times = track(5).times
    times[frame] = seconds
    return times


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(bboxes_xywh=boxes_with(3, [1, 2, 0, 4])), r'frame 4 .*\[1.0, 2.0, 0.0, 4'),
        (dict(bboxes_xywh=boxes_with(0, [1, 2, 3, -4])), r'frame 1 .*, -4.0\] \(1 of 5'),
        # 0 as it is written
        (dict(bboxes_xywh=boxes_with(2, [1, 2, 3e-4, 4])), r'frame 3 .*0.0003'),
        (dict(bboxes_xywh=track(4).bboxes_xywh), 'x, y, w, h of 4 frames, .* has 5'),
        (dict(times=times_with(4, 0)), 'frame 5 .*seconds = 0.0'),
        (dict(times=times_with(1, np.inf)), 'frame 2 .*seconds = inf'),
        (dict(times=track(6).times), 'seconds of 6 frames, .* has 5'),
    ],
)
def test_what_the_server_would_not_take(got10k, tmp_path, changes, message):
    results = save(tmp_path / 'out', got10k, **changes)
    path = tmp_path / 'out.zip'
    with pytest.raises(DataError, match=f'GOT-10k_Test_000001.*{message}') as caught:
        write_submission(path, 'got10k_test', got10k.sequences(), results)
    assert f'Remove {tmp_path}/out/GOT-10k_Test_000001.txt' in str(caught.value)
    assert not path.exists()


def test_boxes_that_are_not_finite(got10k, tmp_path):
    results = save(tmp_path / 'out', got10k)
    results.bboxes_xywh['GOT-10k_Test_000002'][1, 0] = np.nan
    with pytest.raises(DataError, match=r'000002, frame 2 .*\[nan, '):
        check_submission('got10k_test', got10k.sequences(), results)


def test_missing_sequences_are_listed(got10k, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'GOT-10k_Test_000002.txt').write_text('1,2,3,4\n' * 3)
    results = load_results(tmp_path / 'out')
    with pytest.raises(DataError, match='1 of 2 .* GOT-10k_Test_000001. Start the same'):
        check_submission('got10k_test', got10k.sequences(), results)


def test_only_got10k_needs_times(trackingnet, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'a_0.txt').write_text('1,2,3,4\n' * 3)
    results, sequences = load_results(tmp_path / 'out'), trackingnet.sequences()
    check_submission('trackingnet', sequences, results)
    with pytest.raises(DataError, match='a_0: seconds of 0 frames, but it has 3'):
        check_submission('got10k_test', sequences, results)


def test_a_full_disk_leaves_the_old_zip(got10k, tmp_path, monkeypatch):
    results = save(tmp_path / 'out', got10k)
    path = tmp_path / 'out.zip'
    path.write_text('old')

    def fill_disk(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(disk.os, 'fsync', fill_disk)
    with pytest.raises(FullDiskError, match=r'out.zip: the disk is full'):
        write_submission(path, 'got10k_test', got10k.sequences(), results)
    assert path.read_text() == 'old'


def test_servers(got10k, trackingnet):
    assert find_server(got10k) == 'got10k_test'
    assert find_server(trackingnet) == 'trackingnet'
    chunk = TrackingNetSequences(data_root='nowhere', split='TEST', lazy_init=True)
    assert find_server(chunk) == 'trackingnet'
    val = GOT10kSequences(data_root='nowhere', split='val', lazy_init=True)
    with pytest.raises(DataError, match="'val'.* one for got10k_test and trackingnet"):
        find_server(val)
    assert set(SERVERS) <= set(CATALOGUE)
