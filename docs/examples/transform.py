"""A transform of whole clips."""

import cv2
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class BlurClip(BaseTransform):
    """Blurs all frames of a clip alike, some clips only.

    Required Keys: rng, frames

    Modified Keys: frames

    Args:
        prob: Probability of a clip to be blurred.
        max_sigma: Largest standard deviation, in pixels.
    """

    def __init__(self, prob: float = 0.2, max_sigma: float = 2.0) -> None:
        self.prob = prob
        self.max_sigma = max_sigma

    def transform(self, results: dict) -> dict:
        """Blur."""
        rng = results['rng']  # the clip's own: no other source of randomness
        if rng.random() >= self.prob:
            return results
        sigma = rng.uniform(0.1, self.max_sigma)
        frames = [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in results['frames']]
        return results | dict(frames=frames)
