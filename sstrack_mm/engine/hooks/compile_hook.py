"""Training with a compiled backbone."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn


def compile_blocks(model: nn.Module) -> None:
    """Let ``torch.compile`` compile each block of a tracker's backbone, in place.

    Blocks share their code, so each kind is compiled once and not once a layer. When
    candidate elimination first changes the number of tokens, they are compiled again, for
    any number. Drop path draws other random numbers than without.

    Args:
        model: The tracker.
    """
    for block in model.get_submodule('backbone.blocks').children():
        block.compile()


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the backbone's blocks before training; the first steps take minutes."""

    def before_train(self, runner: Runner) -> None:
        """Compile the blocks, each when it first runs."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        compile_blocks(model)
