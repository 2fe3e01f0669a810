"""SSTrack: a single-object tracker that learns from video without box annotations.

Importing the package is cheap. It only makes mmtrack importable where mmcv has no
compiled operators (see :mod:`sstrack_mm.compat`), so import it before mmtrack.
Configurations register the classes by
``custom_imports = dict(imports=['sstrack_mm.models', 'sstrack_mm.datasets', ...])``.
"""

from sstrack_mm.compat import install_mmcv_ops_stand_in
from sstrack_mm.version import __version__

install_mmcv_ops_stand_in()

__all__ = ['__version__']
