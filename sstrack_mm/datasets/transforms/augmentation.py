"""Changes that all frames of a clip share."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GrayscaleClip(BaseTransform):
    """Take the colour out of a whole clip.

    Required Keys: rng, frames

    Modified Keys: frames

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.05) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change the frames."""
        if results['rng'].random() >= self.prob:
            return results
        frames = [
            cv2.cvtColor(
                cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY),
                cv2.COLOR_GRAY2RGB,
            )
            for frame in results['frames']
        ]
        return results | dict(frames=frames)


@TRANSFORMS.register_module()
class FlipClip(BaseTransform):
    """Mirror a whole clip left to right.

    Required Keys: rng, frames, bboxes_xywh

    Modified Keys: frames, bboxes_xywh

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change the frames and their boxes."""
        if results['rng'].random() >= self.prob:
            return results
        widths = np.array([frame.shape[1] for frame in results['frames']])
        bboxes_xywh = results['bboxes_xywh'].copy()
        bboxes_xywh[:, 0] = widths - bboxes_xywh[:, 0] - bboxes_xywh[:, 2]
        return results | dict(
            frames=[frame[:, ::-1] for frame in results['frames']],
            bboxes_xywh=bboxes_xywh,
        )
