"""Every configuration builds, and holds the numbers of the paper."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmtrack.registry import DATASETS, MODELS

pytestmark = pytest.mark.usefixtures('default_scope')

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.stem for path in (ROOT / 'configs').glob('*.py'))

# The tables of the paper, and of the supervised twin: by configuration, by what.
SIZES = dict(  # template, search, grid, factor of the search window
    sstrack_b256=(128, 256, 16, 4.0),
    sstrack_b256_got10k=(128, 256, 16, 4.0),
    sstrack_b384=(192, 384, 24, 5.0),
    sstrack_b384_got10k=(192, 384, 24, 5.0),
    odtrack_b384=(192, 384, 24, 5.0),
)
JITTERS = dict(  # of the views' centre and scale
    sstrack_b256=(3.0, 0.5),
    sstrack_b256_got10k=(3.0, 0.5),
    sstrack_b384=(4.5, 1.0),
    sstrack_b384_got10k=(4.5, 1.0),
    odtrack_b384=(4.5, 0.5),
)
SCHEDULES = dict(  # batch per GPU, samples an epoch, epochs, milestone, full elimination
    sstrack_b256=(32, 10000, 150, 120, 100),
    sstrack_b384=(8, 10000, 150, 120, 100),
    sstrack_b256_got10k=(16, 10000, 60, 40, 60),
    sstrack_b384_got10k=(8, 10000, 60, 40, 60),
    odtrack_b384=(8, 30000, 300, 240, 100),
)
MEMORY = dict(
    sstrack_b256=3,
    sstrack_b384=3,
    odtrack_b384=3,
    sstrack_b256_got10k=4,
    sstrack_b384_got10k=4,
)
PAPER = sorted(SIZES)
COMPOSED = {'sstrack_tiny', 'sstrack_tiny_128'}
SSTRACK = [name for name in PAPER if name.startswith('sstrack')]
FOUR_DATASETS = [
    'LaSOTSequences',
    'GOT10kSequences',
    'COCOSequences',
    'TrackingNetSequences',
]


def load(name, **options):
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    cfg.merge_from_dict(options)
    return cfg


def transform(cfg, kind):
    """The settings of one transform of the training pipeline, without its type."""
    found = [
        dict(settings)
        for settings in cfg.train_dataloader.dataset.pipeline
        if settings['type'] == kind
    ]
    assert len(found) == 1
    del found[0]['type']
    return found[0]


def test_all_are_there():
    assert {*PAPER, 'sstrack_tiny_synthetic'} <= set(CONFIGS)


class TestBuild:
    @pytest.mark.parametrize('name', CONFIGS)
    def test_model(self, name):
        with torch.device('meta'):
            MODELS.build(load(name).model)

    @pytest.mark.parametrize('name', sorted({*CONFIGS} - COMPOSED))
    def test_data(self, name, tmp_path, monkeypatch):
        """Of all that read videos; the others' clips come from a bank."""
        monkeypatch.setenv('SSTRACK_DATA_ROOT', str(tmp_path))
        monkeypatch.setenv('SSTRACK_VIDEO_ROOT', str(tmp_path / 'videos'))
        cfg = load(name)
        for reader in cfg.train_dataloader.dataset.datasets:
            reader['lazy_init'] = True
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        roots = [Path(reader.data_root) for reader in dataset.datasets]
        if 'type' in cfg.test_dataloader.dataset:  # else --dataset says which videos
            roots.append(Path(cfg.test_dataloader.dataset.data_root))
        assert {root.parent for root in roots} == {tmp_path}

    def test_default_data_root(self, monkeypatch):
        monkeypatch.delenv('SSTRACK_DATA_ROOT', raising=False)
        cfg = load('sstrack_b256_got10k')
        assert cfg.train_dataloader.dataset.datasets[0].data_root == 'data/got10k'

    @pytest.mark.parametrize('name', PAPER)
    def test_number_of_parameters(self, name):
        """92.5 M for SSTrack-B256, with the 197 positions that the paper's never uses.

        Other sizes change the position embeddings alone.
        """
        with torch.device('meta'):
            model = MODELS.build(load(name).model)
        number = sum(param.numel() for param in model.parameters()) + 197 * 768
        template, search, *_ = SIZES[name]
        positions = ((template**2 + search**2) - (128**2 + 256**2)) // 16**2
        temporal = 0 if name in SSTRACK else 2
        number -= (positions - temporal) * 768
        assert number / 1e6 == pytest.approx(92.5, abs=0.05)

    def test_sync_bn(self):
        cfg = load('sstrack_b256', **{'model.head.norm_cfg.type': 'SyncBN'})
        with torch.device('meta'):
            head = MODELS.build(cfg.model).head
        norms = [
            module
            for module in head.modules()
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        ]
        assert len(norms) == 12
        assert all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)

    def test_contrastive_loss_is_off_by_one_key(self):
        cfg = load('sstrack_b256', **{'model.loss_contrastive': None})
        with torch.device('meta'):
            assert MODELS.build(cfg.model).loss_contrastive is None


