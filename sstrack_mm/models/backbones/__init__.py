"""Backbones."""

from sstrack_mm.models.backbones.vit import SSTrackViT, ViTOutput

__all__ = ['SSTrackViT', 'ViTOutput']
