"""The instance contrastive loss between the two grounding views of a clip."""

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmtrack.registry import MODELS
from torch import Tensor, nn

from sstrack_mm.compat import gather_with_gradient


def nt_xent_loss(view0: Tensor, view1: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalised temperature-scaled cross entropy (https://arxiv.org/abs/2002.05709).

    Args:
        view0: (B, C) features of one view of B targets.
        view1: (B, C) features of another view of the same targets.
        temperature: Of the cosine similarities.

    Returns:
        Tensor: Scalar mean over the 2B terms. Each feature is to be nearer to the
        other view of its target than to any other of the 2B - 1 features.
    """
    features = F.normalize(torch.cat([view0, view1]).float(), dim=1)
    logits = features @ features.T / temperature
    logits = logits.masked_fill(
        torch.eye(len(features), dtype=torch.bool, device=logits.device), -torch.inf
    )
    positive = torch.arange(len(features), device=logits.device).roll(len(view0))
    return F.cross_entropy(logits, positive)


@MODELS.register_module()
class InstanceContrastiveLoss(nn.Module):
    """NT-Xent over the clips of all ranks; clips without a feature are left out.

    Args:
        temperature: Of the cosine similarities.
        loss_weight: Factor of the loss.
    """

    def __init__(self, temperature: float = 0.5, loss_weight: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be positive, but got {temperature}')
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, view0: Tensor, view1: Tensor, valid: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            view0: (B, C) features of the first grounding view.
            view1: (B, C) features of the second grounding view.
            valid: (B,) bool, the clips that have a feature in both views.

        Returns:
            Tensor: Scalar, the same on every rank. 0 where no clip is valid.
        """
        if get_world_size() > 1:
            view0, view1 = gather_with_gradient(view0), gather_with_gradient(view1)
            valid = gather_with_gradient(valid.float()) > 0
        if not valid.any():
            return (view0.sum() + view1.sum()) * 0
        loss = nt_xent_loss(view0[valid], view1[valid], self.temperature)
        return self.loss_weight * loss