class TestPaper:
    @pytest.mark.parametrize('name', PAPER)
    def test_sizes(self, name):
        cfg = load(name)
        template, search, grid, factor = SIZES[name]
        backbone, crops = cfg.model.backbone, transform(cfg, 'CropClip')
        assert (backbone.template_size, backbone.search_size) == (template, search)
        assert (backbone.embed_dims, backbone.depth, backbone.num_heads) == (768, 12, 12)
        assert tuple(backbone.elimination_layers) == (3, 6, 9)
        assert (backbone.keep_ratio, backbone.drop_path_rate) == (0.7, 0.1)
        with torch.device('meta'):
            head = MODELS.build(cfg.model).head
        assert head.feat_size == grid and cfg.model.head.feat_channels == 256
        assert dict(cfg.model.test_cfg) == dict(
            template_factor=2.0,
            search_factor=factor,
            memory_size=MEMORY[name],
            test_mode='OPE',
        )
        center_jitter, scale_jitter = JITTERS[name]
        assert crops == dict(
            template_factor=2.0,
            template_size=template,
            view_factor=factor,
            search_size=search,
            center_jitter=center_jitter,
            scale_jitter=scale_jitter,
        )

    @pytest.mark.parametrize('name', PAPER)
    def test_schedule(self, name):
        cfg = load(name)
        batch_size, samples, epochs, milestone, end_epoch = SCHEDULES[name]
        loader, optimizer = cfg.train_dataloader, cfg.optim_wrapper
        assert loader.batch_size == batch_size
        assert loader.sampler == dict(type='ClipSampler', samples_per_epoch=samples)
        assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=2 * batch_size)
        assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=epochs)
        assert cfg.param_scheduler == dict(
            type='MultiStepLR', milestones=[milestone], gamma=0.1
        )
        assert optimizer.optimizer == dict(
            type='AdamW',
            fused=True,
            lr=1e-4 if name.startswith('odtrack') else 2.5e-4,
            weight_decay=1e-4,
        )
        assert optimizer.clip_grad == dict(max_norm=0.1)
        assert optimizer.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))
        assert cfg.default_hooks.keep_ratio == dict(
            type='KeepRatioHook', start_epoch=20, end_epoch=end_epoch, keep_ratio=0.7
        )

    @pytest.mark.parametrize('name', PAPER)
    def test_losses(self, name):
        head = load(name).model.head
        assert head.loss_score == dict(
            type='mmdet.GaussianFocalLoss', alpha=2.0, gamma=4.0
        )
        assert head.loss_iou == dict(type='mmdet.GIoULoss', loss_weight=2.0)
        assert head.loss_bbox == dict(type='mmdet.L1Loss', loss_weight=5.0)

    @pytest.mark.parametrize('name', PAPER)
    def test_augmentation(self, name):
        cfg = load(name)
        assert transform(cfg, 'GrayscaleClip') == dict(prob=0.05)
        assert transform(cfg, 'FlipClip') == dict(prob=0.5)
        preprocessor = cfg.model.data_preprocessor
        assert (preprocessor.brightness, preprocessor.flip_prob) == (0.2, 0.5)
        assert tuple(preprocessor.mean) == (0.485, 0.456, 0.406)
        assert tuple(preprocessor.std) == (0.229, 0.224, 0.225)

    @pytest.mark.parametrize('name', PAPER)
    def test_data(self, name):
        dataset = load(name).train_dataloader.dataset
        readers = [reader['type'] for reader in dataset.datasets]
        if name.endswith('got10k'):
            assert readers == ['GOT10kSequences']
            assert dataset.datasets[0].get('split_file') is None  # the full split
        else:
            assert readers == FOUR_DATASETS and 'weights' not in dataset
            assert 'vot' in dataset.datasets[1].split_file
        assert all('test' not in reader.get('split', '') for reader in dataset.datasets)


