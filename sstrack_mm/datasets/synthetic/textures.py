"""Procedural textures with the statistics of photographs.

Spectra fall like 1/f, things occlude things, colours are few and mostly muted. Every
texture is (H, W, 3) float32 RGB in 0..255; ``grain`` is the size of its features in
pixels.
"""

from collections.abc import Callable

import cv2
import numpy as np


def spectral_noise(
    rng: np.random.Generator,
    height: int,
    width: int,
    exponent: float,
    stretch: float = 1.0,
) -> np.ndarray:
    """Make Gaussian noise with a power-law spectrum.

    Args:
        rng: The source of randomness.
        height: Rows.
        width: Columns.
        exponent: Amplitudes fall as ``1 / f**exponent``; photographs are near 1.
        stretch: How many times longer features are along x than along y.

    Returns:
        (H, W) float32 of zero mean and unit variance.
    """
    rows, cols = cv2.getOptimalDFTSize(height), cv2.getOptimalDFTSize(width)
    spectrum = np.fft.rfft2(rng.standard_normal((rows, cols), dtype=np.float32))
    frequency_y = np.fft.fftfreq(rows).astype(np.float32)[:, None]
    frequency_x = np.fft.rfftfreq(cols).astype(np.float32) * np.float32(stretch)
    power = frequency_y**2 + frequency_x**2
    power[0, 0] = np.inf
    spectrum *= power ** np.float32(-exponent / 2)
    noise = np.fft.irfft2(spectrum, s=(rows, cols))[:height, :width]
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def random_palette(rng: np.random.Generator, num_colours: int) -> np.ndarray:
    """Draw colours that go together, from dark to light.

    Most hues are those of earth, plants and sky, a quarter of the palettes is nearly
    gray, and strong colours are rare, as in photographs.

    Args:
        rng: The source of randomness.
        num_colours: K.

    Returns:
        (K, 3) float32 RGB in 0..255.
    """
    common_hue = rng.choice([30.0, 90.0, 215.0, rng.uniform(0, 360)])
    hue_spread = rng.choice([15.0, 30.0, 90.0])
    hue = (common_hue + hue_spread * rng.standard_normal(num_colours)) % 360
    saturation = rng.beta(1.3, 3) * rng.uniform(0.4, 1.6, num_colours)
    if rng.random() < 0.25:
        saturation *= 0.15
    darkest = rng.uniform(0.02, 0.4)
    lightest = rng.uniform(darkest + 0.25, 0.98)
    lightness = np.linspace(darkest, lightest, num_colours)
    lightness += 0.04 * rng.standard_normal(num_colours)
    hls = np.stack([hue, lightness.clip(0.02, 0.98), saturation.clip(0, 0.9)], axis=-1)
    rgb = cv2.cvtColor(hls[None].astype(np.float32), cv2.COLOR_HLS2RGB)[0]
    return 255 * rgb


def _colourise(field: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Map a field (H, W) in 0..1 through a ramp of colours (K, 3) to (H, W, 3)."""
    stops = np.linspace(0, 255, len(colours))
    ramp = np.stack([np.interp(np.arange(256), stops, c) for c in colours.T], axis=-1)
    return ramp.astype(np.float32)[(255 * field.clip(0, 1)).astype(np.uint8)]


def _to_unit(noise: np.ndarray) -> np.ndarray:
    """Spread unit-variance noise about evenly over 0..1."""
    return 0.5 + 0.5 * np.tanh(0.8 * noise)


def fractal(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Clouds, marble, water, grass: coloured 1/f noise, perhaps ridged or drawn out.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels; of no effect.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    del grain  # a power law has no scale
    stretch = rng.choice([1.0, 1.0, rng.uniform(2, 8), 1 / rng.uniform(2, 8)])
    noise = spectral_noise(rng, height, width, rng.uniform(0.9, 1.7), stretch)
    field = np.abs(noise) / 2 if rng.random() < 0.3 else _to_unit(noise)
    return _colourise(field, random_palette(rng, int(rng.integers(3, 7))))


def cellular(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Stones, scales, mosaics: the cells around random points, flat or domed.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    num_cells = int(np.clip(height * width / grain**2, 4, 4000))
    grid = np.full((height, width), 255, np.uint8)
    grid[rng.integers(0, height, num_cells), rng.integers(0, width, num_cells)] = 0
    distance, cell = cv2.distanceTransformWithLabels(
        grid, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = random_palette(rng, 5)[rng.integers(0, 5, num_cells + 1)]
    colours = colours * rng.uniform(0.75, 1.25, (num_cells + 1, 1))
    dome = 1 - rng.uniform(0, 0.5) * distance / grain
    return colours.astype(np.float32)[cell] * dome[..., None]


def leaf_ids(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Cover the plane with random shapes that occlude each other.

    Radii follow the scale-invariant law ``p(r) ~ r**-3`` up to ten grains, from a
    third of a grain or where 700 shapes cover the plane about twice.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels.

    Returns:
        (H, W) int32, the number of the shape that is on top.
    """
    ids = np.zeros((height, width), np.int32)
    smallest = max(grain / 3, 0.015 * np.sqrt(height * width))
    largest = 30 * smallest
    num_leaves = int(np.ceil(0.16 * height * width / smallest**2))
    radii = rng.uniform(largest**-2, smallest**-2, num_leaves) ** -0.5
    centres = rng.uniform(0, (width, height), (num_leaves, 2))
    flatness = rng.uniform(0.3, 1, (num_leaves, 1))
    turn = rng.uniform(0, 2 * np.pi, (num_leaves, 1))
    corners = rng.choice([3, 4, 4, 6, 20], (num_leaves, 1))
    # Twenty points each, of which those of one corner coincide.
    angle = 2 * np.pi * np.floor(np.arange(20) * corners / 20) / corners
    x, y = radii[:, None] * (np.cos(angle), flatness * np.sin(angle))
    shapes = np.stack(
        [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)],
        axis=-1,
    )
    for number, shape in enumerate(np.int32(shapes + centres[:, None]), 1):
        cv2.fillConvexPoly(ids, shape, number)
    return ids


