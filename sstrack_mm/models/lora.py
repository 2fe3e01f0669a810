"""LoRA: a backbone that learns by small matrices beside its linear layers, through peft.

Of the backbone, these adapters alone learn (https://arxiv.org/abs/2106.09685): its
weights, biases, norms, embeddings and statistics stay as they were loaded. Merged, the
adapters are gone, and the network is the one that it was, with other weights.
"""

import copy
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sstrack_mm.errors import ConfigurationError, optional_requirements
from sstrack_mm.tracking.settings import check_keys

_TARGETS = r'blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(fc1|fc2))'
_ADAPTER = 'default'


def insert_adapters(backbone: nn.Module, settings: dict[str, Any]) -> None:
    """Put adapters beside the linear layers of all blocks, and freeze all else, in place.

    An adapter adds ``B @ A`` to a weight; B is zero at first.

    Args:
        backbone: The network, with timm's names in its ``blocks``.
        settings: ``rank``, of each adapter.

    Raises:
        ConfigurationError: The rank is no whole number from 1.
        DataError: There is another key.
        RequirementError: peft is not installed.
    """
    check_keys('lora', settings, ['rank'])
    rank = settings.get('rank')
    if not isinstance(rank, int) or rank < 1:
        raise ConfigurationError(
            f'model.lora.rank must be a whole number from 1, but got {rank!r}'
        )
    with optional_requirements('model.lora'):
        from peft import LoraConfig, inject_adapter_in_model
    # With an alpha of the rank, what is added is B @ A itself.
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS)
    inject_adapter_in_model(config, backbone, _ADAPTER)


def reset_adapters(backbone: nn.Module) -> None:
    """Start the adapters, so that they change nothing yet."""
    for layer in _adapted(backbone).values():
        layer.reset_lora_parameters(_ADAPTER, True)


def freeze_statistics(backbone: nn.Module) -> None:
    """Let batch norms use what they were loaded with; to be called in training mode."""
    for module in backbone.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def merge_adapters(backbone: nn.Module) -> nn.Module:
    """A copy without adapters, which computes the same; the backbone stays as it is."""
    merged = copy.deepcopy(backbone)
    for name, layer in _adapted(merged).items():
        layer.merge()
        merged.set_submodule(name, layer.get_base_layer())
    return merged


def has_adapters(model: nn.Module) -> bool:
    """Whether a model has any."""
    return bool(_adapted(model))


def merged_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a tracker with adapters, merged, by the unchanged model's names."""
    weights = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith('backbone.')
    }
    backbone = merge_adapters(model.get_submodule('backbone')).state_dict()
    return weights | {f'backbone.{name}': value for name, value in backbone.items()}


def _adapted(model: nn.Module) -> dict[str, Any]:
    """The layers that have an adapter, which are peft's, by name."""
    return {
        name: module
        for name, module in model.named_modules()
        if hasattr(module, 'lora_A')
    }
