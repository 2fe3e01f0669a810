"""Textures have the statistics that were asked for."""

import numpy as np
import pytest

from sstrack_mm.datasets.synthetic.textures import (
    random_background,
    random_palette,
    random_texture,
    spectral_noise,
)


@pytest.mark.parametrize('exponent', [0.8, 1.5])
def test_noise_has_the_spectrum_that_was_asked_for(exponent):
    noise = spectral_noise(np.random.default_rng(0), 256, 256, exponent)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    amplitude = np.abs(np.fft.fft2(noise))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256)] * 2))
    bands = np.geomspace(0.02, 0.4, 9)
    mean = [
        amplitude[(frequency >= low) & (frequency < high)].mean()
        for low, high in zip(bands[:-1], bands[1:], strict=True)
    ]
    slope = np.polyfit(np.log(np.sqrt(bands[:-1] * bands[1:])), np.log(mean), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)


def test_textures_fill_any_size_with_varied_colours():
    rng = np.random.default_rng(0)
    textures = [random_texture(rng, 33, 57, grain) for grain in (2.0, 10.0, 80.0) * 20]
    textures += [random_background(rng, 33, 57) for _ in range(20)]
    for texture in textures:
        assert texture.shape == (33, 57, 3) and texture.dtype == np.float32
        assert np.isfinite(texture).all()
        assert texture.min() >= 0 and texture.max() <= 255
    means = np.array([texture.mean(axis=(0, 1)) for texture in textures])
    assert means.std(axis=0).min() > 25


def test_palettes_are_coloured_and_nearly_gray():
    rng = np.random.default_rng(0)
    chroma = np.array([np.ptp(random_palette(rng, 5), axis=1).mean() for _ in range(300)])
    assert (chroma < 12).mean() > 0.1
    assert (chroma > 60).mean() > 0.2
