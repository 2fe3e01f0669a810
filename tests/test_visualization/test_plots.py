import subprocess
import sys

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.visualization import plots


@pytest.fixture
def reports(make_sequence):
    sequences = [make_sequence('a'), make_sequence('b')]
    reports = {}
    for name, drift in (('worse', 40), ('best', 4), ('worst', 90)):
        drifts = np.linspace([0] * 4, [drift, 0, 0, 0], 12)
        reports[name] = evaluate(
            {sequence.name: sequence.gt_xywh + drifts for sequence in sequences},
            sequences,
        )
    return reports


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made, in place of files."""
    figures = []
    monkeypatch.setattr(plots, '_save', lambda figure, path: figures.append(figure))
    return figures


@pytest.mark.parametrize(
    'plot, curve, metric, end',
    [
        (plots.plot_success, 'success', 'auc', 1),
        (plots.plot_precision, 'precision', 'precision', 50),
        (plots.plot_norm_precision, 'norm_precision', 'norm_precision', 0.5),
    ],
)
def test_curves_and_legend(reports, drawn, plot, curve, metric, end):
    plot(reports, 'unused.png')
    axes = drawn[0].axes[0]
    for line, report, color in zip(
        axes.lines, reports.values(), plots.LINE_COLORS, strict=False
    ):
        np.testing.assert_array_equal(line.get_ydata(), report.curve(curve))
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, end)
        assert to_hex(line.get_color()) == color
    values = {name: report.metrics[metric] for name, report in reports.items()}
    order = sorted(values, key=values.get, reverse=True)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == [f'{values[name]:.1f}  {name}' for name in order]
    assert order == ['best', 'worse', 'worst']


def test_many_trackers_look_different(reports, drawn):
    many = {f'tracker {place}': reports['best'] for place in range(20)}
    plots.plot_success(many, 'unused.png')
    assert (
        len({(line.get_color(), line.get_linestyle()) for line in drawn[0].axes[0].lines})
        == 20
    )


def test_score_against_overlap(drawn):
    rng = np.random.default_rng(0)
    scores, overlaps = rng.uniform(0, 1, 12000), rng.uniform(0, 1, 12000)
    scores[0], scores[1] = 1, 0
    scores[(scores > 0.2) & (scores < 0.3)] = 0.35
    plots.plot_score_overlap(scores, overlaps, 'unused.png', 'tracker')
    axes = drawn[0].axes[0]
    expected = []
    for low in range(10):
        inside = [
            place for place in range(12000) if low == min(int(scores[place] * 10), 9)
        ]
        if inside:
            expected.append((scores[inside].mean(), overlaps[inside].mean()))
    assert len(expected) == 9
    np.testing.assert_allclose(axes.lines[0].get_xydata(), expected)
    assert len(axes.collections[0].get_offsets()) == 4000
    assert axes.get_title() == 'tracker'


def test_reliability(drawn):
    plots.plot_reliability([(0.1, 0.2, 30), (0.9, 0.8, 10)], 'unused.png')
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.1, 0.2], [0.9, 0.8]])
    assert [bar.get_height() for bar in axes.patches] == [0.75, 0.25]
    with pytest.raises(DataError, match='no confidences to plot'):
        plots.plot_reliability([], 'unused.png')


def test_files(reports, tmp_path):
    for place, plot in enumerate(
        (plots.plot_success, plots.plot_precision, plots.plot_norm_precision)
    ):
        plot(reports, tmp_path / 'new' / f'{place}.png')
        assert cv2.imread(str(tmp_path / 'new' / f'{place}.png')).shape[1] > 800
    plots.plot_success(reports, tmp_path / 'plot.svg')
    assert '<svg' in (tmp_path / 'plot.svg').read_text()
    plots.plot_score_overlap(np.array([0.5]), np.array([0.5]), tmp_path / 'score.png')
    assert (tmp_path / 'score.png').exists()


def test_what_cannot_be_plotted(reports, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='no evaluation'):
        plots.plot_success({}, tmp_path / 'plot.png')
    with pytest.raises(DataError, match='no scores'):
        plots.plot_score_overlap(np.array([]), np.array([]), tmp_path / 'plot.png')
    with pytest.raises(DataError, match=r'plot\.nothing.*supported formats'):
        plots.plot_success(reports, tmp_path / 'plot.nothing')
    with pytest.raises(DataError, match='cannot be written'):
        plots.plot_success(reports, tmp_path / 'file' / 'plot.png')


def test_backend_is_left_alone():
    """A user's interactive backend must survive, and none must be needed."""
    code = (
        'import sys, sstrack_mm.visualization.plots; '
        'assert "matplotlib.pyplot" not in sys.modules'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
