"""What the camera adds to the world: its own motion, light, focus, noise, colour."""

import cv2
import numpy as np

from sstrack_mm.datasets.synthetic.motion import confine, smooth_curve
from sstrack_mm.datasets.synthetic.sprites import rotation
from sstrack_mm.datasets.synthetic.textures import spectral_noise


class Camera:
    """A camera that looks at a part of a large picture of the world.

    Args:
        rng: The source of randomness.
        num_frames: Length T of the video.
        size_wh: Width and height of the image.
        world_wh: Width and height of the picture of the world.

    Attributes:
        from_world (np.ndarray): (T, 2, 3) affine maps from world to image pixels.
        shake (np.ndarray): (T, 2) the part of the motion that moves all that is seen,
            pixels; 0 in the first frame.
        shutter (float): Share of the time between frames in which light comes in.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        num_frames: int,
        size_wh: tuple[int, int],
        world_wh: tuple[int, int],
    ) -> None:
        self.shutter = rng.uniform(0, 0.8)
        self.shake = self._draw_shake(rng, num_frames, size_wh)
        self.from_world = self._draw_motion(rng, num_frames, size_wh, world_wh)
        self._tables = self._draw_exposure(rng, num_frames)
        self._gray = rng.random() < 0.12
        self._defocus = rng.choice([0.0, 0.0, 0.0, rng.uniform(0.4, 1.3)])
        self._light, self._light_xy = self._draw_light(rng, num_frames, size_wh)
        grain = rng.choice([0.0, rng.uniform(1, 3), rng.uniform(2, 8)])
        noise = rng.normal(128, grain, (size_wh[1] + 32, size_wh[0] + 32, 3))
        self._noise = noise.clip(0, 255).astype(np.uint8)
        self._noise_xy = rng.integers(0, 33, (num_frames, 2))
        self._size_wh = size_wh

    @staticmethod
    def _draw_shake(
        rng: np.random.Generator, num_frames: int, size_wh: tuple[int, int]
    ) -> np.ndarray:
        """Shake like a hand; half of the cameras stand still."""
        speed = rng.choice([0.0, 0.0, rng.uniform(0.2, 1), rng.uniform(1, 3)])
        bound = 0.04 * min(size_wh)
        return np.stack(
            [
                confine(0.0, speed * smooth_curve(rng, num_frames, 5.0), -bound, bound)
                for _ in range(2)
            ],
            axis=-1,
        )

    def _draw_motion(
        self,
        rng: np.random.Generator,
        num_frames: int,
        size_wh: tuple[int, int],
        world_wh: tuple[int, int],
    ) -> np.ndarray:
        """Pan, zoom and roll; a third of the cameras does not."""
        speed = (
            min(size_wh)
            / 240
            * rng.choice(
                [0.0, np.exp(rng.uniform(np.log(0.2), np.log(5)))], p=[0.35, 0.65]
            )
        )
        turning, zooming = rng.choice([0.0, 1.0], 2, p=[0.6, 0.4]) * min(1.0, speed)
        pan = np.stack(
            [
                confine(0.0, speed * smooth_curve(rng, num_frames, 25.0), -bound, bound)
                for bound in (np.array(world_wh) - size_wh) * 0.45
            ],
            axis=-1,
        )
        roll = confine(0.0, 0.008 * turning * smooth_curve(rng, num_frames), -0.3, 0.3)
        zoom = np.exp(
            confine(0.1, 0.006 * zooming * smooth_curve(rng, num_frames, 30.0), -0.1, 0.4)
        )
        linear = zoom[:, None, None] * np.moveaxis(rotation(roll), -1, 0)
        centre = np.array(size_wh) / 2 + pan + self.shake
        shift = centre - linear @ (np.array(world_wh) / 2)
        return np.concatenate([linear, shift[..., None]], axis=-1)

    @staticmethod
    def _draw_exposure(rng: np.random.Generator, num_frames: int) -> np.ndarray:
        """Make the (T, 256, 3) uint8 tables of contrast, brightness and tint."""
        change = rng.choice([0.002, 0.01, 0.03])
        brightness = confine(
            rng.uniform(-0.25, 0.15), change * smooth_curve(rng, num_frames), -0.6, 0.3
        )
        gain = np.exp(brightness[:, None] + rng.normal(0, 0.06, 3))[:, None]
        level = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.2))
        haze = rng.choice([0.0, 0.0, rng.uniform(0, 0.3)])
        level = haze * rng.uniform(0.3, 0.8) + (1 - haze) * level
        return (255 * level * gain).clip(0, 255).astype(np.uint8)

    @staticmethod
    def _draw_light(
        rng: np.random.Generator, num_frames: int, size_wh: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make uneven light and shadows that drift over the image.

        Returns:
            The light, uint8 and larger than the image, 128 changing nothing, and the
            (T, 2) int x and y of the image in it.
        """
        width, height = size_wh
        field = spectral_noise(rng, height + 64, width + 64, 2.0)
        if rng.random() < 0.3:  # the hard edge of a shadow
            field = cv2.GaussianBlur(np.float32(field > 0), (0, 0), 2.0) - 0.5
        strength = rng.choice([0.0, rng.uniform(0, 0.5)])
        light = np.exp(strength * field)
        light = np.dstack([128 * light] * 3).clip(0, 255).astype(np.uint8)
        drift = [
            confine(32.0, 0.7 * smooth_curve(rng, num_frames, 30.0), 0, 64)
            for _ in range(2)
        ]
        return light, np.stack(drift, axis=-1).astype(int)

    def to_world(self, xy: np.ndarray, t: int) -> np.ndarray:
        """Give the place in the world (2,) that is at x, y (2,) of frame t."""
        linear, shift = self.from_world[t, :, :2], self.from_world[t, :, 2]
        return np.linalg.solve(linear, xy - shift)

    def velocity(self, t: int) -> np.ndarray:
        """Give how far the world moves to the next frame, (2,) pixels.

        It is that of the middle of the image; in the last frame, of the one before.
        """
        t = min(t, len(self.from_world) - 2)
        centre = np.array(self._size_wh) / 2
        return self.from_world[t + 1] @ [*self.to_world(centre, t), 1] - centre

    def develop(self, image: np.ndarray, t: int) -> np.ndarray:
        """Turn what is in front of the camera, (H, W, 3) uint8, into a frame of it."""
        width, height = self._size_wh
        x, y = self._light_xy[t]
        image = cv2.multiply(
            image, self._light[y : y + height, x : x + width], scale=1 / 128
        )
        if self._defocus:
            image = cv2.GaussianBlur(image, (0, 0), self._defocus)
        image = cv2.LUT(image, self._tables[t][None])
        if self._gray:
            image = cv2.merge([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
        x, y = self._noise_xy[t]
        noise = self._noise[y : y + height, x : x + width]
        return cv2.addWeighted(image, 1.0, noise, 1.0, -128.0)


def smear(picture: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Blur a picture along a way (2,) in pixels, as motion does."""
    length = np.hypot(*way)
    if length < 1.5:
        return picture
    half = int(np.ceil(length / 2))
    ends = [(half + side * way / 2) * 16 for side in (-1, 1)]
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    cv2.line(
        kernel,
        *(np.round(end).astype(int).tolist() for end in ends),
        255,
        1,
        cv2.LINE_AA,
        4,
    )
    return cv2.filter2D(picture, -1, kernel / np.float32(kernel.sum()))
