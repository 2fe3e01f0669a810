"""Another loss between the two grounding views of a target."""

import torch.nn.functional as F
from mmtrack.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class CosineViewLoss(nn.Module):
    """Views of one target are to look alike; other targets do not matter.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, view0: Tensor, view1: Tensor, valid: Tensor) -> Tensor:
        """1 - cosine of (B, C) features in pairs, mean over the (B,) valid clips."""
        distance = 1 - F.cosine_similarity(view0, view1)
        return self.loss_weight * (distance * valid).sum() / valid.sum().clamp(min=1)
