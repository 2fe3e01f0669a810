"""What cameras and codecs do to a crop."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class DegradeCrops(BaseTransform):
    """Blur, shrink, compress, brighten and roughen each template and view on its own.

    Required Keys: rng, template, view

    Modified Keys: template, view

    Args:
        blur_prob: Probability of a Gaussian blur or a motion blur, which is up to an
            eighth of a crop long: half of a target in a view of four times its size.
        shrink_prob: Probability of a loss of resolution, to a half or a third.
        jpeg_prob: Probability of a JPEG compression, of quality 15 to 70.
        gain_prob: Probability of another contrast and brightness, sometimes as other
            as those of a lamp that is switched on.
        noise_prob: Probability of noise.
    """

    def __init__(
        self,
        blur_prob: float = 0.3,
        shrink_prob: float = 0.15,
        jpeg_prob: float = 0.2,
        gain_prob: float = 0.5,
        noise_prob: float = 0.15,
    ) -> None:
        self.blur_prob = blur_prob
        self.shrink_prob = shrink_prob
        self.jpeg_prob = jpeg_prob
        self.gain_prob = gain_prob
        self.noise_prob = noise_prob

    def transform(self, results: dict) -> dict:
        """Change the crops."""
        rng = results['rng']
        return results | {
            key: np.stack([self._degrade(crop, rng) for crop in results[key]])
            for key in ('template', 'view')
        }

    def _degrade(self, crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One (h, w, 3) uint8 crop."""
        blur, shrink, jpeg, gain, noise = rng.random(5)
        size = crop.shape[1::-1]
        if blur < 0.5 * self.blur_prob:
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.8))
        elif blur < self.blur_prob:
            length = 2 * int(rng.integers(1, max(size[0] // 16, 2))) + 1
            kernel = np.zeros((length, length), np.uint8)
            way = rng.normal(size=2)
            way *= (length - 1) / 2 / np.abs(way).max()
            middle = length // 2
            ends = np.round([middle - way, middle + way]).astype(int).tolist()
            cv2.line(kernel, *ends, 255, 1, cv2.LINE_AA)
            crop = cv2.filter2D(crop, -1, kernel / np.float32(kernel.sum()))
        if shrink < self.shrink_prob:
            side = int(size[0] / rng.uniform(1.5, 3))
            small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
            crop = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
        if gain < self.gain_prob:
            strength = rng.choice([1.0, 2.5], p=[0.7, 0.3])
            contrast = np.exp(rng.normal(0, 0.2 * strength))
            brightness = 128 * (1 - contrast) + rng.normal(0, 15 * strength)
            crop = np.clip(crop * contrast + brightness, 0, 255).astype(np.uint8)
        if noise < self.noise_prob:
            grain = rng.normal(0, rng.uniform(2, 10), crop.shape).astype(np.float32)
            crop = cv2.add(crop, grain, dtype=cv2.CV_8U)
        if jpeg < self.jpeg_prob:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))]
            crop = cv2.imdecode(cv2.imencode('.jpg', crop, quality)[1], cv2.IMREAD_COLOR)
        return crop
