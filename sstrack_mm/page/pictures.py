"""The pictures that the page shows."""

from typing import Any

import cv2
import numpy as np

from sstrack_mm.errors import DataError

MIN_WIDTH, MAX_WIDTH = 16, 1920
"""Of the pictures, in pixels."""


def picture_width(wanted: Any) -> int:
    """The width of a picture, as a page asks for it.

    Raises:
        DataError: It is no number.
    """
    try:
        return min(max(int(wanted), MIN_WIDTH), MAX_WIDTH)
    except (OverflowError, TypeError, ValueError):
        raise DataError(f'the width {wanted!r} is no number of pixels') from None


def encode(image: np.ndarray, width: int) -> bytes:
    """A picture for the page.

    Args:
        image: (H, W, 3) uint8 RGB.
        width: What it is made smaller to, if it is larger.

    Returns:
        bytes: A JPEG file.
    """
    h, w = image.shape[:2]
    if width < w:
        size = width, max(1, round(h * width / w))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
