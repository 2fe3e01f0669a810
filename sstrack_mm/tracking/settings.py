"""How to track: what the loop is told, whatever runs the network."""

import difflib
import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sstrack_mm.errors import DataError
from sstrack_mm.tracking.memory import TemplateMemory


@dataclass(frozen=True)
class TrackSettings:
    """Settings of :class:`~sstrack_mm.tracking.online.OnlineTracker`.

    In a configuration they are keys of ``model.test_cfg``; an ONNX file carries them in
    its metadata.

    Attributes:
        template_factor: Side of a template's window over the geometric mean of the
            box's sides.
        search_factor: The same of the search image.
        memory_size: How many templates of the past are wanted.
        memory_budget: The most template crops to keep, see
            :class:`~sstrack_mm.tracking.memory.TemplateMemory`.
        size_lr: How much of a predicted change of size is believed, in [0, 1]; see
            :func:`~sstrack_mm.tracking.policy.damp_size`.
        calibration: How much of the network's error in the first frame, whose box is
            known, is corrected in all others, in [0, 1]; see
            :func:`~sstrack_mm.tracking.policy.measure_error`. Above 0, a start costs a
            pass of the network.
        presence: Whether each frame is judged: a calibrated confidence and a status,
            doubtful frames leave no template behind, and a lost target is searched for,
            see :mod:`~sstrack_mm.tracking.presence`. It needs a checkpoint that
            ``tools/analysis_tools/presence.py`` has calibrated.
        shade_context: Whether what surrounds the target in its templates has half the
            light, see :func:`~sstrack_mm.structures.crop.crop_target`; as in training.

    Raises:
        DataError: A value makes no sense.
    """

    template_factor: float = 2.0
    search_factor: float = 4.0
    memory_size: int = 3
    memory_budget: int | None = None
    size_lr: float = 1.0
    calibration: float = 0.0
    presence: bool = False
    shade_context: bool = False

    def __post_init__(self) -> None:
        for name in ('template_factor', 'search_factor'):
            factor = getattr(self, name)
            if not (_is_number(factor) and 0 < factor < math.inf):
                raise DataError(f'{name} must be a positive number, but got {factor!r}')
        for name in ('size_lr', 'calibration'):
            share = getattr(self, name)
            if not (_is_number(share) and 0 <= share <= 1):
                raise DataError(f'{name} must be in [0, 1], but got {share!r}')
        for name in ('presence', 'shade_context'):
            switch = getattr(self, name)
            if not isinstance(switch, bool):
                raise DataError(f'{name} must be True or False, but got {switch!r}')
        TemplateMemory(self.memory_size, self.memory_budget)  # checks the two

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'TrackSettings':
        """Settings by their names; what is not given has its default.

        Raises:
            DataError: There is no such setting, or a value makes no sense.
        """
        check_keys('TrackSettings', values, names_of(cls))
        return cls(**values)


def names_of(settings: type) -> list[str]:
    """The names of a dataclass's fields."""
    return [field.name for field in fields(settings)]


def check_keys(name: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise DataError for a key that does not exist, with the nearest one that does.

    Args:
        name: What has the keys.
        given: The keys that are given.
        known: The keys that exist.
    """
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'it has {sorted(known)}'
            raise DataError(f'{name} has no key {key!r}; {hint}')


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
