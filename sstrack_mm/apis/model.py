"""Load a tracker."""

import copy
import os

from mmengine.config import Config
from mmtrack.apis import init_model as init_mmtrack_model
from torch import nn


def init_model(
    config: str | os.PathLike[str] | Config,
    checkpoint: str | None = None,
    device: str = 'cuda:0',
    cfg_options: dict | None = None,
) -> nn.Module:
    """Build a tracker and load its weights.

    As :func:`mmtrack.apis.init_model`, but start weights that the checkpoint replaces
    are not looked for, and a configuration that is given stays as it is.

    Args:
        config: A configuration or its file.
        checkpoint: The weights; None for the start weights of the configuration.
        device: Where the tracker is to run.
        cfg_options: Changes to the configuration, by dotted key.

    Returns:
        nn.Module: The tracker, in eval mode.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)
    else:
        config = Config.fromfile(config)
    config.merge_from_dict(cfg_options or {})
    if checkpoint is not None:
        config.merge_from_dict({'model.backbone.init_cfg': None})
    return init_mmtrack_model(config, checkpoint, device)