def dead_leaves(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Foliage, rubble, crowds: overlapping shapes, each with its colour and shading.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    ids = leaf_ids(rng, height, width, grain)
    num_leaves = int(ids.max()) + 1
    colours = random_palette(rng, 6)[rng.integers(0, 6, num_leaves)]
    colours = colours * rng.uniform(0.7, 1.3, (num_leaves, 1))
    slopes = rng.normal(0, 0.3 / (grain * 6), (num_leaves, 2)).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    slope = slopes[ids]
    shading = slope[..., 0] * (x - width / 2) + slope[..., 1] * (y - height / 2)
    return colours.astype(np.float32)[ids] * (1 + 0.4 * np.sin(shading))[..., None]


def stripes(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Fabric, fences, zebra: one or two waves, straight or bent, soft or sharp.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bend = rng.choice([0.0, 0.3, 1.0]) * spectral_noise(rng, height, width, 2.0)
    sharpness = rng.choice([1.0, 4.0, 20.0])
    turn = rng.uniform(0, np.pi)
    field = np.zeros((height, width), np.float32)
    num_waves = int(rng.integers(1, 3))
    for angle in (turn, turn + np.pi / 2)[:num_waves]:
        period = grain * rng.uniform(0.7, 2)
        phase = (x * np.cos(angle) + y * np.sin(angle)) / period + bend
        field += np.tanh(sharpness * np.sin(2 * np.pi * phase)) / num_waves
    return _colourise(0.5 + field / 2, random_palette(rng, int(rng.integers(2, 5))))


def tiles(rng: np.random.Generator, height: int, width: int, grain: float) -> np.ndarray:
    """Bricks, windows, checks: cells on a slightly sheared grid, with joints.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shear = rng.normal(0, 0.15, 2)
    cell_w, cell_h = grain * rng.uniform(0.7, 2.5, 2)
    v = (y + shear[0] * x) / cell_h
    row = np.floor(v)
    u = (x + shear[1] * y) / cell_w + rng.choice([0, 0.5]) * (row % 2)
    column = np.floor(u)
    colours = random_palette(rng, 4)
    # An integer hash of the cell numbers the colour; 256 entries are varied enough.
    table = colours[rng.integers(0, 3, 256)] * rng.uniform(0.8, 1.2, (256, 1))
    cell = (row.astype(np.int32) * 73 + column.astype(np.int32) * 151) % 256
    texture = table.astype(np.float32)[cell]
    joint = rng.uniform(0.05, 0.35)
    texture[(u - column < joint) | (v - row < joint)] = colours[rng.choice([0, 3])]
    return texture


def plain(rng: np.random.Generator, height: int, width: int, grain: float) -> np.ndarray:
    """Sky, walls, roads: a soft gradient.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.
        grain: Size of the features, in pixels; of no effect.

    Returns:
        (H, W, 3) float32 RGB, about 0..255.
    """
    del grain
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (x / width - 0.5) + np.sin(angle) * (y / height - 0.5)
    return _colourise(0.5 + rng.uniform(0.1, 0.7) * ramp, random_palette(rng, 3))


_KINDS: tuple[Callable[..., np.ndarray], ...] = (
    fractal,
    cellular,
    dead_leaves,
    stripes,
    tiles,
    plain,
)


def random_texture(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Draw a texture of a random kind, roughened by 1/f noise in brightness.

    Args:
        rng: The source of randomness.
        height: Rows.
        width: Columns.
        grain: Size of the features, in pixels.

    Returns:
        (H, W, 3) float32 RGB in 0..255.
    """
    kind = _KINDS[rng.choice(len(_KINDS), p=[0.25, 0.1, 0.2, 0.1, 0.1, 0.25])]
    texture = kind(rng, height, width, grain)
    roughness = spectral_noise(rng, height, width, rng.uniform(0.7, 1.5))
    texture *= np.exp(rng.uniform(0.05, 0.3) * roughness)[..., None]
    return texture.clip(0, 255).astype(np.float32)


def random_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Compose a place out of textures: one, a landscape, or patches.

    Args:
        rng: The source of randomness.
        height: Rows H.
        width: Columns W.

    Returns:
        (H, W, 3) float32 RGB in 0..255.
    """
    grain = min(height, width) * np.exp(rng.uniform(np.log(0.015), np.log(0.12)))
    layout = rng.choice(
        ['one', 'landscape', 'patches', 'shapes'], p=[0.2, 0.45, 0.2, 0.15]
    )
    scene = random_texture(rng, height, width, grain)
    if layout == 'one':
        return scene
    if layout == 'shapes':
        owner = leaf_ids(rng, height, width, 2 * grain + 10) % 3
    else:
        owner = np.zeros((height, width), np.int32)
    y = np.mgrid[:height, :width][0] / height
    for number in (1, 2):
        texture = random_texture(rng, height, width, grain * rng.uniform(0.5, 1.5))
        if layout == 'landscape':
            roughness = rng.choice([0, rng.uniform(0.01, 0.12)])
            border = roughness * spectral_noise(rng, 2, width, 1.5)[0]
            tilt = rng.normal(0, 0.15) * np.linspace(-1, 1, width)
            owner[y > rng.uniform(0.2, 0.8) + border + tilt] = number
        elif layout == 'patches':
            owner[spectral_noise(rng, height, width, 1.8) > 0.5] = number
        scene = np.where((owner == number)[..., None], texture, scene)
    return scene
