"""The heads of the small model, in any size."""

import pytest
from mmtrack.registry import MODELS

import sstrack_mm.models  # noqa: F401  (registers the classes)


@pytest.fixture
def build_head(tracker_cfg):
    """Builds the centre head, or another one."""

    def build(cfg=None, **changes):
        head_cfg = dict(in_channels=6, feat_size=16) | (cfg or tracker_cfg['head'])
        return MODELS.build(head_cfg | changes)

    return build
