"""Plots of evaluations, as papers print them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.metrics import NORM_THRESHOLDS, PIXEL_THRESHOLDS
from sstrack_mm.evaluation.report import Report

LINE_COLORS = (
    '#0072b2',
    '#d55e00',
    '#009e73',
    '#cc79a7',
    '#56b4e9',
    '#e69f00',
    '#4d4d4d',
)
"""The colours of Okabe and Ito, which the colour-blind can tell apart."""

_LINE_STYLES = ('-', '--', '-.', ':')
_INK, _GRID = '#30363d', '#e4e7eb'
_MAX_POINTS = 5000  # Beyond these, the points hide each other.
_SIZE, _DPI = (4.4, 3.7), 200  # inches, pixels an inch


class _CurvePlot(NamedTuple):
    """How one kind of curve is shown; ``metric`` is the number in the legend."""

    curve: str
    title: str
    x_label: str
    y_label: str
    metric: str
    legend_title: str


def plot_success(reports: Mapping[str, Report], path: str | os.PathLike) -> None:
    """Plot the share of frames whose overlap is above each threshold.

    Args:
        reports: By name of the tracker, its evaluation, all under one convention. The
            legend has the AUC and begins with the best; colours follow the order
            given.
        path: The picture, in a format that matplotlib knows by the suffix (``.png``,
            ``.pdf``, ``.svg``); its folder is made if need be.

    Raises:
        DataError: There is no report, or the picture cannot be written.
    """
    _plot_curves(
        reports,
        path,
        _CurvePlot(
            'success', 'Success', 'Overlap threshold', 'Success rate (%)', 'auc', 'AUC'
        ),
    )


def plot_precision(reports: Mapping[str, Report], path: str | os.PathLike) -> None:
    """Plot the share of frames whose centre error is at most each threshold.

    Args:
        reports: As in :func:`plot_success`; the legend has the precision at 20 pixels.
        path: As there.

    Raises:
        DataError: As there.
    """
    _plot_curves(
        reports,
        path,
        _CurvePlot(
            'precision',
            'Precision',
            'Centre error threshold (pixels)',
            'Precision (%)',
            'precision',
            'at 20 px',
        ),
    )


def plot_norm_precision(reports: Mapping[str, Report], path: str | os.PathLike) -> None:
    """Plot the same with centre errors in units of the true box's sides.

    Args:
        reports: As in :func:`plot_success`; the legend has the precision at 0.2.
        path: As there.

    Raises:
        DataError: As there.
    """
    _plot_curves(
        reports,
        path,
        _CurvePlot(
            'norm_precision',
            'Normalised precision',
            'Centre error threshold (sides of the true box)',
            'Precision (%)',
            'norm_precision',
            'at 0.2',
        ),
    )


def plot_score_overlap(
    scores: np.ndarray,
    overlaps: np.ndarray,
    path: str | os.PathLike,
    title: str = 'Score against overlap',
    color: str = LINE_COLORS[0],
) -> None:
    """Plot how far the score of a tracker tells its overlap.

    Of many frames, evenly chosen ones are drawn; the means are of all.

    Args:
        scores: (N,), one a frame, from 0 to 1.
        overlaps: (N,), those of the same frames.
        path: As in :func:`plot_success`.
        title: Written above.
        color: Of the points.

    Raises:
        DataError: There are no frames, or the picture cannot be written.
    """
    if not len(scores):
        raise DataError(f'{path}: there are no scores to plot')
    figure = Figure(figsize=_SIZE, layout='constrained')
    axes = figure.subplots()
    _prepare_axes(axes, title, 'Score', 'Overlap')
    step = -(-len(scores) // _MAX_POINTS)
    axes.scatter(
        scores[::step], overlaps[::step], s=6, color=color, alpha=0.3, linewidths=0
    )
    axes.plot(
        *_binned_means(scores, overlaps),
        color=_INK,
        linewidth=1.6,
        marker='o',
        markersize=4,
        label='mean',
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc='upper left', fontsize=9, edgecolor=_GRID)
    _save(figure, path)


def plot_training(
    history: Sequence[Mapping[str, float]], path: str | os.PathLike
) -> None:
    """Plot what was measured during training, one small plot a quantity.

    Args:
        history: Of each measurement its ``epoch`` and the quantities by name.
        path: See :func:`plot_success`.

    Raises:
        DataError: There is nothing to plot, or the picture cannot be written.
    """
    if not history:
        raise DataError('nothing to plot: no measurement was made')
    names = [name for name in history[-1] if name != 'epoch']
    rows = -(-len(names) // 3)
    figure = Figure(figsize=(3 * _SIZE[0], rows * _SIZE[1]), layout='constrained')
    grid = figure.subplots(rows, 3, squeeze=False).ravel()
    epochs = [row['epoch'] for row in history]
    for axes, name in zip(grid, names, strict=False):
        values = [row.get(name, np.nan) for row in history]
        axes.plot(epochs, values, marker='.', color=LINE_COLORS[0])
        _prepare_axes(axes, name.replace('_', ' '), 'Epoch', '')
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    _save(figure, path)


def plot_reliability(
    bins: Sequence[tuple[float, float, int]], path: str | os.PathLike
) -> None:
    """Plot how often boxes of a confidence are on their targets.

    Args:
        bins: Of each, the mean confidence, the share on target, and how many there are.
        path: See :func:`plot_success`.

    Raises:
        DataError: There is nothing to plot, or the picture cannot be written.
    """
    if not bins:
        raise DataError(f'{path}: there are no confidences to plot')
    confidences, shares, counts = np.array(bins).T
    figure = Figure(figsize=_SIZE, layout='constrained')
    axes = figure.subplots()
    _prepare_axes(axes, 'Reliability', 'Confidence', 'Share on target')
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=1, linestyle='--')
    axes.bar(
        confidences,
        counts / counts.sum(),
        width=0.06,
        color=_GRID,
        label='share of the frames',
    )
    axes.plot(confidences, shares, marker='o', color=LINE_COLORS[0], label='measured')
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc='upper left', fontsize=9, edgecolor=_GRID)
    _save(figure, path)


def _binned_means(
    scores: np.ndarray, overlaps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean score and mean overlap in each tenth of the scores' range that has any."""
    bins = (scores * 10).astype(int).clip(0, 9)
    used = np.unique(bins)
    return (
        np.array([scores[bins == place].mean() for place in used]),
        np.array([overlaps[bins == place].mean() for place in used]),
    )


