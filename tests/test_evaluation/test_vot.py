"""Reset-based evaluation against the installed vot-toolkit, and by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vot.analysis.supervised import AccuracyRobustness, EAOCurve
from vot.region import Polygon, Rectangle, Special, calculate_overlap

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.folder import evaluate_folder
from sstrack_mm.evaluation.vot import (
    FAILED,
    INITIALISED,
    SKIPPED,
    evaluate_vot,
    load_regions,
    load_trajectories,
    region_overlap,
)
from sstrack_mm.structures.sequence import VideoSequence

IMAGE_WH = (100, 80)


def rectangle(rng):
    return np.concatenate([rng.uniform(-20, 80, 2), rng.uniform(3, 60, 2)])


def quadrilateral(rng):
    """A rotated rectangle, as VOT annotates."""
    half_w, half_h = rng.uniform(3, 30, 2)
    angle = rng.uniform(0, 2 * np.pi)
    corners = np.array(
        [[-half_w, -half_h], [half_w, -half_h], [half_w, half_h], [-half_w, half_h]]
    )
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners @ rotation.T + rng.uniform(0, 90, 2)).ravel()


def to_toolkit(region):
    if len(region) == 1:
        return Special(region[0])
    if len(region) == 4:
        return Rectangle(*region)
    return Polygon([tuple(corner) for corner in region.reshape(-1, 2)])


def test_overlaps_against_the_toolkit():
    rng = np.random.default_rng(0)
    positive = 0
    for number in range(600):
        regions = [
            rectangle(rng) if rng.random() < 0.5 else quadrilateral(rng) for _ in range(2)
        ]
        if number % 4 == 0:
            regions = [np.round(region) for region in regions]
        overlap = region_overlap(*regions, IMAGE_WH)
        assert overlap == calculate_overlap(*map(to_toolkit, regions), IMAGE_WH)
        positive += overlap > 0
    assert positive > 150


def test_overlaps_by_hand():
    box = np.array([10, 10, 20, 10.0])
    assert region_overlap(box, box, IMAGE_WH) == 1
    assert region_overlap(box, np.array([20, 10, 20, 10.0]), IMAGE_WH) == 1 / 3
    assert region_overlap(box, np.array([50, 50, 9, 9.0]), IMAGE_WH) == 0
    # Only the pixels inside the image count.
    assert (
        region_overlap(np.array([-10, 0, 20, 10.0]), np.array([0, 0, 10, 10.0]), IMAGE_WH)
        == 1
    )
    assert region_overlap(box, box, (5, 5)) == 0


def random_trajectory(rng, regions):
    """Follows the true regions, with failures and restarts as VOT makes them."""
    trajectory, place = [], 0
    while place < len(regions):
        trajectory.append(np.array([INITIALISED]))
        place = len(trajectory)
        while place < len(regions):
            place += 1
            if rng.random() < 0.03:
                skipped = [np.array([SKIPPED])] * 4
                trajectory += [np.array([FAILED]), *skipped]
                del trajectory[len(regions) :]
                place = len(trajectory)
                break
            corners = regions[place - 1].reshape(-1, 2)
            low, high = corners.min(axis=0), corners.max(axis=0)
            trajectory.append(
                np.concatenate([low, high - low]) + rng.normal(0, 3, 4).clip(-6, 6)
            )
    return trajectory


def text(regions):
    return ''.join(','.join(map(repr, region.tolist())) + '\n' for region in regions)


@pytest.fixture(scope='module')
def vot_tree(tmp_path_factory):
    """Sequences as VOT publishes them, and a tracker's trajectories as PySOT saves."""
    root = tmp_path_factory.mktemp('vot')
    rng = np.random.default_rng(5)
    sequences = []
    for n, num_frames in enumerate((60, 150, 90, 200)):
        name = f'video{n}'
        start = quadrilateral(rng).reshape(4, 2)
        drift = np.cumsum(rng.normal(0, 1, (num_frames, 1, 2)), axis=0)
        regions = (start - start.mean(axis=0) + (50, 40) + drift).reshape(-1, 8)
        frame = root / name / 'color' / '00000001.jpg'
        frame.parent.mkdir(parents=True)
        Image.new('RGB', IMAGE_WH).save(frame)
        (root / name / 'groundtruth.txt').write_text(text(regions))
        results = root / 'results' / 'baseline' / name
        results.mkdir(parents=True)
        trajectory = random_trajectory(rng, regions)
        (results / f'{name}_001.txt').write_text(text(trajectory))
        sequences.append(
            VideoSequence(
                name,
                [str(frame)] * num_frames,
                np.ones((num_frames, 4)),
                np.ones(num_frames, bool),
            )
        )
    return root, sequences


class ToolkitSequence:
    """The part of the toolkit's sequences that its analyses use."""

    size = IMAGE_WH

    def __init__(self, sequence):
        self.name = sequence.name
        self._regions = list(map(to_toolkit, load_regions(sequence)))

    def groundtruth(self):
        return self._regions

    def __len__(self):
        return len(self._regions)


