"""Settings are checked before anything is tracked."""

from dataclasses import FrozenInstanceError, asdict

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.tracking import TrackSettings


def test_defaults_are_the_paper():
    assert asdict(TrackSettings()) == dict(
        template_factor=2.0,
        search_factor=4.0,
        memory_size=3,
        memory_budget=None,
        size_lr=1.0,
        calibration=0.0,
        presence=False,
        shade_context=False,
    )


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        TrackSettings().size_lr = 0.5


def test_round_trip():
    settings = TrackSettings(1.5, 5, 4, 64, 0.3)
    assert TrackSettings.from_dict(asdict(settings)) == settings


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(size_lr=5), r'size_lr must be in \[0, 1\], but got 5'),
        (dict(size_lr='0.3'), r"size_lr must be in \[0, 1\], but got '0\.3'"),
        (dict(search_factor=0), 'search_factor must be a positive number, but got 0'),
        (dict(template_factor=float('nan')), 'template_factor must be .* but got nan'),
        (dict(template_factor=True), 'template_factor must be .* but got True'),
        (dict(memory_size=0), 'memory_size must be a positive whole number, but got 0'),
        (dict(presence=1), 'presence must be True or False, but got 1'),
        (dict(shade_context=0), 'shade_context must be True or False, but got 0'),
        (dict(memory_budget=6), 'memory_budget must be None or at least 7'),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(DataError, match=message):
        TrackSettings.from_dict(values)


@pytest.mark.parametrize(
    'key, hint',
    [
        ('serch_factor', "did you mean 'search_factor'"),
        ('colour', "it has .*'size_lr'"),
    ],
)
def test_unknown_key(key, hint):
    with pytest.raises(DataError, match=f"has no key '{key}'; {hint}"):
        TrackSettings.from_dict({key: 5.0})
