"""Box heads, one interface: :class:`BaseBoxHead`."""

from sstrack_mm.models.heads.base_head import BaseBoxHead
from sstrack_mm.models.heads.center_head import CenterMapHead
from sstrack_mm.models.heads.corner_head import CornerMapHead

__all__ = ['BaseBoxHead', 'CenterMapHead', 'CornerMapHead']
