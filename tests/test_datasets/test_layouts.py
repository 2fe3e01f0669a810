"""The same videos in every layout give the same boxes and the same metrics."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.datasets import tables
from sstrack_mm.datasets.catalogue import CATALOGUE, open_dataset
from sstrack_mm.datasets.doctor import diagnose
from sstrack_mm.datasets.synthetic import write_dataset
from sstrack_mm.evaluation import evaluate

ROOT = Path(__file__).parents[2]
NUM_FRAMES = 6


class Video(NamedTuple):
    frames: list[str]
    gt_xywh: np.ndarray


def copy_frames(video, folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in zip(video.frames, names, strict=True):
        shutil.copy(source, folder / name)


def numbered(first=1, digits=8):
    return [f'{first + i:0{digits}d}.jpg' for i in range(NUM_FRAMES)]


def text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(map(str, lines)) + '\n')


def boxes(video, delimiter=','):
    return [delimiter.join(map(repr, box)) for box in video.gt_xywh.tolist()]


# One writer a layout, with the oddities that the dataset has as published. Each returns
# the names that the dataset gives to the two videos.


def write_got10k(root, videos, split):
    names = [f'GOT-10k_{split}_{number:06d}' for number in (1, 2)]
    for name, video in zip(names, videos, strict=True):
        copy_frames(video, root / split / name, numbered())
        text(root / split / name / 'groundtruth.txt', boxes(video))
        text(root / split / name / 'absence.label', [0] * NUM_FRAMES)
        text(root / split / name / 'cover.label', [8] * NUM_FRAMES)
    text(root / split / 'list.txt', names)
    return names


def write_lasot(root, videos, listed):
    names = ['cat-1', 'dog-7']
    for name, video in zip(names, videos, strict=True):
        folder = root / name.split('-')[0] / name
        copy_frames(video, folder / 'img', numbered())
        text(folder / 'groundtruth.txt', boxes(video))
        for flag in ('full_occlusion', 'out_of_view'):
            text(folder / f'{flag}.txt', [','.join(['0'] * NUM_FRAMES)])
    if listed:
        text(root / 'testing_set.txt', names)
    return names


def write_trackingnet(root, videos):
    names = ['-abc_0', 'Zx9_1']
    for name, video in zip(names, videos, strict=True):
        copy_frames(video, root / 'TEST/frames' / name, [f'{i}.jpg' for i in range(6)])
        text(root / f'TEST/anno/{name}.txt', boxes(video))
    return names


def write_otb100(root, videos):
    # Human4's first box file is empty; David starts late in its folder.
    copy_frames(videos[0], root / 'Human4/img', numbered(digits=4))
    text(root / 'Human4/groundtruth_rect.1.txt', [])
    text(root / 'Human4/groundtruth_rect.2.txt', boxes(videos[0], '\t'))
    copy_frames(videos[0], root / 'David/img', numbered(1, digits=4))
    copy_frames(videos[1], root / 'David/img', numbered(5, digits=4))
    text(root / 'David/groundtruth_rect.txt', boxes(videos[1]))
    return ['Human4.2', 'David']


def write_nfs(root, videos, rate):
    names = ['ball_1', 'shuffleboard_2']
    for name, video in zip(names, videos, strict=True):
        folder = root / name / rate
        copy_frames(video, folder / name, numbered(digits=5))
        # The boxes of the 30 Hz frames may be among those of all 240 Hz frames.
        repeats = 8 if rate == '30' else 1
        text(
            folder / f'{name}.txt',
            [
                f'0 {x!r} {y!r} {x + w!r} {y + h!r} {i} 0 0 1 "a {name}"'
                for i, (x, y, w, h) in enumerate(video.gt_xywh.tolist())
                for _ in range(repeats)
            ],
        )
    return names


def write_uav123(root, videos):
    # Parts of one long video share its folder.
    for part, video in enumerate(videos):
        first = 1 + part * NUM_FRAMES
        copy_frames(video, root / 'data_seq/UAV123/bird1', numbered(first, digits=6))
        text(root / f'anno/UAV123/bird1_{part + 1}.txt', boxes(video))
    return ['bird1_1', 'bird1_2']


def write_tc128(root, videos):
    names = ['Ball_ce1', 'Yo_yos_ce3']
    for name, video, other in zip(names, videos, videos[::-1], strict=True):
        copy_frames(other, root / name / 'img', numbered(1, digits=4))
        copy_frames(video, root / name / 'img', numbered(4, digits=4))
        text(root / name / f'{name}_gt.txt', boxes(video))
        text(root / name / f'{name}_frames.txt', [f'4,{3 + NUM_FRAMES}'])
    return names


def write_vot2018(root, videos):
    names = ['ants1', 'bag']
    for name, video in zip(names, videos, strict=True):
        copy_frames(video, root / name / 'color', numbered())
        corners = [
            (x, y + h, x, y, x + w, y, x + w, y + h)
            for x, y, w, h in video.gt_xywh.tolist()
        ]
        text(root / name / 'groundtruth.txt', [','.join(map(repr, c)) for c in corners])
    text(root / 'list.txt', names)
    return names


def write_folders(root, videos, names, images, labels):
    for name, video in zip(names, videos, strict=True):
        copy_frames(video, root / name / images, numbered(digits=5))
        text(root / name / labels, boxes(video))
    return [Path(name).name for name in names]


WRITERS = {
    'folder': lambda *to: write_folders(*to, ['a', 'b'], 'img', 'groundtruth_rect.txt'),
    'got10k_test': lambda *to: write_got10k(*to, 'test'),
    'got10k_val': lambda *to: write_got10k(*to, 'val'),
    'itb': lambda *to: write_folders(*to, ['air/x', 'sport/y'], '', 'groundtruth.txt'),
    'lasot': lambda *to: write_lasot(*to, listed=True),
    'lasot_ext': lambda *to: write_lasot(*to, listed=False),
    'nfs240': lambda *to: write_nfs(*to, '240'),
    'nfs30': lambda *to: write_nfs(*to, '30'),
    'otb100': write_otb100,
    'tc128': write_tc128,
    'tnl2k': lambda *to: write_folders(*to, ['T_1', 'T_2'], 'imgs', 'groundtruth.txt'),
    'trackingnet': write_trackingnet,
    'uav123': write_uav123,
    'vot2018': write_vot2018,
}


@pytest.fixture(autouse=True)
def short_tables(monkeypatch):
    """Datasets that are tables of videos have two short ones."""
    monkeypatch.setattr(tables, 'OTB100', ['Human4', 'David'])
    monkeypatch.setitem(tables.OTB100_FRAMES, 'David', (5, 4 + NUM_FRAMES))
    ranges = {'bird1_1': (1, NUM_FRAMES), 'bird1_2': (1 + NUM_FRAMES, 2 * NUM_FRAMES)}
    monkeypatch.setattr(tables, 'UAV123', ranges)


@pytest.fixture(scope='module')
def model():
    """A tiny network that goes by what it sees, but keeps the size of its target."""
    torch.manual_seed(0)
    model = init_model(str(ROOT / 'configs/sstrack_tiny_synthetic.py'), None, 'cpu')
    for branch, bias in zip(
        (model.head.size_branch, model.head.offset_branch), (-1.0986, 1.0), strict=True
    ):
        torch.nn.init.zeros_(branch[-1].weight)
        torch.nn.init.constant_(branch[-1].bias, bias)
    return model


def track(model, sequences):
    """The boxes of a tracker, by sequence, and what they are worth."""
    predictions = {}
    for sequence in sequences:
        result = track_video(model, sequence.frame_paths, sequence.gt_xywh[0])
        predictions[sequence.name] = result.bboxes_xywh
    return predictions, evaluate(predictions, sequences, 'pytracking')


@pytest.fixture(scope='module')
def source(tmp_path_factory, model):
    """The synthetic test set as it is generated: videos, boxes, metrics."""
    root = tmp_path_factory.mktemp('data')
    size = (128, 96)
    write_dataset(root, 1, NUM_FRAMES, seed=5, size=size, val_videos=1, test_videos=2)
    sequences = open_dataset('got10k_test', str(root / 'got10k')).sequences()
    assert all(sequence.visible.all() for sequence in sequences)
    videos = [Video(sequence.frame_paths, sequence.gt_xywh) for sequence in sequences]
    predictions, report = track(model, sequences)
    # The tracker moves, and not in the same way in both videos.
    steps = [np.ptp(boxes_xywh, axis=0)[:2] for boxes_xywh in predictions.values()]
    assert np.min(steps) > 0 and not np.allclose(*steps)
    assert 5 < report.metrics['auc'] < 95
    return videos, list(predictions.values()), report


def test_every_dataset_is_among_the_layouts():
    assert set(WRITERS) == {'folder', *CATALOGUE}


@pytest.mark.parametrize('layout', WRITERS)
def test_layouts_give_the_same(layout, source, model, tmp_path):
    videos, expected_xywh, expected = source
    names = WRITERS[layout](tmp_path, videos)
    sequences = open_dataset(layout, str(tmp_path)).sequences()
    assert sorted(sequence.name for sequence in sequences) == sorted(names)
    predictions, report = track(model, sequences)
    for name, bboxes_xywh in zip(names, expected_xywh, strict=True):
        np.testing.assert_allclose(predictions[name], bboxes_xywh, rtol=0, atol=1e-9)
    assert report.metrics == pytest.approx(expected.metrics, abs=1e-9)


@pytest.mark.parametrize('layout', WRITERS)
def test_doctor_finds_them_healthy(layout, source, tmp_path):
    WRITERS[layout](tmp_path, source[0])
    diagnosis = diagnose(layout, str(tmp_path), sample=None, progress=False)
    assert diagnosis.problems == []
    (part,) = diagnosis.parts
    assert (part.videos, part.frames, part.decoded) == (2, 12, 12)
