"""Procedural video with exact labels: data for training and tests without a download.

:func:`render_video` makes one video, :func:`write_dataset` a data set in GOT-10k's
layout, :func:`write_videos` files without labels. From the small to the large:
``textures``, ``sprites`` cut out of them, ``objects`` of sprites, their ``motion``, the
``camera``, the ``scene``.
"""

from sstrack_mm.datasets.synthetic.video import render_video
from sstrack_mm.datasets.synthetic.writer import write_dataset, write_videos

__all__ = ['render_video', 'write_dataset', 'write_videos']
