"""Smooth paths in time: where things are, how large, how turned."""

from dataclasses import dataclass

import numpy as np

from sstrack_mm.datasets.synthetic.sprites import rotation


def smooth_curve(
    rng: np.random.Generator, num_frames: int, fastest: float = 15.0
) -> np.ndarray:
    """Draw a random smooth function of time that starts at 0.

    Args:
        rng: The source of randomness.
        num_frames: Length T.
        fastest: Shortest period of what it is made of, in frames.

    Returns:
        (T,) float64 whose change per frame is 1 in the root mean square over all time.
    """
    periods = fastest * np.exp(rng.uniform(0, np.log(12), 4))
    phases = rng.uniform(0, 2 * np.pi, 4)
    speeds = rng.uniform(0.2, 1, 4)
    speeds /= np.sqrt(np.sum(speeds**2) / 2)
    time = np.arange(num_frames)[:, None]
    waves = np.sin(2 * np.pi * time / periods + phases) - np.sin(phases)
    return waves @ (speeds * periods / (2 * np.pi))


def confine(start: float, curve: np.ndarray, low: float, high: float) -> np.ndarray:
    """Let a path follow ``start + curve``, slowing down before it leaves low..high.

    Args:
        start: Where the path begins, strictly inside.
        curve: (T,) way from the start.
        low: Lower end of the range.
        high: Upper end of the range.

    Returns:
        (T,) path inside the range; it is never faster than the curve.
    """
    centre, reach = (low + high) / 2, (high - low) / 2
    at_start = np.arctanh((start - centre) / reach)
    return centre + reach * np.tanh(at_start + curve / reach)


@dataclass(frozen=True)
class Track:
    """The pose of an object in every frame of a video.

    Attributes:
        xy: (T, 2) place of the object's centre, pixels.
        scale: (T,) size relative to how the object was made.
        angle: (T,) clockwise turn in radians.
        squeeze: (T,) factor on the width alone: a turn out of the image plane.
    """

    xy: np.ndarray
    scale: np.ndarray
    angle: np.ndarray
    squeeze: np.ndarray

    def affine(self, t: int) -> np.ndarray:
        """Give the (2, 3) matrix from the object's to the image's coordinates."""
        stretch = self.scale[t] * np.array([self.squeeze[t], 1])
        return np.column_stack([rotation(self.angle[t]) * stretch, self.xy[t]])

    def velocity(self, t: int) -> np.ndarray:
        """Give the (2,) way to the next frame (in the last: from the one before)."""
        t = min(t, len(self.xy) - 2)
        return self.xy[t + 1] - self.xy[t]


def random_track(
    rng: np.random.Generator, xy: np.ndarray, scale_range: tuple[float, float]
) -> Track:
    """Let an object of some size follow a path, with a random way of turning.

    Args:
        rng: The source of randomness.
        xy: (T, 2) path of the centre.
        scale_range: Smallest and largest scale, below and above 1.

    Returns:
        The track. Its scale starts at 1, its angle at any small tilt.
    """
    num_frames = len(xy)
    zoom_speed = rng.choice([0.002, 0.006, 0.015])
    log_scale = confine(
        0.0, zoom_speed * smooth_curve(rng, num_frames, 30.0), *np.log(scale_range)
    )
    turning = rng.choice(['upright', 'swaying', 'turning'], p=[0.4, 0.45, 0.15])
    if turning == 'upright':
        angle = np.zeros(num_frames)
    elif turning == 'swaying':
        angle = confine(0.0, 0.03 * smooth_curve(rng, num_frames), -0.5, 0.5)
    else:
        angle = 0.06 * smooth_curve(rng, num_frames, 30.0)
    squeeze = np.ones(num_frames)
    if rng.random() < 0.4:
        squeeze = confine(0.95, 0.02 * smooth_curve(rng, num_frames), 0.5, 1.05)
    return Track(xy, np.exp(log_scale), angle + rng.normal(0, 0.1), squeeze)
