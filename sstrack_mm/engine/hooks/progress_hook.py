"""A progress bar in place of log lines."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from tqdm import tqdm


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Shows the iterations of the whole training with the time left and the loss."""

    def before_train(self, runner: Runner) -> None:
        """Start the bar, after the iterations of a resumed run."""
        self.bar = tqdm(
            total=runner.max_iters,
            initial=runner.iter,
            unit=' iterations',
            desc='training',
            disable=not is_main_process(),
        )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the bar."""
        if outputs and 'loss' in outputs:
            self.bar.set_postfix(loss=f'{float(outputs["loss"]):.2f}', refresh=False)
        self.bar.update()

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self.bar.close()
