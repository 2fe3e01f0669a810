"""Tracking with resets, against the installed vot-toolkit and mmtrack."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmtrack.apis import init_model
from mmtrack.structures import TrackDataSample
from mmtrack.structures.bbox import quad2bbox_cxcywh
from vot.experiment.multirun import SupervisedExperiment
from vot.region import Polygon, Rectangle, Special
from vot.tracker import ObjectStatus, OnlineTrackerRuntime
from vot.tracker.results import Results, Trajectory
from vot.workspace.storage import LocalStorage

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.resets import WITH_RESETS, start_box, track_with_resets
from sstrack_mm.evaluation.run_folder import RunFolder
from sstrack_mm.evaluation.vot import load_trajectories
from sstrack_mm.frames import read_image

IMAGE_WH = (100, 80)


def polygon(x, y, w, h, angle=0.0):
    """The corners of a box that is turned around its centre."""
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners @ rotation.T + (x + w / 2, y + h / 2)).ravel()


class DriftingTracker:
    """Moves its box by the same step a frame, so that it loses what stays behind."""

    def __init__(self, step):
        self.step = np.array([*step, 0, 0])

    def init_state(self, frame, bbox_xywh):
        assert frame.shape == (IMAGE_WH[1], IMAGE_WH[0], 3)
        return SimpleNamespace(bbox_xywh=np.asarray(bbox_xywh, float), score=1.0)

    def track_step(self, frame, state):
        return SimpleNamespace(bbox_xywh=state.bbox_xywh + self.step, score=0.5)


@pytest.fixture
def frame_paths(tmp_path):
    paths = [str(tmp_path / f'{number}.png') for number in range(40)]
    for path in paths:
        cv2.imwrite(path, np.zeros((IMAGE_WH[1], IMAGE_WH[0], 3), np.uint8))
    return paths


@pytest.fixture
def regions():
    """A target that turns and moves; near the end it is a box, as some files have it."""
    polygons = [polygon(10 + frame, 20, 18, 12, frame / 10) for frame in range(36)]
    return [*polygons, *[np.array([50.0, 20, 18, 12])] * 4]


def to_toolkit(region):
    if len(region) == 1:
        return Special(region[0])
    if len(region) == 4:
        return Rectangle(*region)
    return Polygon([tuple(corner) for corner in region.reshape(-1, 2)])


class ToolkitRuntime(OnlineTrackerRuntime):
    """A tracker of ours as one of the toolkit; a frame is its number."""

    def __init__(self, model, regions):
        self.model, self.regions = model, regions

    def stop(self):
        pass

    def restart(self):
        pass

    def initialize(self, frame, new=None):
        image = np.zeros((IMAGE_WH[1], IMAGE_WH[0], 3), np.uint8)
        self.state = self.model.init_state(image, start_box(self.regions[frame]))
        return new, 0.1

    def update(self, frame, new=None):
        self.state = self.model.track_step(None, self.state)
        return ObjectStatus(Rectangle(*self.state.bbox_xywh), {}), 0.1


class ToolkitSequence:
    """The part of the toolkit's sequences that its experiment uses."""

    name, size = 'car', IMAGE_WH

    def __init__(self, regions):
        self.regions = regions

    def __len__(self):
        return len(self.regions)

    def objects(self):
        return ['object']

    def frame(self, index):
        return index

    def groundtruth(self, index):
        return to_toolkit(self.regions[index])


def run_toolkit(folder, model, regions):
    """The regions that the toolkit's experiment saves."""
    results = Results(LocalStorage(str(folder)))

    class Experiment(SupervisedExperiment):
        def results(self, tracker, sequence):
            return results

        def _get_runtime(self, tracker, sequence, multiobject=False):
            return ToolkitRuntime(model, regions)

    # as the toolkit's own stack for VOT2018 sets it
    experiment = Experiment('baseline', None, skip_initialize=5)
    experiment.execute(None, ToolkitSequence(regions))
    return Trajectory.read(results, 'car_001').regions()


@pytest.mark.parametrize('step', [(0, 0), (1, 0), (0, -2.5), (7, 3), (-40, 0)])
def test_against_the_toolkit(tmp_path, frame_paths, regions, step):
    model = DriftingTracker(step)
    result = track_with_resets(model, frame_paths, regions)
    theirs = run_toolkit(tmp_path / 'theirs', model, regions)
    for ours, other in zip(result.trajectory, theirs, strict=True):
        if isinstance(other, Special):
            assert ours.tolist() == [other.code]
        else:
            box = [other.x, other.y, other.width, other.height]
            np.testing.assert_allclose(ours, box, atol=1e-3)
    failures = sum(entry.tolist() == [2] for entry in result.trajectory)
    assert (failures > 0) == (step != (1, 0))