class TestSelfSupervised:
    @pytest.mark.parametrize('name', SSTRACK)
    def test_clips(self, name):
        cfg = load(name)
        assert cfg.train_dataloader.dataset.get('labels', 'first') == 'first'
        assert transform(cfg, 'SampleSelfSupervisedClip') == dict(
            num_search=3, num_views=2, max_gap=400, synthesis_prob=0.5
        )
        paste = transform(cfg, 'PasteTarget')
        assert paste['min_size'] == 10
        assert paste['template_change'] == dict(scale=0.1, shear_prob=0.1, shear=0.2)
        assert paste['search_change'] == dict(
            scale=0.25,
            shear_prob=0.5,
            shear=0.2,
            blur_prob=0.18,
            blur_sizes=(5, 45),
            occlusion_prob=0.1,
            occlusion_area=(0.25, 0.35),
            flip_prob=0.3,
        )

    @pytest.mark.parametrize('name', SSTRACK)
    def test_model(self, name):
        model = load(name).model
        assert model.loss_contrastive == dict(
            type='InstanceContrastiveLoss', temperature=0.5, loss_weight=1.0
        )
        assert model.train_cfg.forward_loss_weight == 0
        assert 'dropmae' in model.backbone.init_cfg.checkpoint
        assert model.backbone.get('temporal_embed', True)
        with torch.device('meta'):
            train_cfg = MODELS.build(model).train_cfg
        assert not train_cfg['known_memory'] and not train_cfg['keep_template']


@pytest.mark.parametrize('name', CONFIGS)
def test_clips_are_cut_for_the_model(name):
    """The network and the clips of a configuration have the same sizes and factors."""
    cfg = load(name)
    backbone, test_cfg = cfg.model.backbone, cfg.model.test_cfg
    expected = dict(
        template_size=backbone.template_size,
        search_size=backbone.search_size,
        template_factor=test_cfg.template_factor,
        view_factor=test_cfg.search_factor,
        shade_context=test_cfg.get('shade_context', False),
    )
    found = list(find(cfg.train_dataloader, 'CropClip'))
    assert found
    for crops in found:
        given = dict(shade_context=False) | crops
        assert {key: given[key] for key in expected} == expected


def find(settings, kind):
    """All dicts of a type inside settings."""
    if isinstance(settings, dict):
        if settings.get('type') == kind:
            yield settings
        settings = list(settings.values())
    if isinstance(settings, list):
        for each in settings:
            yield from find(each, kind)


@pytest.mark.parametrize('name', CONFIGS)
def test_a_runner_can_be_made(name):
    """Of each loop, mmengine wants all parts or none."""
    cfg = load(name)
    for parts in (
        ('train_dataloader', 'train_cfg', 'optim_wrapper'),
        ('test_dataloader', 'test_cfg', 'test_evaluator'),
    ):
        assert len({part in cfg for part in parts}) == 1, parts


def test_the_shipped_model_is_what_is_adapted():
    cfg = load('sstrack_tiny_adapt')
    zoo = Config.fromfile(ROOT / 'sstrack_mm/zoo/sstrack_tiny.py')
    assert cfg.model.pop('train_cfg').known_memory
    assert cfg.model == zoo.model


def test_stages_of_the_shipped_model():
    """One network, first on smaller images; each crops what its network takes."""
    first, last = load('sstrack_tiny_128'), load('sstrack_tiny')
    assert last.default_hooks.strict_load.resize_positions
    for cfg, side in ((first, 128), (last, 192)):
        pipeline = cfg.train_dataloader.dataset.pipeline
        crops = pipeline[3]['after'] if 'after' in pipeline[3] else [pipeline[3]]
        backbone = cfg.model.backbone
        assert (backbone.pop('template_size'), backbone.pop('search_size')) == (
            crops[0].template_size,
            crops[0].search_size,
        )
        assert crops[0].search_size == side
    assert first.model == last.model


def test_twin():
    """Supervised: labelled templates and views, no contrast, another start."""
    cfg = load('odtrack_b384')
    assert cfg.train_dataloader.dataset.labels == 'all'
    assert transform(cfg, 'SampleSupervisedClip') == dict(
        num_templates=3, num_views=2, max_gap=400
    )
    kinds = [settings['type'] for settings in cfg.train_dataloader.dataset.pipeline]
    assert 'PasteTarget' not in kinds and 'SampleSelfSupervisedClip' not in kinds
    assert cfg.model.loss_contrastive is None
    assert cfg.model.backbone.temporal_embed is False
    assert cfg.model.backbone.init_cfg.checkpoint.endswith('.mae')


def test_tiny_never_uses_true_boxes_of_search_frames():
    """Its forward loss is of synthesised clips, whose boxes are known for free."""
    cfg = load('sstrack_tiny_synthetic')
    assert cfg.train_dataloader.dataset.get('labels', 'first') == 'first'
    assert cfg.model.backbone.init_cfg is None
    transform(cfg, 'SampleSelfSupervisedClip')
