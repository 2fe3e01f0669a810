import json

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.report import (
    METRICS,
    Report,
    VOTReport,
    bootstrap,
    paired_difference,
)


def make_report(values, weights=None, convention='pysot', names=None):
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights)
    return Report(
        convention,
        tuple(names or (f's{i}' for i in range(len(values)))),
        values={metric: values for metric in METRICS},
        weights=weights,
        curves=dict(success=np.stack([values, values / 2], axis=1)),
    )


def test_means_and_curves():
    report = make_report([10, 40], weights=[1, 2])
    assert report.metrics == dict.fromkeys(METRICS, 30)
    np.testing.assert_allclose(report.curve('success'), [30, 15])


def test_to_dict_is_json():
    content = json.loads(json.dumps(make_report([10, 40]).to_dict()))
    assert content['convention'] == 'pysot'
    assert content['metrics']['auc'] == 25
    assert content['sequences']['s1'] == dict.fromkeys(METRICS, 40)
    assert content['missing'] == []


def test_bootstrap_of_equal_sequences_has_no_width():
    assert bootstrap(make_report([40, 40, 40]))['auc'] == pytest.approx((40, 40))


def test_bootstrap_agrees_with_the_normal_approximation():
    values = np.random.default_rng(0).normal(50, 10, 400)
    low, high = bootstrap(make_report(values), 4000)['auc']
    half_width = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half_width, abs=0.15)
    assert high == pytest.approx(values.mean() + half_width, abs=0.15)


def test_bootstrap_draws_sequences_with_their_weights():
    """Against draws made one by one: pooled frames, so sums over sums."""
    values, weights = np.array([10.0, 50, 90, 20]), np.array([5, 50, 20, 1])
    rng = np.random.default_rng(1)
    means = []
    for _ in range(20000):
        drawn = rng.integers(0, 4, 4)
        means.append((values[drawn] * weights[drawn]).sum() / weights[drawn].sum())
    expected = np.quantile(means, [0.1, 0.9])
    interval = bootstrap(make_report(values, weights), 20000, level=0.8)['ao']
    np.testing.assert_allclose(interval, expected, atol=1.5)


def test_bootstrap_is_seeded():
    report = make_report([10, 30, 80])
    assert bootstrap(report, 50, seed=1) == bootstrap(report, 50, seed=1)
    assert bootstrap(report, 50, seed=1) != bootstrap(report, 50, seed=2)


def test_paired_difference_ignores_what_both_share():
    base = np.random.default_rng(0).uniform(0, 90, 50)
    gains = np.random.default_rng(1).normal(2, 0.5, 50)
    report, baseline = make_report(base + gains), make_report(base)
    difference = paired_difference(report, baseline)['auc']
    assert difference.mean == pytest.approx(gains.mean())
    assert 1.5 < difference.low < gains.mean() < difference.high < 2.5
    backwards = paired_difference(baseline, report)['auc']
    assert backwards.low == pytest.approx(-difference.high)


def test_only_like_is_compared():
    with pytest.raises(DataError, match="'pysot'.*'got10k'"):
        paired_difference(make_report([1]), make_report([1], convention='got10k'))
    with pytest.raises(DataError, match='same sequences.*: a, b'):
        paired_difference(
            make_report([1, 2], names='xa'), make_report([1, 2], names='xb')
        )


def test_vot_report():
    report = VOTReport(
        accuracy=dict(a=0.5, b=0.8),
        failures=dict(a=3, b=0),
        lengths=dict(a=100, b=200),
        eao=0.3,
    )
    assert report.metrics == pytest.approx(
        dict(accuracy=0.7, robustness=1, eao=0.3, failures=3)
    )
    content = json.loads(json.dumps(report.to_dict()))
    assert content['convention'] == 'vot2018'
    assert content['sequences']['a'] == dict(accuracy=0.5, failures=3, robustness=3)
