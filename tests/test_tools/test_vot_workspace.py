"""tools/vot: the tracker under the vot-toolkit, over TraX, without a network."""

import asyncio
import json
import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from trax import Mask, Polygon, Rectangle
from vot import stack as toolkit_stacks
from vot.region import Mask as ToolkitMask
from vot.region.io import write_trajectory
from vot.tracker import Registry, Trajectory
from vot.tracker import tests as toolkit_tests
from vot.utilities import cli
from vot.workspace import Workspace

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.errors import DataError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'tools' / 'vot'
CONFIG = ROOT / 'configs' / 'sstrack_tiny_synthetic.py'
NUM_FRAMES = 12


@pytest.fixture(autouse=True)
def event_loop():
    """The loop that the toolkit takes for granted; other tests may have ended theirs."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope='module')
def wrapper(load_tool):
    return load_tool('vot/sstrack_vot.py')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights that find the target where it was: the toolkit divides by the number of
    frames that a tracker survives."""
    torch.manual_seed(0)
    model = init_model(str(CONFIG), None, 'cpu')
    for branch, bias in (
        (model.head.score_branch, 0),
        (model.head.size_branch, -1.0986),
        (model.head.offset_branch, 1),
    ):
        torch.nn.init.zeros_(branch[-1].weight)
        torch.nn.init.constant_(branch[-1].bias, bias)
    path = tmp_path_factory.mktemp('model') / 'tiny.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def served(checkpoint, monkeypatch, tmp_path):
    """The environment in which the toolkit finds the tiny model, and no network."""
    monkeypatch.setenv('SSTRACK_CONFIG', 'configs/sstrack_tiny_synthetic.py')
    monkeypatch.setenv('SSTRACK_CHECKPOINT', str(checkpoint))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setenv('VOT_REGISTRY', '')
    monkeypatch.setattr(cli, 'check_updates', lambda: (False, None))


# The regions a tracker is started with.


def test_boxes_of_regions(wrapper):
    mask = np.zeros((6, 9), np.uint8)
    mask[2:5, 3:8] = 1
    mask[2, 3] = mask[3, 5] = 0  # a corner and a hole
    for region, box in (
        (Rectangle.create(1.5, 2, 3.25, 4), [1.5, 2, 3.25, 4]),
        (Polygon.create([(0.0, 3.0), (4.0, 0.0), (8.0, 5.0), (4.0, 8.0)]), [0, 0, 8, 8]),
        (Mask.create(mask), [3, 2, 5, 3]),
        (Mask.create(mask, x=100, y=50), [103, 52, 5, 3]),
    ):
        assert wrapper.region_box(region).tolist() == box
    with pytest.raises(DataError, match='mask to start from is empty'):
        wrapper.region_box(Mask.create(np.zeros((4, 4), np.uint8)))


# What the environment says.


def test_environment_chooses_the_model(wrapper, served, monkeypatch):
    monkeypatch.setenv('SSTRACK_CFG_OPTIONS', 'model.backbone.keep_ratio=0.5')
    model = wrapper.load_model()
    assert model.backbone.keep_ratio == 0.5
    assert not model.head.size_branch[-1].weight.any()


@pytest.mark.parametrize(
    ('variable', 'value', 'message'),
    [
        ('SSTRACK_CONFIG', '', 'SSTRACK_CONFIG is not set.*env_sstrack_config'),
        ('SSTRACK_CONFIG', 'configs/no.py', r'SSTRACK_CONFIG=configs/no\.py: no such'),
        ('SSTRACK_CHECKPOINT', 'no.pth', r'SSTRACK_CHECKPOINT=no\.pth: no such file'),
    ],
)
def test_bad_environment(wrapper, served, monkeypatch, variable, value, message):
    monkeypatch.setenv(variable, value)
    with pytest.raises(DataError, match=message):
        wrapper.load_model()


# The toolkit's commands.


def test_registry_names_files_of_this_repository():
    trackers = Registry([str(FOLDER)])
    assert set(trackers.identifiers()) == {'SSTrack', 'SSTrackB256'}
    assert (ROOT / trackers['SSTrackB256'].describe()['env']['SSTRACK_CONFIG']).is_file()


def test_on_the_toolkits_own_sequence(served, caplog):
    """What `vot test SSTrack` runs: three targets at once, 50 frames."""
    runtime = Registry([str(FOLDER)])['SSTrack'].runtime(log=True)
    with caplog.at_level(logging.INFO, 'vot'):
        toolkit_tests.test_tracker_runtime(runtime)
    assert 'Test concluded' in caplog.text, caplog.text