def _plot_curves(
    reports: Mapping[str, Report], path: str | os.PathLike, plot: _CurvePlot
) -> None:
    """Plot one kind of curve of all trackers."""
    if not reports:
        raise DataError(f'{path}: there is no evaluation to plot')
    figure = Figure(figsize=_SIZE, layout='constrained')
    axes = figure.subplots()
    _prepare_axes(axes, plot.title, plot.x_label, plot.y_label)
    values = np.array([report.metrics[plot.metric] for report in reports.values()])
    lines = []
    for place, (name, report) in enumerate(reports.items()):
        curve = report.curve(plot.curve)
        thresholds = _thresholds(plot.curve, len(curve))
        lines += axes.plot(
            thresholds,
            curve,
            label=f'{values[place]:.1f}  {name}',
            linewidth=2,
            color=LINE_COLORS[place % len(LINE_COLORS)],
            linestyle=_LINE_STYLES[place // len(LINE_COLORS) % len(_LINE_STYLES)],
        )
    axes.set(xlim=(0, thresholds[-1]), ylim=(0, 101))
    axes.legend(
        handles=[lines[place] for place in np.argsort(-values, kind='stable')],
        title=plot.legend_title,
        alignment='left',
        fontsize=8.5,
        title_fontsize=8.5,
        framealpha=0.8,
        edgecolor=_GRID,
    )
    _save(figure, path)


def _thresholds(curve: str, length: int) -> np.ndarray:
    """The thresholds of a curve, (length,)."""
    if curve == 'success':
        return np.linspace(0, 1, length)
    return PIXEL_THRESHOLDS if curve == 'precision' else NORM_THRESHOLDS


def _prepare_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Set the style that all plots share."""
    axes.set_title(title, color=_INK, fontsize=11, fontweight='bold')
    axes.set_xlabel(x_label, color=_INK)
    axes.set_ylabel(y_label, color=_INK)
    axes.tick_params(colors=_INK, labelsize=8.5, length=0)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['bottom', 'left']].set_color(_GRID)


def _save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure; its folder is made if need be."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:  # ValueError: an unknown format.
        raise DataError(f'{path}: the plot cannot be written: {error}') from None
