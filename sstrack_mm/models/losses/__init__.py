"""Losses that mmdet does not have."""

from sstrack_mm.models.losses.contrastive_loss import (
    InstanceContrastiveLoss,
    nt_xent_loss,
)

__all__ = ['InstanceContrastiveLoss', 'nt_xent_loss']
