"""Other cameras that look at the same scenes: at night, through a fisheye.

A look changes finished frames, so the scene and what happens in it stay the same; its own
randomness is drawn after the scene's.
"""

from typing import Protocol

import cv2
import numpy as np

from sstrack_mm.errors import DataError


class Look(Protocol):
    """What a camera makes of a frame."""

    def develop(
        self, image: np.ndarray, mask: np.ndarray, t: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            mask: (H, W) bool, where the target is.
            t: Its number in the video.

        Returns:
            tuple[np.ndarray, np.ndarray]: Both, as this camera sees them.
        """


class Night:
    """Little light from one lamp, hardly a colour, and the noise of a high gain.

    Args:
        rng: The source of randomness.
        size_wh: Width and height of the image, pixels.
    """

    def __init__(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        x, y = rng.uniform(0.2, 0.8, 2) * size_wh
        reach = rng.uniform(0.3, 0.6) * max(size_wh)
        rows, columns = np.mgrid[:height, :width]
        lamp = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * reach**2))
        light = rng.uniform(0.08, 0.15) + rng.uniform(0.15, 0.35) * lamp
        self._light = light[..., None].astype(np.float32)
        self._colour = np.float32(rng.uniform(0.0, 0.35))
        self._grain = rng.uniform(4, 10)
        self._seed = int(rng.integers(2**31))

    def develop(
        self, image: np.ndarray, mask: np.ndarray, t: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Look`; the target stays where it is."""
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        dark = self._light * (gray + self._colour * (image - gray))
        rng = np.random.default_rng([self._seed, t])
        noise = self._grain * rng.standard_normal(image.shape, dtype=np.float32)
        return (dark + noise).clip(0, 255).astype(np.uint8), mask


class Fisheye:
    """An equidistant fisheye: large in the middle, small and bent towards the sides.

    What lies beyond the frame is black, and nothing of it is lost. A point at radius r
    goes to radius ``R * atan(tan(a) * r / R) / a``, where R is half the shorter side and
    ``a`` half the angle of view there.

    Args:
        rng: The source of randomness.
        size_wh: Width and height of the image, pixels.
    """

    def __init__(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        self.angle = np.radians(rng.uniform(40, 50))
        radius = min(size_wh) / 2
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        offset = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) - centre
        distance = np.hypot(*np.moveaxis(offset, -1, 0)) / radius
        bent = self.angle * distance.clip(1e-9)
        source = np.tan(bent.clip(max=np.radians(89))) / np.tan(self.angle)
        scale = source / distance.clip(1e-9)
        self._map = (centre + offset * scale[..., None]).astype(np.float32)

    def develop(
        self, image: np.ndarray, mask: np.ndarray, t: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Look`."""
        image = cv2.remap(image, self._map, None, cv2.INTER_LINEAR)
        mask = cv2.remap(mask.astype(np.uint8), self._map, None, cv2.INTER_NEAREST)
        return image, mask > 0


LOOKS: dict[str, type] = dict(night=Night, fisheye=Fisheye)


def check_look(name: str | None) -> None:
    """Raise a DataError for a look that there is not."""
    if name is not None and name not in LOOKS:
        raise DataError(f'there is no look {name!r}; there are {", ".join(LOOKS)}')


def draw_look(
    name: str | None, rng: np.random.Generator, size_wh: tuple[int, int]
) -> Look | None:
    """The camera of one video; None where the frames stay as they are."""
    return None if name is None else LOOKS[name](rng, size_wh)
