"""The tiny published network, exported once."""

import pytest
from mmtrack.apis import init_model

from sstrack_mm.deploy.export import export_tracker


@pytest.fixture(scope='session')
def tiny_model(root, official_tiny, tiny_options):
    return init_model(
        str(root / 'configs' / 'sstrack_b256.py'),
        str(official_tiny),
        'cpu',
        cfg_options=tiny_options,
    )


@pytest.fixture(scope='session')
def tiny_onnx(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp('exported') / 'tiny.onnx'
    export_tracker(tiny_model, path)
    return path
