"""The tracking function for CVAT, with a stand-in for its SDK."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sstrack_mm.tracking import Status


@dataclass
class Spec:
    supported_shape_types: list


@dataclass
class Shape:
    type: str
    points: list


class FakeTracker:
    """Moves a box by the red of the image; black is where it loses it."""

    def init_state(self, image_rgb, bbox_xywh):
        return SimpleNamespace(bbox_xywh=bbox_xywh, status=Status.TRACKED)

    def track_step(self, image_rgb, state):
        red = int(image_rgb[0, 0, 0])
        status = Status.TRACKED if red else Status.LOST
        bbox_xywh = state.bbox_xywh + np.array([red, 0, 0, 0])
        return SimpleNamespace(bbox_xywh=bbox_xywh, status=status)


@pytest.fixture
def cvat(monkeypatch, load_tool):
    sdk, interface = ModuleType('cvat_sdk'), ModuleType('cvat_sdk.auto_annotation')
    interface.TrackingFunctionSpec, interface.TrackableShape = Spec, Shape
    sdk.auto_annotation = interface
    monkeypatch.setitem(sys.modules, 'cvat_sdk', sdk)
    monkeypatch.setitem(sys.modules, 'cvat_sdk.auto_annotation', interface)
    return load_tool('cvat/sstrack_cvat.py')


def test_tracks_rectangles_until_they_are_lost(cvat):
    function = cvat.TrackingFunction(FakeTracker())
    assert function.spec.supported_shape_types == ['rectangle']

    def see(red, mode='RGB'):
        image = Image.new('RGB', (64, 48), (red, 0, 0)).convert(mode)
        return function.preprocess_image(None, image)

    assert see(3, 'RGBA').shape == (48, 64, 3)
    shape = Shape('rectangle', [10.0, 20, 30, 50])
    state = function.init_tracking_state(None, see(1), shape)
    assert function.track(None, see(3), state) == Shape('rectangle', [13, 20, 33, 50])
    assert function.track(None, see(2), state) == Shape('rectangle', [15, 20, 35, 50])
    assert function.track(None, see(0), state) is None


def test_the_shipped_model_by_default(cvat):
    """It tracks, and judges what it found."""
    function = cvat.create()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    image = function.preprocess_image(None, Image.fromarray(noise))
    shape = Shape('rectangle', [10, 20, 30, 40])
    state = function.init_tracking_state(None, image, shape)
    found = function.track(None, image, state)
    assert found.type == 'rectangle' and len(found.points) == 4
    assert state.state.confidence is not None
