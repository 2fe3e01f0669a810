"""Watching a training run that has no labels to be judged by."""

import dataclasses
import json
from itertools import takewhile
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmtrack.registry import DATASETS, TASK_UTILS

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import LossError
from sstrack_mm.evaluation.label_free import LabelFree, draw_clips, measure
from sstrack_mm.models.lora import has_adapters, merged_weights
from sstrack_mm.visualization.plots import plot_training

BEST = 'best_label_free.pth'
_LEAST_FOR_RANK = 4  # clips; the effective rank of N is below N


class CollapseError(LossError):
    """The network says the same of everything; the message says what, and what to try."""


def _bare_model(runner: Runner) -> Any:
    """The model without what wraps it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


@HOOKS.register_module()
class LabelFreeHook(Hook):
    """Measures the tracker on held-out video without labels after each epoch.

    The measures (:class:`~sstrack_mm.evaluation.label_free.LabelFree`) go to the log and
    to every backend of the visualizer, and beside the loss into ``label_free.json`` and
    ``label_free.png`` in the work folder. The weights with the best overlap are kept as
    ``best_label_free.pth``, with adapters (:mod:`sstrack_mm.models.lora`) merged. Every
    process measures the same clips, so that sharded weights can be gathered; the training
    itself is not touched.

    Args:
        videos: Config of the reader, such as a ``VideoFolder`` with ``split='val'``.
        proposer: Config of what names the first boxes.
        num_clips: Clips to measure on, at least 2: one alone does not vary.
        length: Frames of a clip.
        stride: From frame to frame of a clip.
        interval: Measured after each so many epochs.
        patience: How many measurements in a row may look collapsed before the run stops;
            0 never stops it.
        min_feature_std: Below it, features count as constant.
        min_rank: Below this effective rank, too; not judged on fewer than 4 clips,
            whose rank is low whatever they show.
        min_box_std: Below it, boxes count as constant.
        min_moved: Below it, boxes count as all at the centre.
    """

    priority = 'LOW'

    def __init__(
        self,
        videos: dict,
        proposer: dict | None = None,
        num_clips: int = 32,
        length: int = 8,
        stride: int = 3,
        interval: int = 1,
        patience: int = 3,
        min_feature_std: float = 0.02,
        min_rank: float = 1.5,
        min_box_std: float = 0.02,
        min_moved: float = 0.02,
    ) -> None:
        if min(num_clips, length) < 2 or interval < 1:
            raise ValueError(
                'num_clips and length must be at least 2 and interval positive, but got '
                f'{num_clips}, {length} and {interval}'
            )
        self.videos = videos
        self.proposer = proposer or dict(type='MotionProposer')
        self.num_clips, self.length, self.stride = num_clips, length, stride
        self.interval = interval
        self.patience = patience
        self.min_feature_std, self.min_rank = min_feature_std, min_rank
        self.min_box_std, self.min_moved = min_box_std, min_moved
        self.history: list[dict[str, float]] = []

    def before_train(self, runner: Runner) -> None:
        """Draw the clips, and read what a resumed run measured before."""
        self.clips = draw_clips(
            DATASETS.build(self.videos),
            TASK_UTILS.build(self.proposer),
            self.num_clips,
            self.length,
            self.stride,
        )
        path = Path(runner.work_dir) / 'label_free.json'
        if runner.epoch and path.is_file():
            rows = json.loads(path.read_text())
            self.history = [row for row in rows if row['epoch'] <= runner.epoch]

    def after_train_epoch(self, runner: Runner) -> None:
        """Measure, draw, keep the best weights, and stop a run that collapsed.

        Raises:
            CollapseError: It looked collapsed ``patience`` times in a row.
        """
        if not self.every_n_epochs(runner, self.interval):
            return
        measured = [measure(_bare_model(runner), self.clips)]
        broadcast_object_list(measured)  # the last digits differ from process to process
        (found,) = measured
        epoch = runner.epoch + 1
        best = max((row['overlap'] for row in self.history), default=-1.0)
        self._record(runner, found, epoch)
        if found.overlap > best:
            runner.save_checkpoint(
                runner.work_dir,
                BEST,
                save_optimizer=False,
                save_param_scheduler=False,
                meta=dict(epoch=epoch, iter=runner.iter, label_free=found.as_dict()),
                by_epoch=True,
            )
        symptom = self._find_symptom(found)
        if symptom and self.patience and self.suspicions >= self.patience:
            raise CollapseError(
                f'epoch {epoch}: {symptom}. {self.suspicions} measurements in a row '
                f'looked like this; the curves are in {runner.work_dir}/label_free.png, '
                f'the best weights in {BEST} beside it. '
                'LabelFreeHook.patience=0 goes on regardless'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Merge adapters into weights that are handed on; a run goes on from its own."""
        model = _bare_model(runner)
        if 'optimizer' not in checkpoint and has_adapters(model):
            weights = merged_weights(model)
            checkpoint['state_dict'] = {k: v.cpu() for k, v in weights.items()}

    def _record(self, runner: Runner, found: LabelFree, epoch: int) -> None:
        """Write the measures to the log, the visualizer, the table and the picture."""
        row = dict(epoch=epoch, **found.as_dict())
        scalars = runner.message_hub.log_scalars
        if 'train/loss' in scalars:
            row['loss'] = float(scalars['train/loss'].mean(len(runner.train_dataloader)))
        self.history.append(row)
        tags = {f'label_free/{key}': value for key, value in found.as_dict().items()}
        runner.visualizer.add_scalars(tags, step=epoch)
        runner.logger.info(
            'label-free, epoch %d: %s',
            epoch,
            ', '.join(f'{key} {value:.3f}' for key, value in found.as_dict().items()),
        )
        if runner.rank == 0:
            folder = Path(runner.work_dir)
            write_atomically(folder / 'label_free.json', json.dumps(self.history))
            plot_training(self.history, folder / 'label_free.png')

    @property
    def suspicions(self) -> int:
        """How many of the last measurements in a row look collapsed."""
        names = [field.name for field in dataclasses.fields(LabelFree)]
        found = [LabelFree(**{name: row[name] for name in names}) for row in self.history]
        collapsed = takewhile(self._find_symptom, reversed(found))
        return len(list(collapsed))

    def _find_symptom(self, found: LabelFree) -> str | None:
        """What looks collapsed, and what to try; None where nothing does."""
        low_rank = found.effective_rank < self.min_rank
        if found.feature_std < self.min_feature_std or (
            low_rank and self.num_clips >= _LEAST_FOR_RANK
        ):
            return (
                f'the features are constant (feature_std {found.feature_std:.4f}, '
                f'effective rank {found.effective_rank:.2f}). Try a lower learning rate, '
                'model.loss_contrastive with a larger loss_weight, or more videos'
            )
        if found.box_std < self.min_box_std:
            return (
                f'the boxes are constant (box_std {found.box_std:.4f}). Try more '
                'synthesised clips (synthesis_prob), or a larger center_jitter and '
                'scale_jitter of the views'
            )
        if abs(found.moved) < self.min_moved:
            return (
                f'everything is at the centre (moved {found.moved:.3f}). Try a larger '
                'center_jitter of the views, and a lower model.train_cfg.cycle_weight'
            )
        return None
