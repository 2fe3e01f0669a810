"""The examples of the manual run as they stand."""

import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmtrack.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS

import sstrack_mm  # noqa: F401

EXAMPLES = Path(__file__).resolve().parents[2] / 'docs' / 'examples'


@pytest.fixture
def example(monkeypatch):
    """Runs an example and hands out what it defines; what it registers goes again."""
    for registry in (MODELS, TRANSFORMS, DATASETS, TASK_UTILS):
        monkeypatch.setattr(registry, '_module_dict', dict(registry.module_dict))
    return lambda name: runpy.run_path(str(EXAMPLES / f'{name}.py'))


@pytest.fixture
def clip(rng):
    """Inputs of a batch of two clips, as the preprocessor gives them."""
    shape = dict(template=(2, 1, 3, 32, 32), grounding=(2, 2, 3, 64, 64))
    inputs = {key: torch.randn(size) for key, size in shape.items()}
    boxes = torch.tensor([0.25, 0.25, 0.5, 0.625]).expand(2, 2, 4)
    return inputs | dict(grounding_bboxes=boxes)


@pytest.fixture
def rng():
    torch.manual_seed(0)
    return np.random.default_rng(0)


def test_loss(example, build_tracker, clip):
    loss = example('loss')['CosineViewLoss']()
    tracker = build_tracker(loss_contrastive=dict(type='CosineViewLoss')).train()
    assert 0 <= tracker.loss(clip)['loss_contrastive'] <= 2
    ones, valid = torch.ones(3, 4), torch.tensor([True, True, False])
    assert loss(ones, ones, valid) == pytest.approx(0, abs=1e-6)
    assert loss(ones, -ones, valid) == pytest.approx(2)


def test_head(example, tracker_cfg, build_tracker, clip):
    example('head')
    losses = {key: tracker_cfg['head'][key] for key in ('loss_iou', 'loss_bbox')}
    tracker = build_tracker(head=dict(type='FixedSizeHead', **losses))
    sum(v for k, v in tracker.train().loss(clip).items() if 'loss' in k).backward()
    inputs = dict(template=clip['template'], search=clip['grounding'][:, 0])
    maps = tracker.eval()(inputs, mode='tensor')
    boxes, scores = tracker.head.predict_by_feat(maps)
    assert boxes[:, 2:].unique().tolist() == [0.25]
    assert ((0 < scores) & (scores < 1)).all()


def test_backbone(example, build_tracker, clip):
    example('backbone')
    backbone = dict(
        type='MeanTemplateBackbone', embed_dims=16, template_size=32, search_size=64
    )
    tracker = build_tracker(backbone=backbone).train()
    losses = tracker.loss(clip)
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert tracker.backbone.stem.layers[0].weight.grad.abs().sum() > 0


def test_transform(example, rng):
    blur = example('transform')['BlurClip']
    frames = [rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)] * 2
    results = blur(prob=1.0).transform(dict(rng=rng, frames=frames))
    assert all(frame.std() < frames[0].std() for frame in results['frames'])
    assert blur(prob=0.0).transform(dict(rng=rng, frames=frames))['frames'] is frames


def test_reader(example, tmp_path):
    folder = tmp_path / 'gate' / 'monday'
    folder.mkdir(parents=True)
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.jpg'), np.zeros((20, 30, 3), np.uint8))
    folder.with_suffix('.txt').write_text('1,2,3,4\n' * 3)
    dataset = example('reader')['CameraSequences'](str(tmp_path))
    assert dataset.names == ['gate-monday']
    assert dataset.sequence(0).gt_xywh.tolist() == [[1, 2, 3, 4]] * 3


def test_proposer(example, rng):
    proposer = example('proposer')['CentreProposer'](side=0.5, jitter=0.0)
    frames = [np.zeros((100, 200, 3), np.uint8)]
    assert proposer.propose(rng, frames, ['0.jpg']).tolist() == [75, 25, 50, 50]
    assert TASK_UTILS.get('CentreProposer') is type(proposer)


def test_my_videos():
    """The configuration trains on plain folders, in the pipeline it inherits."""
    cfg = Config.fromfile(EXAMPLES / 'my_videos.py')
    (reader,) = cfg.train_dataloader.dataset.datasets
    assert reader == dict(type='FolderSequences', data_root='data/mine')
    assert cfg.train_dataloader.dataset.pipeline[0].type == 'SampleSelfSupervisedClip'


def test_convention(example, tmp_path, monkeypatch):
    from sstrack_mm.evaluation import CONVENTIONS, evaluate
    from sstrack_mm.structures.sequence import VideoSequence

    monkeypatch.setitem(CONVENTIONS, 'mine', None)  # so that it goes again
    example('convention')
    gt_xywh = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], float)
    sequence = VideoSequence('one', ['0.jpg', '1.jpg'], gt_xywh, np.ones(2, bool))
    boxes = dict(one=gt_xywh + [[0, 0, 0, 0], [100, 0, 0, 0]])
    assert evaluate(boxes, [sequence], 'mine').metrics['op50'] == 0
    assert evaluate(boxes, [sequence], 'pytracking').metrics['op50'] == 50


def test_engine(example, rng):
    """A square that moves by 3 pixels a frame is followed to the pixel."""
    from sstrack_mm.apis import track_video

    pattern = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    frames = np.full((6, 200, 200, 3), 90, np.uint8)
    for index, frame in enumerate(frames):
        frame[80:112, 60 + 3 * index :][:, :32] = pattern
    result = track_video(
        example('engine')['make_tracker'](), list(frames), [60, 80, 32, 32]
    )
    truth = [[60 + 3 * index, 80, 32, 32] for index in range(6)]
    np.testing.assert_allclose(result.bboxes_xywh, truth, atol=1)
