"""The numbers of one tracker under one convention, and how sure they are."""

from dataclasses import dataclass

import numpy as np

from sstrack_mm.errors import DataError

METRIC_GROUPS = {
    'OPE': ('auc', 'op50', 'op75', 'precision', 'norm_precision'),
    'AO': ('ao', 'sr50', 'sr75'),
}
"""The metrics by the names under which ``--eval`` asks for them."""

METRICS = METRIC_GROUPS['OPE'] + METRIC_GROUPS['AO']


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        convention: Name of the convention that was used.
        names: The S sequences that were evaluated.
        values: By metric (:data:`METRICS`), each sequence's value, (S,) in percent.
        weights: (S,), how much each sequence counts in the means: the same, or its
            number of frames where the convention pools them.
        curves: By name (``success``, ``precision``, ``norm_precision``), each
            sequence's curve over the thresholds, (S, T) in percent.
        missing: Sequences that were left out because they have no predictions.
    """

    convention: str
    names: tuple[str, ...]
    values: dict[str, np.ndarray]
    weights: np.ndarray
    curves: dict[str, np.ndarray]
    missing: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """dict[str, float]: The mean of each metric, in percent."""
        return {
            metric: float(_mean(values, self.weights))
            for metric, values in self.values.items()
        }

    def curve(self, name: str) -> np.ndarray:
        """The mean of a curve over the sequences, (T,) in percent."""
        return _mean(self.curves[name].T, self.weights)

    def to_dict(self) -> dict:
        """The report without its curves, ready for JSON."""
        sequences = {
            name: {metric: float(values[place]) for metric, values in self.values.items()}
            for place, name in enumerate(self.names)
        }
        return dict(
            convention=self.convention,
            metrics=self.metrics,
            sequences=sequences,
            missing=list(self.missing),
        )


@dataclass(frozen=True)
class VOTReport:
    """What a reset-based evaluation found.

    Attributes:
        accuracy: By sequence, the mean overlap while tracking, 0 to 1, without the
            frames right after each start.
        failures: By sequence, the number of failures.
        lengths: By sequence, the number of frames.
        eao: Expected average overlap, 0 to 1.
        missing: Sequences that were left out because they have no trajectory.
        convention: Always ``vot2018``.
    """

    accuracy: dict[str, float]
    failures: dict[str, int]
    lengths: dict[str, int]
    eao: float
    missing: tuple[str, ...] = ()
    convention: str = 'vot2018'

    @property
    def metrics(self) -> dict[str, float]:
        """Accuracy (weighted by length), robustness (failures in 100 frames), EAO."""
        num_frames = sum(self.lengths.values())
        failures = sum(self.failures.values())
        accuracy = (
            sum(self.accuracy[name] * length for name, length in self.lengths.items())
            / num_frames
        )
        return dict(
            accuracy=accuracy,
            robustness=100 * failures / num_frames,
            eao=self.eao,
            failures=failures,
        )

    def to_dict(self) -> dict:
        """The report, ready for JSON."""
        sequences = {
            name: dict(
                accuracy=self.accuracy[name],
                failures=self.failures[name],
                robustness=100 * self.failures[name] / length,
            )
            for name, length in self.lengths.items()
        }
        return dict(
            convention=self.convention,
            metrics=self.metrics,
            sequences=sequences,
            missing=list(self.missing),
        )


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means over the last axis.

    Args:
        values: (..., S).
        weights: (S,), or (B, S) for B weightings at once, which gives (B,).
    """
    return values @ weights.T / weights.sum(axis=-1)


def _resampled_weights(weights: np.ndarray, num_samples: int, seed: int) -> np.ndarray:
    """The weights of ``num_samples`` draws of sequences with replacement, (B, S)."""
    num_sequences = len(weights)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(
        num_sequences, np.full(num_sequences, 1 / num_sequences), size=num_samples
    )
    return counts * weights


def bootstrap(
    report: Report, num_samples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Confidence intervals of the means, by drawing sequences with replacement.

    Args:
        report: The evaluation.
        num_samples: How many times all sequences are drawn anew.
        seed: Seed of the draws; the same seed gives the same intervals.
        level: The share of the draws that the interval holds.

    Returns:
        dict: By metric, the lower and upper end of its interval, in percent.
    """
    weights = _resampled_weights(report.weights, num_samples, seed)
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        metric: tuple(np.quantile(_mean(values, weights), ends).tolist())
        for metric, values in report.values.items()
    }


@dataclass(frozen=True)
class Difference:
    """How much better one tracker is than another, in percentage points.

    Attributes:
        mean: The difference of the two means.
        low: Lower end of its confidence interval.
        high: Upper end of it.
    """

    mean: float
    low: float
    high: float


def paired_difference(
    report: Report,
    baseline: Report,
    num_samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Difference]:
    """Compare two trackers on the same sequences.

    Both are resampled with the same draws, so what makes a sequence easy or hard for
    both does not widen the interval.

    Args:
        report: The evaluation of a tracker.
        baseline: That of the tracker it is compared with.
        num_samples: See :func:`bootstrap`, as ``seed`` and ``level``.
        seed: See there.
        level: See there.

    Returns:
        dict[str, Difference]: By metric, ``report`` minus ``baseline``.

    Raises:
        DataError: The two were evaluated under different conventions or on different
            sequences.
    """
    if report.convention != baseline.convention:
        raise DataError(
            f'a report under {report.convention!r} cannot be compared with '
            f'one under {baseline.convention!r}'
        )
    if report.names != baseline.names:
        different = sorted(set(report.names) ^ set(baseline.names))[:10]
        raise DataError(
            'trackers can only be compared on the same sequences in the '
            f'same order; in one report only: {", ".join(different)}'
        )
    weights = _resampled_weights(report.weights, num_samples, seed)
    ends = [(1 - level) / 2, (1 + level) / 2]
    differences = {}
    for metric, values in report.values.items():
        gains = values - baseline.values[metric]
        low, high = np.quantile(_mean(gains, weights), ends).tolist()
        differences[metric] = Difference(float(_mean(gains, report.weights)), low, high)
    return differences
