"""Training with the weights sharded over the processes."""

from collections.abc import Callable
from typing import Any

from mmengine._strategy import DDPStrategy
from mmengine.device import get_device
from mmengine.registry import STRATEGIES
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from sstrack_mm.errors import ConfigurationError
from sstrack_mm.models.lora import has_adapters


@STRATEGIES.register_module()
class FullyShardStrategy(DDPStrategy):
    """FSDP2: each process holds a part of the weights, gradients and moments.

    A block of the backbone is gathered while it computes, the rest of the model at
    once. mmengine's own ``FSDPStrategy`` wraps FSDP1, whose gradient norm is that of a
    process's part, so that clipping would scale each part differently.

    Checkpoints hold whole tensors: the file is that of an unsharded run, and either
    resumes the other's, on any number of processes.

    Args:
        **kwargs: As mmengine's ``DDPStrategy``.

    Raises:
        ValueError: There is one process alone.
        ConfigurationError: The model has adapters, which are merged on one process.
    """

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        if has_adapters(model):
            raise ConfigurationError(
                'model.lora is for a model that each process has whole: leave '
                'configs/_base_/fully_sharded.py out, or set model.lora=None'
            )
        if not self.distributed:
            raise ValueError(
                'FullyShardStrategy shards over several processes, but there is one; '
                'start them with tools/dist_train.sh'
            )
        model = self.convert_model(model.to(get_device()))
        mesh = init_device_mesh(get_device(), (self.world_size,))
        for block in model.get_submodule('backbone.blocks').children():
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        callback: Callable[[dict], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Gather on every process, write on the first; arguments as mmengine's."""
        whole = dict(state_dict=_gather(self.model_state_dict()))
        if save_optimizer:
            whole['optimizer'] = _gather(self.optim_state_dict())

        def replace_parts(checkpoint: dict) -> None:
            checkpoint.update(whole)
            if callback is not None:
                callback(checkpoint)

        super().save_checkpoint(
            filename, save_optimizer=save_optimizer, callback=replace_parts, **kwargs
        )

    def load_model_state_dict(self, state_dict: dict, **kwargs: Any) -> None:
        """Load whole tensors; arguments as mmengine's."""
        own = self.model.state_dict()
        super().load_model_state_dict(
            {key: _shard_like(value, own.get(key)) for key, value in state_dict.items()},
            **kwargs,
        )

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load whole tensors."""
        groups = self.optim_wrapper.optimizer.param_groups
        params = [param for group in groups for param in group['params']]
        state = {
            i: {key: _shard_like(value, params[i]) for key, value in values.items()}
            for i, values in state_dict['state'].items()
        }
        super().load_optim_state_dict(dict(state_dict, state=state))


def _gather(tree: Any) -> Any:
    """Make the tensors in nested containers whole, and move them to the CPU."""

    def gather(value: Any) -> Any:
        if isinstance(value, DTensor):
            value = value.full_tensor()
        return value.cpu() if isinstance(value, Tensor) else value

    return tree_map(gather, tree)


def _shard_like(value: Any, param: Any) -> Any:
    """This process's part of a whole tensor, if ``param`` is sharded and as large."""
    if isinstance(value, DTensor) or not isinstance(param, DTensor):
        return value
    if value.shape != param.shape:
        return value
    return distribute_tensor(value.to(param.device), param.device_mesh, param.placements)
