"""What is believed of a prediction: the rules between the network and the next frame."""

import numpy as np

from sstrack_mm.structures.crop import box_from_crop, target_window
from sstrack_mm.tracking.settings import TrackSettings


def update_box(
    bbox_cxcywh_norm: np.ndarray,
    last_xywh: np.ndarray,
    search_size: int,
    image_wh: tuple[int, int],
    settings: TrackSettings,
) -> np.ndarray:
    """A tracked target's new box, from what was predicted in its search image.

    Args:
        bbox_cxcywh_norm: (4,) predicted box divided by the search image's side.
        last_xywh: (4,) box of the frame before, which the search image was cut around.
        search_size: Side of the search image in pixels.
        image_wh: Width and height of the image.
        settings: The ``search_factor`` of that cut, and ``size_lr``.

    Returns:
        np.ndarray: (4,) float64 xywh box in image pixels, clipped to the image.
    """
    resize_factor = search_size / target_window(last_xywh, settings.search_factor)[2]
    bbox_xywh = box_from_crop(bbox_cxcywh_norm, last_xywh, resize_factor, search_size)
    return clip_to_image(damp_size(bbox_xywh, last_xywh, settings.size_lr), image_wh)


def damp_size(bbox_xywh: np.ndarray, last_xywh: np.ndarray, lr: float) -> np.ndarray:
    """Believe a part of the change of a target's size; its centre stays.

    A network that overestimates sizes by a few percent enlarges its box in every frame;
    damping keeps it steady for longer.

    Args:
        bbox_xywh: (4,) predicted box.
        last_xywh: (4,) box of the frame before, with positive sides.
        lr: Weight of the predicted sides in a weighted geometric mean with the last
            ones: 1 takes them as they are, 0 never changes them.

    Returns:
        np.ndarray: (4,) xywh box.
    """
    if lr == 1:
        return bbox_xywh
    wh = bbox_xywh[2:] ** lr * last_xywh[2:] ** (1 - lr)
    return np.concatenate([bbox_xywh[:2] + 0.5 * (bbox_xywh[2:] - wh), wh])


def clip_to_image(
    bbox_xywh: np.ndarray, image_wh: tuple[int, int], margin: int = 10
) -> np.ndarray:
    """Keep a tracked box inside its image and at least ``margin`` pixels a side.

    Args:
        bbox_xywh: (4,) box in image pixels.
        image_wh: Width and height of the image.
        margin: The least side, and the least part inside the image, in pixels.

    Returns:
        np.ndarray: (4,) float64 xywh box.
    """
    xy1 = np.asarray(bbox_xywh[:2], float)
    xy2 = xy1 + bbox_xywh[2:]
    wh = np.asarray(image_wh, float)
    xy1 = np.minimum(np.maximum(xy1, 0), wh - margin)
    xy2 = np.minimum(np.maximum(xy2, margin), wh)
    return np.concatenate([xy1, np.maximum(xy2 - xy1, margin)])
