"""What many tests share."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.registry import DefaultScope

import sstrack_mm  # noqa: F401  (before mmtrack, which needs its stand-in for mmcv.ops)

ROOT = Path(__file__).parents[1]

# Also the state in which training forks its workers.
torch.set_num_threads(1)
cv2.setNumThreads(1)


@pytest.fixture(scope='session', autouse=True)
def isolate_cache(tmp_path_factory):
    """Keep the index files that the tests make out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='module')
def default_scope():
    """The registries' scope as every configuration sets it, for one test module."""
    with DefaultScope.overwrite_default_scope('mmtrack'):
        yield


@pytest.fixture(scope='session')
def root():
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope='session')
def parity_dir():
    """The folder of the reference numbers."""
    return Path(os.environ.get('SSTRACK_PARITY_DIR', ROOT / 'tests' / 'data' / 'parity'))


@pytest.fixture(scope='session')
def run_tool():
    """Runs a command of ``tools/`` and returns what became of it."""

    def run(tool, *args, **environment):
        command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, args)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, 'OMP_NUM_THREADS': '1', **environment},
        )

    return run


@pytest.fixture(scope='session')
def load_tool():
    """Imports a script of ``tools/``, so that its functions can be called."""

    def load(tool):
        path = ROOT / 'tools' / tool
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope='session')
def synthetic_root(tmp_path_factory):
    """A data root with a few short procedural videos in GOT-10k's layout."""
    from sstrack_mm.datasets.synthetic import write_dataset

    root = tmp_path_factory.mktemp('data')
    write_dataset(root, num_videos=4, num_frames=8, seed=3, size=(128, 96))
    return root


@pytest.fixture(scope='session')
def trained(run_tool, synthetic_root, tmp_path_factory):
    """A checkpoint as two iterations of ``sstrack_tiny_synthetic.py`` leave it."""
    folder = tmp_path_factory.mktemp('trained')
    result = run_tool(
        'train.py',
        ROOT / 'configs' / 'sstrack_tiny_synthetic.py',
        *('--work-dir', folder, '--cfg-options'),
        'train_cfg.max_epochs=1',
        'train_dataloader.sampler.samples_per_epoch=4',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        SSTRACK_DATA_ROOT=str(synthetic_root),
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return folder / 'epoch_1.pth'


@pytest.fixture(scope='session')
def tracker_cfg():
    """A model small enough for a test: templates of 2x2 patches, search images of 4x4.

    It is shared: make changes to a copy.
    """
    return dict(
        type='SSTrack',
        backbone=dict(
            type='SSTrackViT',
            embed_dims=16,
            depth=4,
            num_heads=2,
            template_size=32,
            search_size=64,
            elimination_layers=(1, 2),
            drop_path_rate=0.0,
        ),
        head=dict(
            type='CenterMapHead',
            feat_channels=8,
            loss_score=dict(type='mmdet.GaussianFocalLoss', alpha=2.0, gamma=4.0),
            loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
            loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
        ),
        loss_contrastive=dict(type='InstanceContrastiveLoss'),
    )


@pytest.fixture(scope='session')
def corner_head_cfg(tracker_cfg):
    """The other head for that model."""
    head = tracker_cfg['head'] | dict(type='CornerMapHead')
    del head['loss_score']
    return head


@pytest.fixture(scope='session')
def build_tracker(tracker_cfg):
    """Builds that model with random weights, the same ones every time."""
    from mmtrack.registry import MODELS

    import sstrack_mm.models  # noqa: F401  (registers the classes)

    def build(**changes):
        torch.manual_seed(0)
        tracker = MODELS.build(tracker_cfg | changes)
        tracker.head.init_weights()
        for param in tracker.backbone.parameters():
            if param.dim() > 1:
                torch.nn.init.normal_(param, std=0.05)
        return tracker

    return build


@pytest.fixture(scope='session')
def convert_published(parity_dir, run_tool, tmp_path_factory):
    """Converts a published checkpoint among the reference numbers, once."""
    folder, done = tmp_path_factory.mktemp('converted'), {}

    def convert(name):
        if name not in done:
            done[name] = folder / name
            result = run_tool(
                'model_converters/convert_official.py', parity_dir / name, done[name]
            )
            assert result.returncode == 0, result.stderr
        return done[name]

    return convert


@pytest.fixture(scope='session')
def official_tiny(convert_published):
    """The tiny published network, converted."""
    return convert_published('official_tiny.pth')


@pytest.fixture(scope='session')
def tiny_options():
    """The options that make ``configs/sstrack_b256.py`` that network."""
    return {
        'model.backbone.embed_dims': 48,
        'model.backbone.num_heads': 3,
        'model.head.feat_channels': 32,
    }
