"""Changes of configurations: what is taken, and what is refused."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from sstrack_mm.apis import init_model
from sstrack_mm.configuration import read_config, train_runner
from sstrack_mm.errors import ConfigurationError, DataError


@pytest.fixture(scope='module')
def config(root):
    return Config.fromfile(root / 'configs' / 'sstrack_b256.py')


def test_what_is_given_stays_as_it_is(config):
    changed = read_config(config, {'model.backbone.depth': 3})
    assert (changed.model.backbone.depth, config.model.backbone.depth) == (3, 12)
    assert read_config(config).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('model.loss_contrastive', None),
        ('model.head.norm_cfg.type', 'SyncBN'),
        # arguments of classes that the configuration names
        ('model.backbone.with_cp', True),
        ('optim_wrapper.accumulative_counts', 4),
        ('optim_wrapper.optimizer.betas', (0.9, 0.98)),
        ('train_dataloader.dataset.datasets.0.skip_bad_videos', True),
        ('param_scheduler.begin', 2),
        ('default_hooks.checkpoint.save_best', 'auto'),
        # and of what takes a dict without a type
        ('train_dataloader.prefetch_factor', 4),
        ('train_cfg.val_interval', 2),
        ('randomness.deterministic', True),
        ('optim_wrapper.paramwise_cfg.norm_decay_mult', 0.0),
        ('log_processor.mean_pattern', 'loss'),
        ('custom_hooks', []),
        ('runner_type', 'FlexibleRunner'),
        # names of one's own
        ('default_hooks.compile.type', 'CompileHook'),
        ('optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult', 2.0),
        ('visualizer.vis_backends.0.type', 'TensorboardVisBackend'),
        ('val_dataloader.batch_size', 2),
    ],
)
def test_taken(config, key, value):
    place = read_config(config, {key: value})
    for name in key.split('.'):
        place = place[int(name) if name.isdecimal() else name]
    assert place == value


def test_arguments_that_are_passed_on(config):
    """A reader of shards hands some of its own to what fetches them."""
    reader = 'train_dataloader.dataset.datasets.0'
    options = {f'{reader}.type': 'ShardedVideos', f'{reader}.cache_bytes': 1000}
    cfg = read_config(config, options)
    assert cfg.train_dataloader.dataset.datasets[0].cache_bytes == 1000
    with pytest.raises(DataError, match=f'nearest is {reader}.cache_bytes'):
        read_config(config, {**options, f'{reader}.cache_byte': 1000})


def test_arguments_of_another_class(config):
    options = {'optim_wrapper.optimizer.momentum': 0.9}
    with pytest.raises(DataError, match='optim_wrapper.optimizer.momentum'):
        read_config(config, options)
    options['optim_wrapper.optimizer.type'] = 'SGD'
    assert read_config(config, options).optim_wrapper.optimizer.momentum == 0.9


@pytest.mark.parametrize(
    ('key', 'nearest'),
    [
        ('optim_wraper.optimizer.lr', 'optim_wrapper.optimizer.lr'),
        ('randomnes.seed', 'randomness.seed'),
        ('modle.test_cfg.dtype', 'model.test_cfg.dtype'),
        ('memory_size', 'model.test_cfg.memory_size'),
        ('model.backbone.with_pc', 'model.backbone.with_cp'),
        ('model.head.norm_cfgs.type', 'model.head.norm_cfg.type'),
        ('train_dataloader.num_worker', 'train_dataloader.num_workers'),
        ('train_cfg.max_epoch', 'train_cfg.max_epochs'),
        ('default_hooks.logger.intervall', 'default_hooks.logger.interval'),
        ('optim_wrapper.optimizer.weight_decai', 'optim_wrapper.optimizer.weight_decay'),
    ],
)
def test_a_typo_is_refused(config, key, nearest):
    with pytest.raises(DataError, match=f'^{key}: .*; the nearest is {nearest} \\(see'):
        read_config(config, {'randomness.seed': 1, key: 1})


def test_clips_are_cut_for_the_changed_model(config):
    options = {
        'model.backbone': dict(search_size=128, template_size=64),
        'model.test_cfg.search_factor': 5.0,
        'model.test_cfg.shade_context': True,
        'train_pipeline.5.template_size': 32,
    }
    *_, crops, _ = read_config(config, options).train_dataloader.dataset.pipeline
    assert (crops.search_size, crops.template_size) == (128, 64)
    assert (crops.view_factor, crops.template_factor) == (5.0, 2.0)
    assert crops.shade_context
    key = 'train_dataloader.dataset.pipeline.5.search_size'
    *_, crops, _ = read_config(
        config, {**options, key: 96}
    ).train_dataloader.dataset.pipeline
    assert (crops.search_size, crops.template_size) == (96, 64)


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('model.backbone.depth.x', 'model.backbone.depth is 12 and has no keys'),
        (
            'visualizer.vis_backends.1.type',
            "a list of 1; a place in it is 0 to 0, not '1'",
        ),
        ('visualizer.vis_backends.type', "a place in it is 0 to 0, not 'type'"),
    ],
)
def test_no_such_place(config, key, message):
    with pytest.raises(DataError, match=message):
        read_config(config, {key: 1})


def test_init_model(config):
    with pytest.raises(DataError, match='nearest is model.backbone.init_cfg'):
        init_model(config, None, 'cpu', cfg_options={'model.backbone.init_cg': None})


@pytest.mark.parametrize('key', ['model.test_cfg.dtyp', 'model.train_cfg.resiz'])
def test_checked_by_the_model(config, key):
    """Where they are known; also where a configuration file has them."""
    options = {'model.backbone.init_cfg': None, 'model.backbone.depth': 10, key: 1}
    with pytest.raises(ValueError, match=f'has no key .*{key.rpartition(".")[2]}'):
        init_model(config, None, 'cpu', cfg_options=options)


@pytest.mark.parametrize(
    ('name', 'text', 'reason'),
    [
        ('a.py', b'x = = 1', 'SyntaxError'),
        ('a.py', b'x = 1 / 0', 'ZeroDivisionError'),
        ('a.py', b'x = "\xe9"', 'UnicodeDecodeError'),
        ('a.pth', b'', 'OSError: Only py'),
        ('a.json', b'{', 'JSONDecodeError'),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, name, text, reason):
    path = tmp_path / name
    path.write_bytes(text)
    with pytest.raises(
        ConfigurationError, match=f'^{path}: cannot be read as a .*{reason}'
    ):
        read_config(path)


def test_a_dict_stays_one(config):
    with pytest.raises(ConfigurationError, match=r'^model=3: it is a dict; .*backbone'):
        read_config(config, {'model': 3})
    assert read_config(config, {'model.backbone.init_cfg': None}).model.backbone


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'model.backbone.type': 'Nope'}, 'KeyError: Nope is not in the'),
        ({'model.head.in_channels': 'many'}, 'TypeError'),
    ],
)
def test_what_no_model_can_be_built_of(config, options, reason):
    with pytest.raises(
        ConfigurationError, match=f'{config.filename}: cannot be built: {reason}'
    ):
        init_model(config, device='cpu', cfg_options=options)


def test_no_model_in_it(tmp_path):
    (tmp_path / 'a.py').touch()
    with pytest.raises(ConfigurationError, match=r'a\.py: cannot be built: ') as error:
        init_model(tmp_path / 'a.py', device='cpu')
    assert '\n' not in f'{error.value}'


@pytest.mark.parametrize(
    ('in_iterations', 'kind'), [(False, DataError), (True, KeyError)]
)
def test_train_runner(in_iterations, kind):
    """What a runner cannot build is the configuration's; what goes wrong later is not."""
    hooks = []

    def train():
        if in_iterations:
            hooks[0].before_train(None)
        raise KeyError('Nope')

    runner = SimpleNamespace(
        train=train, register_hook=lambda hook, priority: hooks.append(hook)
    )
    with pytest.raises(kind, match='Nope'):
        train_runner(runner, 'config.py')
