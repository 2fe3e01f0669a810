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
    error: np.ndarray | None = None,
) -> np.ndarray:
    """A tracked target's new box, from what was predicted in its search image.

    Args:
        bbox_cxcywh_norm: (4,) predicted box divided by the search image's side.
        last_xywh: (4,) box of the frame before, which the search image was cut around.
        search_size: Side of the search image in pixels.
        image_wh: Width and height of the image.
        settings: The ``search_factor`` of that cut, ``size_lr`` and ``calibration``.
        error: (4,) of :func:`measure_error`; None corrects nothing.

    Returns:
        np.ndarray: (4,) float64 xywh box in image pixels, clipped to the image.
    """
    resize_factor = search_size / target_window(last_xywh, settings.search_factor)[2]
    bbox_xywh = box_from_crop(bbox_cxcywh_norm, last_xywh, resize_factor, search_size)
    if error is not None:
        bbox_xywh = correct_box(bbox_xywh, settings.calibration * error)
    return clip_to_image(damp_size(bbox_xywh, last_xywh, settings.size_lr), image_wh)


def measure_error(found_xywh: np.ndarray, true_xywh: np.ndarray) -> np.ndarray:
    """What a network gets wrong of a target whose box is known.

    What a box is to hold, a tail or a shadow, how far limbs reach, only the first box
    says. A network that sees the target alone errs there in every frame alike.

    Args:
        found_xywh: (4,) predicted box.
        true_xywh: (4,) true one.

    Returns:
        np.ndarray: (4,) where the true centre lies, in sides of the found box, at most
        0.3, and the logarithms of how much larger the true sides are, at most a factor of
        2. Zeros where the two boxes do not overlap: there the network erred otherwise.
    """
    low = np.maximum(found_xywh[:2], true_xywh[:2])
    high = np.minimum(found_xywh[:2] + found_xywh[2:], true_xywh[:2] + true_xywh[2:])
    if (high <= low).any():
        return np.zeros(4)
    centers = [box[:2] + 0.5 * box[2:] for box in (found_xywh, true_xywh)]
    offset = (centers[1] - centers[0]) / found_xywh[2:]
    growth = np.log(true_xywh[2:] / found_xywh[2:])
    return np.concatenate([offset.clip(-0.3, 0.3), growth.clip(-np.log(2), np.log(2))])


def correct_box(bbox_xywh: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The (4,) xywh box without an error (4,) of :func:`measure_error`."""
    center = bbox_xywh[:2] + 0.5 * bbox_xywh[2:] + error[:2] * bbox_xywh[2:]
    wh = bbox_xywh[2:] * np.exp(error[2:])
    return np.concatenate([center - 0.5 * wh, wh])


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