class ToolkitTrajectory:
    """The part of the toolkit's trajectories that its analyses use."""

    def __init__(self, trajectory):
        self._regions = list(map(to_toolkit, trajectory))

    def regions(self):
        return self._regions


class ToolkitExperiment:
    """The part of the toolkit's experiments that its analyses use."""

    def __init__(self, trajectories):
        self._trajectories = trajectories

    def gather(self, tracker, sequence):
        return [ToolkitTrajectory(self._trajectories[sequence.name])]


def test_against_the_toolkit(vot_tree):
    root, sequences = vot_tree
    trajectories = load_trajectories(root / 'results')
    report = evaluate_vot(trajectories, sequences, interval=(20, 80))

    experiment = ToolkitExperiment(trajectories)
    theirs = [ToolkitSequence(sequence) for sequence in sequences]
    weighted = 0
    for sequence in theirs:
        accuracy, failures, _, length = AccuracyRobustness().subcompute(
            experiment, None, sequence, []
        )
        assert report.accuracy[sequence.name] == pytest.approx(accuracy, abs=1e-12)
        assert report.failures[sequence.name] == failures
        weighted += accuracy * length
    assert report.metrics['accuracy'] == pytest.approx(weighted / 500, abs=1e-12)
    (curve,) = EAOCurve().subcompute(experiment, None, theirs, [])
    assert report.eao == pytest.approx(float(np.mean(curve[20:81])), abs=1e-6)
    # There was something to measure.
    assert 0.3 < report.metrics['accuracy'] < 0.95
    assert report.metrics['failures'] > 5
    assert 0.1 < report.eao < 0.8


def test_what_is_bad_can_be_left_out(vot_tree, tmp_path, caplog):
    root, sequences = vot_tree
    results = Path(shutil.copytree(root / 'results', tmp_path / 'results'))
    first, second = (
        results / f'baseline/{each.name}/{each.name}_001.txt' for each in sequences[:2]
    )
    first.write_text('1\nno number\n')
    second.write_text(second.read_text() + '0\n')
    with pytest.raises(DataError, match='line 2'):
        evaluate_folder(results, sequences, 'vot2018')
    report, _ = evaluate_folder(results, sequences, 'vot2018', 'skip', True)
    assert report.missing == tuple(each.name for each in sequences[:2])
    assert set(report.failures) == {each.name for each in sequences[2:]}
    assert 'line 2' in caplog.text and '151 results for 150 frames' in caplog.text


def test_robustness_is_failures_in_100_frames(vot_tree):
    root, sequences = vot_tree
    report = evaluate_vot(
        load_trajectories(root / 'results' / 'baseline'), sequences, interval=(20, 80)
    )
    assert report.metrics['robustness'] == pytest.approx(
        sum(report.failures.values()) / 5
    )


def test_missing_and_malformed_trajectories(vot_tree):
    root, sequences = vot_tree
    trajectories = load_trajectories(root / 'results')
    with pytest.raises(DataError, match='100 to 356 .* sequence here has 60'):
        evaluate_vot(trajectories, sequences[:1])
    del trajectories['video0']
    with pytest.raises(DataError, match='1 of 4 .*video0'):
        evaluate_vot(trajectories, sequences)
    report = evaluate_vot(trajectories, sequences, (20, 80), missing='skip')
    assert report.missing == ('video0',)
    one = [sequences[1]]
    with pytest.raises(DataError, match='video1: a trajectory of 149 .* 150'):
        evaluate_vot({'video1': trajectories['video1'][1:]}, one)
    with pytest.raises(DataError, match='video1: .*without resets'):
        evaluate_vot({'video1': load_regions(sequences[1])}, one)


def test_a_tracker_that_always_fails(vot_tree):
    _, sequences = vot_tree
    lost = [np.array([1]), np.array([2]), *[np.array([0])] * 4] * 25
    report = evaluate_vot({'video1': lost}, [sequences[1]])
    assert report.metrics == dict(
        accuracy=0, robustness=pytest.approx(100 / 6), eao=0, failures=25
    )


def test_bad_files(tmp_path, vot_tree):
    with pytest.raises(DataError, match='NAME_001.txt'):
        load_trajectories(tmp_path)
    (tmp_path / 'car').mkdir()
    for line, message in (
        ('1,2,3', 'expected a state'),
        ('one', 'one'),
        ('1,nan,3,4', 'not a finite region'),
    ):
        (tmp_path / 'car' / 'car_001.txt').write_text(f'1\n{line}\n')
        with pytest.raises(DataError, match=f'car_001.txt, line 2: .*{message}'):
            load_trajectories(tmp_path)
    sequence = VideoSequence(
        'car', [str(tmp_path / 'x' / '1.jpg')], np.ones((1, 4)), np.ones(1, dtype=bool)
    )
    with pytest.raises(DataError, match='car: there is no groundtruth.txt'):
        load_regions(sequence)
    (tmp_path / 'groundtruth.txt').write_text('1,2,3,4\n' * 2)
    with pytest.raises(DataError, match='groundtruth.txt: 2 regions for 1 frames'):
        load_regions(sequence)