@pytest.mark.parametrize(
    ('folder', 'original'),
    [
        ('vot2020', 'vot2020/shortterm'),
        ('vot2022_stb', 'vot2022/shorttermbox'),
        ('vot2022_sts', 'vot2022/shortterm'),
    ],
)
def test_stacks_are_the_toolkits(folder, original):
    ours = yaml.safe_load((FOLDER / folder / 'stack.yaml').read_text())
    theirs = Path(toolkit_stacks.__file__).parent / f'{original}.yaml'
    expected = yaml.safe_load(theirs.read_text())
    for experiment in expected['experiments'].values():
        if experiment['type'] == 'multistart':
            experiment['type'] = 'sstrack_mm.evaluation.vot_multistart.MultiStart'
    assert ours['experiments'] == expected['experiments']
    assert ours['dataset'] == expected['dataset']
    config = yaml.safe_load((FOLDER / folder / 'config.yaml').read_text())
    (registry,) = config['registry']
    assert (FOLDER / folder / registry).resolve() == FOLDER / 'trackers.ini'
    assert config['stack'] == 'stack.yaml'


def write_workspace(folder):
    """A workspace of VOT2020 with one short sequence of masks, two anchors."""
    video = folder / 'sequences' / 'car'
    (video / 'color').mkdir(parents=True)
    noise = np.random.default_rng(0)
    regions = []
    for frame in range(NUM_FRAMES):
        image = noise.integers(0, 60, (96, 128, 3), dtype=np.uint8)
        x, y = 30 + frame, 20 + frame
        image[y : y + 24, x : x + 20] = (200, 180, 40)
        cv2.imwrite(str(video / 'color' / f'{frame + 1:08d}.jpg'), image)
        regions.append(ToolkitMask(np.ones((24, 20), np.uint8), (x, y)))
    write_trajectory(str(video / 'groundtruth.txt'), regions)
    (video / 'sequence').write_text('name=car\nfps=30\nchannels.color=color/%08d.jpg\n')
    anchors = [0] * NUM_FRAMES
    anchors[2], anchors[9] = 1, -1
    (video / 'anchor.value').write_text('\n'.join(map(str, anchors)))
    (folder / 'sequences' / 'list.txt').write_text('car\n')
    stack = (FOLDER / 'vot2020' / 'stack.yaml').read_text()
    # EAO averages over runs of the lengths that there are.
    stack = stack.replace('low: 115', 'low: 3').replace('high: 755', 'high: 8')
    (folder / 'stack.yaml').write_text(stack)
    (folder / 'config.yaml').write_text(
        f'registry: [{FOLDER / "trackers.ini"}]\nstack: stack.yaml\n'
    )
    return video


@pytest.fixture
def vot(served, monkeypatch, tmp_path):
    def run(command, *args):
        folder = tmp_path / 'workspace'
        argv = ['vot', command, '--workspace', str(folder), *args, 'SSTrack']
        monkeypatch.setattr(sys, 'argv', argv)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 0

    return run


def test_evaluate_analysis_report(vot, tmp_path, checkpoint):
    folder = tmp_path / 'workspace'
    video = write_workspace(folder)
    vot('evaluate', '--experiments', 'baseline')

    # From each anchor on, the boxes are those of a plain run through the same frames.
    workspace = Workspace.load(str(folder))
    tracker = workspace.registry['SSTrack']
    experiment = workspace.stack['baseline']
    (sequence,) = experiment.transform(list(workspace.dataset))
    assert experiment.scan(tracker, sequence)[0]
    model = init_model(str(CONFIG), str(checkpoint), 'cpu')
    for anchor, frames in ((2, range(2, NUM_FRAMES)), (9, range(9, -1, -1))):
        results = experiment.results(tracker, sequence)
        trajectory = Trajectory.read(results, f'car_{anchor:08d}')
        paths = [video / 'color' / f'{frame + 1:08d}.jpg' for frame in frames]
        init_xywh = [30 + anchor, 20 + anchor, 20, 24]
        expected = track_video(model, paths, init_xywh).bboxes_xywh
        assert len(trajectory) == len(expected)
        for place in range(1, len(expected)):
            region = trajectory.region(place)
            box = [region.x, region.y, region.width, region.height]
            np.testing.assert_allclose(box, expected[place], atol=1e-3)

    vot('analysis', '--experiments', 'baseline', '--name', 'first')
    content = json.loads((folder / 'analysis' / 'first.json').read_text())
    ((eao,),), _, ((_, robustness, *_),) = content['results']['baseline']['results']
    assert 0 < eao < 1
    assert 0 < robustness <= 1
    vot('report', '--experiments', 'baseline', '--name', 'first')
    assert 'SSTrack' in (folder / 'reports' / 'first' / 'report.html').read_text()


def test_sequence_without_anchors_is_named(served, tmp_path):
    video = write_workspace(tmp_path / 'workspace')
    (video / 'anchor.value').unlink()
    workspace = Workspace.load(str(tmp_path / 'workspace'))
    experiment = workspace.stack['baseline']
    (sequence,) = experiment.transform(list(workspace.dataset))
    with pytest.raises(ValueError, match='car: no frame is an anchor'):
        experiment.execute(workspace.registry['SSTrack'], sequence)
