"""Hooks that keep training reproducible and stop it when it goes wrong."""

import math

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sstrack_mm.errors import LossError

CLIPS_OF_EPOCH = 'clips_of_epoch'
"""In the message hub of a checkpoint: how many clips of its epoch were trained on."""


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds torch before every iteration from the run's seed, iteration and rank.

    Drop path and the augmentation on the device then do not depend on what was drawn
    before, so a resumed run goes on exactly as the uninterrupted one.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed all devices."""
        sequence = np.random.SeedSequence([runner.seed, runner.iter, get_rank()])
        torch.manual_seed(int(sequence.generate_state(1)[0]))


@HOOKS.register_module()
class ClipPositionHook(Hook):
    """Goes on in mid-epoch, on any number of ranks.

    A checkpoint holds how many clips of its epoch all ranks together have had
    (:data:`CLIPS_OF_EPOCH`). A resumed epoch leaves these out.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Give the sampler its epoch and its place in it."""
        self.clips = int(runner.message_hub.runtime_info.get(CLIPS_OF_EPOCH, 0))
        runner.train_dataloader.sampler.set_epoch(runner.epoch, self.clips)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count the clips."""
        self.clips += runner.train_dataloader.batch_size * get_world_size()
        runner.message_hub.update_info(CLIPS_OF_EPOCH, self.clips)

    def after_train_epoch(self, runner: Runner) -> None:
        """Begin anew, before the checkpoint of the end of the epoch is written."""
        runner.message_hub.update_info(CLIPS_OF_EPOCH, 0)


@HOOKS.register_module()
class LossGuardHook(Hook):
    """Stops training when the loss is not finite or explodes.

    Args:
        max_loss: The largest loss that is still taken for sane.
    """

    def __init__(self, max_loss: float = 1e4) -> None:
        self.max_loss = max_loss

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Check the loss of the iteration.

        Raises:
            LossError: The message names the iteration, the losses and the
                samples.
        """
        values = {
            key: torch.as_tensor(value).detach().item()
            for key, value in (outputs or {}).items()
        }
        loss = values.get('loss', 0.0)
        if math.isfinite(loss) and loss <= self.max_loss:
            return
        samples = [
            f'{sample.metainfo.get("video")} frames {sample.metainfo.get("frame_ids")}'
            for sample in (data_batch or {}).get('data_samples', [])
        ]
        raise LossError(
            f'the loss of iteration {runner.iter + 1} (epoch {runner.epoch + 1}) is '
            f'{loss}, over the limit of {self.max_loss}: {values}. Samples on this rank: '
            f'{"; ".join(samples)}. {LossError.remedy}'
        )
