"""The schedule of candidate elimination in training."""

import math

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner


def keep_ratio_at(
    epoch: int, start_epoch: int, end_epoch: int, keep_ratio: float
) -> float:
    """Half a cosine from 1 down to the final keep ratio.

    Args:
        epoch: Counted from 1.
        start_epoch: The last epoch that keeps all.
        end_epoch: The first epoch at the final ratio.
        keep_ratio: The final ratio.
    """
    progress = (epoch - start_epoch) / (end_epoch - start_epoch)
    progress = min(max(progress, 0.0), 1.0)
    return keep_ratio + (1 - keep_ratio) * (1 + math.cos(math.pi * progress)) / 2


@HOOKS.register_module()
class KeepRatioHook(Hook):
    """Sets the backbone's keep ratio at the start of every epoch.

    Args:
        start_epoch: The last epoch (from 1) in which no token is eliminated.
        end_epoch: The first epoch at the final ratio.
        keep_ratio: The final ratio.
    """

    def __init__(
        self, start_epoch: int = 20, end_epoch: int = 100, keep_ratio: float = 0.7
    ) -> None:
        if not 0 <= start_epoch < end_epoch:
            raise ValueError(
                'expected 0 <= start_epoch < end_epoch, but got '
                f'{start_epoch} and {end_epoch}'
            )
        if not 0 < keep_ratio <= 1:
            raise ValueError(f'keep_ratio must be in (0, 1], but got {keep_ratio}')
        self.start_epoch = start_epoch
        self.end_epoch = end_epoch
        self.keep_ratio = keep_ratio

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the ratio of this epoch."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.backbone.train_keep_ratio = keep_ratio_at(
            runner.epoch + 1, self.start_epoch, self.end_epoch, self.keep_ratio
        )
