"""Configurations with changes by dotted keys, none of which is taken in silence.

A key has to exist, or to be announced by the configuration: an argument of the class that
the dict around it names by ``type``, or of what takes a dict without one (a loader, the
loop, the runner). A dict that others name the keys of, as the hooks, takes any.
"""

import contextlib
import copy
import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from sstrack_mm.errors import ConfigurationError

if TYPE_CHECKING:
    from mmengine.runner import FlexibleRunner, Runner

# Dicts with keys of one's own, or that are checked where they are used.
_FREE = {'default_hooks', 'custom_keys', 'env_cfg', 'mp_cfg', 'dist_cfg', 'test_cfg'}
# What mmengine takes out of any dict before it makes an object of it.
_ALWAYS = {'type', 'init_cfg', '_scope_', '_delete_'}
# What it reads in dicts that are handed to no function, by their place.
_READ = {
    '': {'model_wrapper_cfg', 'find_unused_parameters', 'runner_type'},
    'optim_wrapper': {'constructor', 'paramwise_cfg'},
    'optim_wrapper.paramwise_cfg': {
        *('base_lr', 'base_wd', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult'),
        *('flat_decay_mult', 'dwconv_decay_mult', 'dcn_offset_lr_mult'),
        *('bypass_duplicate', 'custom_keys'),
    },
}
# What clips are cut to, and what the model is made for.
_CROPS = {
    'template_factor': 'model.test_cfg.template_factor',
    'shade_context': 'model.test_cfg.shade_context',
    'template_size': 'model.backbone.template_size',
    'view_factor': 'model.test_cfg.search_factor',
    'search_size': 'model.backbone.search_size',
}


def read_config(
    config: str | os.PathLike[str] | Config, options: Mapping[str, Any] | None = None
) -> Config:
    """A configuration with changes; one that is given stays as it is.

    Where the crops of the clips have the sizes and factors of the model, they follow its
    changes, unless they are changed themselves.

    Args:
        config: A configuration or its file.
        options: Changes, by dotted key (``model.head.norm_cfg.type``).

    Raises:
        ConfigurationError: The file cannot be read; or a key neither exists nor is
            announced (the nearest one is named), or is a dict and would not be any more.
    """
    cfg = copy.deepcopy(config) if isinstance(config, Config) else _read_file(config)
    options = dict(options or {})
    before = cfg.to_dict()
    # Another class first: it announces other arguments.
    types = {key: options[key] for key in options if key.rpartition('.')[2] == 'type'}
    for changes in (types, {key: options[key] for key in options if key not in types}):
        settings = cfg.to_dict()
        for key in changes:
            check_option(settings, key)
            _check_kind(settings, key, changes[key])
        cfg.merge_from_dict(changes)
    cfg.merge_from_dict(_crop_changes(before, cfg.to_dict()))
    return cfg


def _read_file(path: str | os.PathLike[str]) -> Config:
    """Read a configuration file, whatever its code raises."""
    try:
        return Config.fromfile(path)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ConfigurationError(
            f'{path}: cannot be read as a configuration: {type(error).__name__}: {error}'
        ) from error


def _check_kind(settings: Mapping[str, Any], key: str, value: Any) -> None:
    """Raise ConfigurationError for a dict that would become something else than None."""
    old = _value(settings, key)
    if isinstance(old, Mapping) and not (value is None or isinstance(value, Mapping)):
        keys = ', '.join(map(str, old))
        raise ConfigurationError(
            f'{key}={value}: it is a dict; change a key of it ({keys})'
        )


@contextlib.contextmanager
def building(name: Any) -> Iterator[None]:
    """What cannot be built from a configuration is told as an error of that.

    Args:
        name: The configuration's file, for the message.

    Raises:
        ConfigurationError: A class that it names is not there, or does not take what it
            is given.
    """
    try:
        yield
    except (AssertionError, AttributeError, KeyError, TypeError) as error:
        reason = error.args[0] if len(error.args) == 1 else error
        reason = ' '.join(str(reason).split())  # in a line
        raise ConfigurationError(
            f'{name}: cannot be built: {type(error).__name__}: {reason} '
            '(--debug shows where)'
        ) from error


def train_runner(runner: 'Runner | FlexibleRunner', name: Any) -> None:
    """Train; what a runner builds before its first iteration is :func:`building`.

    Args:
        runner: As mmengine makes it; its optimiser and schedules are built here.
        name: The configuration's file, for the message.

    Raises:
        ConfigurationError: As :func:`building`. What goes wrong in the iterations is
            raised as it is.
    """
    from mmengine.hooks import Hook

    class BuiltHook(Hook):
        def before_train(self, runner: Any) -> None:
            preparing.close()

    with contextlib.ExitStack() as preparing:
        preparing.enter_context(building(name))
        runner.register_hook(BuiltHook(), 'HIGHEST')
        runner.train()


def _crop_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What has to change in each ``CropClip`` as the model did, by dotted key."""
    changes = {}
    for name, source in _CROPS.items():
        old, new = _value(before, source), _value(after, source)
        if old == new:
            continue
        for key in _all_keys(after):
            if key.endswith('.type') and _value(after, key) == 'CropClip':
                crop = key.removesuffix('type') + name
                if _value(before, crop) == _value(after, crop) == old:
                    changes[crop] = new
    return changes


def _value(settings: Any, key: str) -> Any:
    """What a dotted key leads to; None where it is not there."""
    for name in key.split('.'):
        if isinstance(settings, (list, tuple)):
            settings = settings[int(name)] if int(name) < len(settings) else None
        else:
            settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings


def check_option(settings: Mapping[str, Any], key: str) -> None:
    """Raise ConfigurationError unless settings have a dotted key, or announce it."""
    place: Any = settings
    names = key.split('.')
    for depth, name in enumerate(names):
        path = '.'.join(names[:depth])
        if place is None:
            return  # whatever replaces it
        if isinstance(place, (list, tuple)):
            if not (name.isdecimal() and int(name) < len(place)):
                raise ConfigurationError(
                    f'{key}: {path} is a list of {len(place)}; a place in it is 0 to '
                    f'{len(place) - 1}, not {name!r}'
                )
            place = place[int(name)]
        elif not isinstance(place, Mapping):
            raise ConfigurationError(f'{key}: {path} is {place!r} and has no keys')
        elif name in place:
            place = place[name]
        elif _is_announced(path, name, place):
            return  # what is below is new
        else:
            raise ConfigurationError(
                f'{key}: the configuration has no key {".".join(names[: depth + 1])}, '
                'and nothing in it takes one; the nearest is '
                f'{_nearest(settings, names, depth, place)}'
            )


def _is_announced(path: str, name: str, place: Mapping) -> bool:
    """Whether a dict of the configuration takes a key that it does not have."""
    if name in _ALWAYS or path.rpartition('.')[2] in _FREE:
        return True
    return name in _arguments(path, place)


def _arguments(path: str, place: Mapping) -> set[str]:
    """The arguments of what a dict of the configuration is handed to."""
    names = set(_READ.get(path, ()))
    for taker in _takers(path, place):
        names |= _parameters(taker)
    return names


def _takers(path: str, place: Mapping) -> Iterator[Callable]:
    """What may take a dict of the configuration, by its ``type`` or its place."""
    from mmengine import runner
    from torch.utils.data import DataLoader

    by_place: dict[str, tuple[Callable, ...]] = {
        '': (runner.Runner, runner.FlexibleRunner),
        'train_cfg': (runner.EpochBasedTrainLoop, runner.IterBasedTrainLoop),
        'train_dataloader': (DataLoader, runner.Runner.build_dataloader),
        'test_dataloader': (DataLoader, runner.Runner.build_dataloader),
        'randomness': (runner.set_random_seed,),
        'log_processor': (runner.LogProcessor,),
    }
    yield from by_place.get(path, ())
    if isinstance(place.get('type'), str):
        yield from _find_classes(place['type'])
    elif callable(place.get('type')):
        yield place['type']


def _find_classes(name: str) -> Iterator[Callable]:
    """What is registered under a name, in any registry."""
    from mmengine import registry

    roots = [root for root in vars(registry).values() if _is_registry(root)]
    for root in roots:
        for each in (root, *root.children.values()):
            found = each.get(name) if '.' in name else each.module_dict.get(name)
            if found is not None:
                yield found


def _is_registry(value: Any) -> bool:
    from mmengine.registry import Registry

    return isinstance(value, Registry)


def _parameters(taker: Callable) -> set[str]:
    """Names of the arguments.

    Of a class also those that it passes on, to its bases or to ``passes_on_to``.
    """
    names: set[str] = set()
    makers: list[Callable] = [taker]
    if isinstance(taker, type):
        makers = [vars(c)['__init__'] for c in taker.__mro__ if '__init__' in vars(c)]
        if other := getattr(taker, 'passes_on_to', None):
            makers.insert(1, other)
    for make in makers:
        try:
            parameters = inspect.signature(make).parameters.values()
        except ValueError:  # of a class in C
            break
        kinds = {parameter.kind for parameter in parameters}
        names.update(parameter.name for parameter in parameters)
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return names - {'self', 'args', 'kwargs'}


def _nearest(
    settings: Mapping[str, Any], names: list[str], depth: int, place: Mapping
) -> str:
    """The key nearest to one of which ``names[depth]`` is not in its place."""
    takes = [*place, *sorted(_arguments('.'.join(names[:depth]), place))]
    repaired = difflib.get_close_matches(names[depth], takes, 1)
    nearest = '.'.join([*names[:depth], *repaired, *names[depth + 1 :]])
    with contextlib.suppress(ConfigurationError):
        if repaired:
            check_option(settings, nearest)
            return nearest
    known = ['.'.join([*names[:depth], each]) for each in takes] + [*_all_keys(settings)]
    return difflib.get_close_matches('.'.join(names), known, 1, cutoff=0)[0]


def _all_keys(place: Any, prefix: str = '') -> Iterator[str]:
    """The dotted keys of nested dicts and lists."""
    items: Iterable = place.items() if isinstance(place, Mapping) else enumerate(place)
    for name, value in items:
        yield f'{prefix}{name}'
        if isinstance(value, (Mapping, list, tuple)):
            yield from _all_keys(value, f'{prefix}{name}.')