def test_the_toolkit_reads_the_files(tmp_path, frame_paths, regions):
    result = track_with_resets(DriftingTracker((7, 3)), frame_paths, regions)
    RunFolder(tmp_path / 'out', dict(seed=1), WITH_RESETS.layout).write('car', result)
    storage = LocalStorage(str(tmp_path / 'out' / 'baseline' / 'car'))
    theirs = Trajectory.read(Results(storage), 'car_001').regions()
    ours = load_trajectories(tmp_path / 'out')['car']
    for entry, saved, other in zip(result.trajectory, ours, theirs, strict=True):
        np.testing.assert_array_equal(saved, entry)
        assert isinstance(other, Special if len(entry) == 1 else Rectangle)
        if len(entry) == 4:
            np.testing.assert_allclose(
                entry, [other.x, other.y, other.width, other.height], rtol=1e-6
            )


def test_by_hand(frame_paths, regions):
    """Failures in every second frame that is looked at; the others are not read."""
    paths = [
        path if number % 6 < 2 else 'nowhere.png'
        for number, path in enumerate(frame_paths)
    ]
    result = track_with_resets(DriftingTracker((-90, 0)), paths, regions)
    states = [int(entry[0]) for entry in result.trajectory]
    assert states == ([1, 2, 0, 0, 0, 0] * 7)[:40]
    looked_at = np.array(states) > 0
    assert (result.times[looked_at] > 0).all() and not result.times[~looked_at].any()
    assert result.scores[:3].tolist() == [1, 0.5, 0]
    result.check(40)


def test_the_polygon_counts_and_not_the_box_around_it(frame_paths):
    """A box in the corner between a turned square and the box around it has failed."""
    regions = [polygon(30, 20, 40, 40, np.pi / 4)] * 2
    x, y, w, h = start_box(regions[0])
    around = regions[0].reshape(4, 2)
    corner = around.min(axis=0) + 2
    model = DriftingTracker(corner - (x, y))
    model.step[2:] = 4 - w, 4 - h
    trajectory = track_with_resets(model, frame_paths[:2], regions).trajectory
    assert trajectory[1].tolist() == [2]


@pytest.mark.parametrize('angle', [0, 0.3, np.pi / 4, 2])
def test_start_box(angle):
    region = polygon(10, 20, 30, 12, angle)
    cx, cy, w, h = quad2bbox_cxcywh(torch.tensor(region)).tolist()
    bbox_xywh = start_box(region)
    np.testing.assert_allclose(bbox_xywh, [cx - w / 2, cy - h / 2, w, h])
    assert bbox_xywh[2] * bbox_xywh[3] == pytest.approx(30 * 12)
    assert start_box(region[:4]).tolist() == region[:4].tolist()


def test_mmtrack_finds_the_same(root, synthetic_root):
    """mmtrack's own loop over frames, ``test_mode='VOT'``, with the real network."""
    options = {'model.test_cfg.test_mode': 'VOT'}
    torch.manual_seed(0)
    model = init_model(
        str(root / 'configs' / 'sstrack_tiny_synthetic.py'),
        device='cpu',
        cfg_options=options,
    )
    folder = sorted((synthetic_root / 'got10k' / 'val').glob('GOT-10k*'))[0]
    paths = [str(path) for path in sorted(folder.glob('*.jpg'))]
    regions = [polygon(0, 0, 128, 96)] * len(paths)
    regions[0] = polygon(40, 30, 32, 24)
    regions[2] = polygon(300, 300, 8, 8)  # where no box can be
    result = track_with_resets(model, paths, regions)
    assert [entry.size for entry in result.trajectory] == [1, 4, 1, 1, 1, 1, 1, 1]
    for frame_id, (path, region) in enumerate(zip(paths, regions, strict=True)):
        image = read_image(path)
        sample = TrackDataSample(
            metainfo=dict(frame_id=frame_id, img_shape=image.shape[:2]),
            gt_instances=InstanceData(bboxes=torch.tensor(region)[None].float()),
        )
        inputs = torch.tensor(image[..., ::-1].copy()).permute(2, 0, 1)[None, None]
        with torch.no_grad():
            [sample] = model.predict(dict(img=inputs.float()), [sample])
        theirs = sample.pred_track_instances.bboxes[0].numpy()
        if len(theirs) == 4:
            theirs[2:] -= theirs[:2]
        np.testing.assert_allclose(result.trajectory[frame_id], theirs, atol=1e-3)


def test_trajectories_of_two_runs_are_not_mixed(tmp_path, frame_paths, regions):
    result = track_with_resets(DriftingTracker((7, 3)), frame_paths, regions)
    for seed in (1, 2):
        folder = RunFolder(tmp_path / str(seed), dict(seed=seed), WITH_RESETS.layout)
        folder.write('car', result)
    load_trajectories(tmp_path / '1')
    details = tmp_path / '2' / 'details' / 'car.json'
    details.rename(tmp_path / '1' / 'details' / 'car.json')
    with pytest.raises(DataError, match='car_001.txt: another run made it'):
        load_trajectories(tmp_path / '1')


def test_a_box_that_is_not_finite(frame_paths, regions):
    with pytest.raises(DataError, match='not finite .*frame 1 .*nan'):
        track_with_resets(DriftingTracker((np.nan, 0)), frame_paths, regions)
