"""Weights that fit, and runs that go on exactly as they were, or an error."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner, find_latest_checkpoint

from sstrack_mm.checkpoints import Placeholder
from sstrack_mm.engine.hooks.training_hooks import CLIPS_OF_EPOCH
from sstrack_mm.errors import CheckpointError
from sstrack_mm.models.backbones.pretrained import fit_pos_embed
from sstrack_mm.weights import fit_weights

TRAINING_STATE = ('meta', 'optimizer', 'message_hub')
ANEW = 'start anew from its weights: --cfg-options load_from={path}'
FRESH = (
    '; parts that may start fresh: default_hooks.strict_load.fresh=[head]; images of '
    'another size: default_hooks.strict_load.resize_positions=True'
)
SETTINGS = {
    'initial_lr': 'the learning rate at the start (optim_wrapper.optimizer.lr)',
    'lr': 'the learning rate here (param_scheduler, train_cfg.max_epochs)',
    'weight_decay': 'optim_wrapper.optimizer.weight_decay',
    'betas': 'optim_wrapper.optimizer.betas',
    'eps': 'optim_wrapper.optimizer.eps',
    'momentum': 'optim_wrapper.optimizer.momentum',
}
"""Of the optimiser, what a resumed run takes from the checkpoint, and where it is set."""


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Checks what ``load_from`` and ``resume`` load, before it is loaded.

    Every weight has to be there and to fit. A resumed run has to be the same run: its
    optimiser and the epochs so far as this configuration has them.

    Args:
        fresh: Parts of the model, such as ``head``, that do not take their weights from
            ``load_from``.
        resize_positions: Whether position embeddings of ``load_from`` are resized
            (bicubic) to this configuration's images, template and search.
    """

    def __init__(self, fresh: Sequence[str] = (), resize_positions: bool = False) -> None:
        self.fresh = [fresh] if isinstance(fresh, str) else list(fresh)
        self.convert = fit_pos_embed if resize_positions else None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the checkpoint, and put its weights under the model's names.

        Raises:
            CheckpointError: It does not fit the model, or is of another run.
        """
        path = runner.cfg.get('load_from') or find_latest_checkpoint(runner.work_dir)
        resume = bool(runner.cfg.get('resume'))
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if resume:
            check_training_state(checkpoint, path)
        fresh, advice, convert = (
            ([], '', None) if resume else (self.fresh, FRESH, self.convert)
        )
        checkpoint['state_dict'] = fit_weights(
            checkpoint, model, path, fresh, advice, convert
        )
        if resume:
            check_same_run(runner, checkpoint, path)
        elif fresh:
            runner.logger.info(f'{path}: not loaded, but fresh: {", ".join(fresh)}')


def check_training_state(checkpoint: dict, path: str) -> None:
    """Check that there is more than weights.

    Raises:
        CheckpointError: A part of the state of training is missing, or could not be read.
    """
    missing = [part for part in TRAINING_STATE if part not in checkpoint]
    if missing:
        raise CheckpointError(
            f'{path}: has no {", ".join(missing)}, so no run can go on from it; '
            + ANEW.format(path=path)
        )
    unread = [part for part in TRAINING_STATE if _has_placeholders(checkpoint[part])]
    if unread:
        raise CheckpointError(
            f'{path}: {", ".join(unread)} of it are objects of a program, which are not '
            f'read from files; ' + ANEW.format(path=path)
        )


def _has_placeholders(tree: Any) -> bool:
    if isinstance(tree, dict):
        return any(map(_has_placeholders, tree.values()))
    if isinstance(tree, list | tuple):
        return any(map(_has_placeholders, tree))
    return isinstance(tree, Placeholder)


def check_same_run(runner: Runner, checkpoint: dict, path: str) -> None:
    """Check that a run goes on as if it had never stopped; say so if it has ended.

    mmengine takes the learning rates, their schedule and the settings of the optimiser
    from the checkpoint, whatever the configuration says. The schedule is therefore
    replayed up to here as this configuration has it, and takes the place of the
    checkpoint's if both have come to the same rate.

    Raises:
        CheckpointError: The configuration is of another run.
    """
    meta = checkpoint['meta']
    length = len(runner.train_dataloader)
    state = checkpoint['message_hub'].get('runtime_info', {})
    clips = state.get(CLIPS_OF_EPOCH, 0)
    batch = runner.train_dataloader.batch_size * get_world_size()
    iterations = clips / batch if clips % batch else clips // batch
    differences = [
        _difference('randomness.seed', meta.get('seed'), runner.seed),
        _difference(
            'iterations after so many epochs (batch size, processes, samples_per_epoch)',
            meta['iter'],
            meta['epoch'] * length + iterations,
        ),
    ]
    if not any(differences):
        replay_schedule(runner, meta['epoch'], int(iterations))
        # The wrapper itself counts a group more, of no parameter.
        groups = runner.optim_wrapper.optimizer.param_groups
        differences = _optimizer_differences(
            checkpoint['optimizer']['param_groups'], groups
        )
    if any(differences):
        raise CheckpointError(
            f'{path}: is of another run than this configuration: '
            f'{"; ".join(filter(None, differences))}. Give its configuration, or '
            + ANEW.format(path=path)
        )
    if runner.param_schedulers is not None:
        checkpoint['param_schedulers'] = [
            scheduler.state_dict() for scheduler in runner.param_schedulers
        ]
    if meta['epoch'] >= runner.max_epochs:
        runner.logger.warning(
            f'{path}: this run has ended, after {meta["epoch"]} of '
            f'{runner.max_epochs} epochs; there is nothing to train'
        )


def replay_schedule(runner: Runner, epochs: int, iterations: int) -> None:
    """Step the schedules through whole epochs, and iterations of one that goes on."""
    hook = ParamSchedulerHook()
    with warnings.catch_warnings():
        # that the optimiser has made no step
        warnings.filterwarnings('ignore', category=UserWarning)
        for _ in range(epochs):
            for index in range(len(runner.train_dataloader)):
                hook.after_train_iter(runner, index)
            hook.after_train_epoch(runner)
        for index in range(iterations):
            hook.after_train_iter(runner, index)


def _optimizer_differences(there: list[dict], here: list[dict]) -> list[str | None]:
    """The first difference of each setting of the groups of parameters."""
    if len(there) != len(here):
        return [_difference('groups of parameters', len(there), len(here))]
    return [
        next(
            (
                _difference(name, old[key], new[key])
                for old, new in zip(there, here, strict=True)
                if key in old and key in new and not _same(old[key], new[key])
            ),
            None,
        )
        for key, name in SETTINGS.items()
    ]


def _same(first: Any, second: Any) -> bool:
    """Whether two settings are one, up to the last digit of another machine."""
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second)
    return first == second


def _difference(name: str, there: Any, here: Any) -> str | None:
    if there == here:
        return None
    return f'{name}: {there} there, {here} here'
