"""A tracking function for CVAT: a box that is drawn in one frame is tracked on.

``cvat-cli`` loads this file and serves it; see the README beside it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from cvat_sdk import auto_annotation as cvataa
from PIL import Image

import sstrack_mm  # noqa: F401  (before mmtrack: stands in for missing operators)
from sstrack_mm.apis import Tracker, init_model
from sstrack_mm.command_options import choose_settings
from sstrack_mm.tracking import Status, TrackState


@dataclass
class Shape:
    """What is known of a shape that is tracked; CVAT keeps it from image to image."""

    state: TrackState


class TrackingFunction:
    """What CVAT calls a tracking function, for rectangles.

    Args:
        model: From :func:`sstrack_mm.apis.init_model`.
    """

    spec = cvataa.TrackingFunctionSpec(supported_shape_types=['rectangle'])

    def __init__(self, model: Tracker) -> None:
        self._model = model

    def preprocess_image(self, context: Any, image: Image.Image) -> np.ndarray:
        """An image as an (H, W, 3) uint8 RGB array, once for all its shapes."""
        return np.array(image.convert('RGB'))

    def init_tracking_state(
        self, context: Any, pp_image: np.ndarray, shape: cvataa.TrackableShape
    ) -> Shape:
        """Start to track a rectangle, whose points are x1, y1, x2, y2 in pixels.

        Raises:
            DataError: It has no area inside the image.
        """
        x1, y1, x2, y2 = shape.points
        bbox_xywh = np.array([x1, y1, x2 - x1, y2 - y1])
        return Shape(self._model.init_state(pp_image, bbox_xywh))

    def track(
        self, context: Any, pp_image: np.ndarray, state: Shape
    ) -> cvataa.TrackableShape | None:
        """Find a shape in its next image; None where it is lost."""
        state.state = self._model.track_step(pp_image, state.state)
        if state.state.status is Status.LOST:
            return None
        x, y, w, h = (float(value) for value in state.state.bbox_xywh)
        return cvataa.TrackableShape(type='rectangle', points=[x, y, x + w, y + h])


def create(
    config: str | None = None, checkpoint: str = 'sstrack-tiny', device: str = 'cpu'
) -> TrackingFunction:
    """The function, as ``cvat-cli`` asks for it; its parameters are given by ``-p``.

    Args:
        config: A configuration; not needed for a model of the zoo or an ONNX file.
        checkpoint: Weights, an ONNX file, or a name of the zoo.
        device: Where it is to run.

    Returns:
        TrackingFunction: Ready to be served.
    """
    model = init_model(config, checkpoint, device)
    model.settings = choose_settings(model)
    return TrackingFunction(model)
