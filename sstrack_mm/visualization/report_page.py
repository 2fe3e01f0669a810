"""The page that compares trackers: one HTML file that needs no other."""

import base64
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from sstrack_mm.disk import write_atomically
from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.published import (
    PUBLISHED_METRICS,
    PUBLISHED_SOURCE,
    PUBLISHED_TRACKERS,
)
from sstrack_mm.evaluation.report import METRIC_GROUPS, Report
from sstrack_mm.evaluation.results import Results
from sstrack_mm.structures.sequence import VideoSequence
from sstrack_mm.version import __version__
from sstrack_mm.visualization import plots
from sstrack_mm.visualization.draw import BOX_COLORS
from sstrack_mm.visualization.failures import Failure, draw_failure, visible_overlaps

METRIC_LABELS = {
    'auc': 'AUC',
    'op50': 'OP50',
    'op75': 'OP75',
    'precision': 'Precision',
    'norm_precision': 'Norm. precision',
    'ao': 'AO',
    'sr50': 'SR50',
    'sr75': 'SR75',
}
_MIME_TYPES = {'.png': 'image/png', '.jpg': 'image/jpeg'}


@dataclass(frozen=True)
class DatasetResults:
    """What several trackers did on one dataset.

    Attributes:
        title: What the page calls the dataset.
        catalogue_name: Its name in the catalogue, by which there may be published
            numbers; also the folder of its pictures.
        sequences: Its sequences with their labels.
        results: By name of the tracker, its saved results.
        reports: By name of the tracker, its evaluation, all under one convention.
    """

    title: str
    catalogue_name: str
    sequences: list[VideoSequence]
    results: dict[str, Results]
    reports: dict[str, Report]

    @property
    def convention(self) -> str:
        """str: The convention of the reports."""
        return next(iter(self.reports.values())).convention

    @property
    def metrics(self) -> tuple[str, ...]:
        """tuple[str, ...]: The metrics that the convention is known for."""
        return METRIC_GROUPS['AO' if self.convention == 'got10k' else 'OPE']


Cell = tuple[float | None, bool]
"""A value, and whether it is the best of its kind."""


class Row(NamedTuple):
    """A row of a table: of a tracker, or of an attribute with a cell a tracker."""

    name: str
    cells: list[Cell]
    color: str | None = None
    published: str | None = None
    fps: float | None = None


def write_report(
    datasets: list[DatasetResults], folder: Path, num_worst: int = 3
) -> Path:
    """Draw all pictures and write the page.

    Args:
        datasets: At least one, all of other datasets and with the same trackers.
        folder: Gets ``report.html``, and a folder of pictures for each dataset.
        num_worst: The number of each tracker's worst sequences shown with a filmstrip,
            to which its middle and its best one are added; 0 shows none.

    Returns:
        Path: The page.

    Raises:
        DataError: A frame cannot be read, or a file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['data_uri'] = data_uri
    trackers = list(datasets[0].reports)
    page = environment.get_template('report_page.html').render(
        overview=overview_table(datasets) if len(datasets) > 1 else None,
        datasets=[
            _describe(dataset, folder / dataset.catalogue_name, num_worst)
            for dataset in datasets
        ],
        trackers={tracker: _color(place) for place, tracker in enumerate(trackers)},
        box_colors=['rgb({}, {}, {})'.format(*color) for color in BOX_COLORS],
        published_source=PUBLISHED_SOURCE,
        version=__version__,
    )
    path = folder / 'report.html'
    write_atomically(path, page)
    return path


def data_uri(path: Path) -> str:
    """A picture as an address that holds the picture itself."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f'data:{_MIME_TYPES[path.suffix]};base64,{content}'


def _color(place: int) -> str:
    """The colour of a tracker in plots, tables and bars."""
    return plots.LINE_COLORS[place % len(plots.LINE_COLORS)]


def _file_name(place: int, tracker: str) -> str:
    """The name of a tracker as a file may have it; the place keeps it unique."""
    return f'{place + 1}_{re.sub(r"[^a-zA-Z0-9.-]+", "_", tracker)}'


def _describe(dataset: DatasetResults, folder: Path, num_worst: int) -> dict[str, Any]:
    """What the template needs to know of a dataset, its pictures drawn."""
    reports = dataset.reports
    return dict(
        title=dataset.title,
        convention=dataset.convention,
        convention_source=CONVENTIONS[dataset.convention].source,
        num_sequences=len(dataset.sequences),
        num_frames=sum(map(len, dataset.sequences)),
        missing={
            name: report.missing for name, report in reports.items() if report.missing
        },
        columns=[METRIC_LABELS[metric] for metric in dataset.metrics],
        rows=result_table(dataset),
        has_fps=any(results.fps for results in dataset.results.values()),
        headline=METRIC_LABELS[dataset.metrics[0]],
        curves=_draw_curves(reports, folder),
        attributes=attribute_table(dataset),
        bars=sequence_bars(dataset),
        failures={
            name: _draw_failures(
                dataset, name, folder / 'filmstrips' / _file_name(place, name), num_worst
            )
            for place, name in enumerate(reports)
        },
        scores=_draw_scores(dataset, folder),
    )


def _draw_curves(reports: dict[str, Report], folder: Path) -> dict[str, Path]:
    """The plots of all curves, by what they show."""
    curves = {
        'Success plot': ('success.png', plots.plot_success),
        'Precision plot': ('precision.png', plots.plot_precision),
        'Normalised precision plot': ('norm_precision.png', plots.plot_norm_precision),
    }
    for file_name, plot in curves.values():
        plot(reports, folder / file_name)
    return {title: folder / file_name for title, (file_name, _) in curves.items()}


def _draw_scores(dataset: DatasetResults, folder: Path) -> dict[str, Path]:
    """The plots of scores against overlaps, by tracker that has scores."""
    paths = {}
    for place, (tracker, results) in enumerate(dataset.results.items()):
        # The first box is given, and its score no more than a convention.
        parts = [
            (
                results.scores[sequence.name][1:],
                visible_overlaps(results.bboxes_xywh[sequence.name], sequence)[1:],
            )
            for sequence in dataset.sequences
            if sequence.name in results.scores
        ]
        if parts:
            scores, overlaps = map(np.concatenate, zip(*parts, strict=True))
            seen = ~np.isnan(overlaps)
            file_name = f'score_overlap_{_file_name(place, tracker)}.png'
            paths[tracker] = folder / file_name
            plots.plot_score_overlap(
                scores[seen], overlaps[seen], paths[tracker], tracker, _color(place)
            )
    return paths


def _draw_failures(
    dataset: DatasetResults, tracker: str, folder: Path, num_worst: int
) -> list[tuple[float, Failure]]:
    """The worst, middle and best sequences of a tracker, with the headline metric."""
    results, report = dataset.results[tracker], dataset.reports[tracker]
    values = report.values[dataset.metrics[0]]
    sequences = {sequence.name: sequence for sequence in dataset.sequences}
    order = np.argsort(values, kind='stable').tolist()
    shown = [*order[:num_worst], order[len(order) // 2], order[-1]] if num_worst else []
    failures = []
    for place in dict.fromkeys(shown):
        name = report.names[place]
        failures.append(
            (
                float(values[place]),
                draw_failure(
                    tracker,
                    results.bboxes_xywh[name],
                    results.scores.get(name),
                    sequences[name],
                    folder / f'{name}.jpg',
                ),
            )
        )
    return failures


def result_table(dataset: DatasetResults) -> list[Row]:
    """All metrics of all trackers, and what was published for the dataset."""
    found = [report.metrics for report in dataset.reports.values()]
    best = [_best([metrics[metric] for metrics in found]) for metric in dataset.metrics]
    rows = []
    for place, (name, metrics) in enumerate(zip(dataset.reports, found, strict=True)):
        cells: list[Cell] = [
            (metrics[metric], metrics[metric] == top)
            for metric, top in zip(dataset.metrics, best, strict=True)
        ]
        rows.append(Row(name, cells, _color(place), fps=dataset.results[name].fps))
    published_metric = PUBLISHED_METRICS.get(dataset.catalogue_name)
    if published_metric in dataset.metrics:
        rows += [
            Row(
                tracker.name,
                [
                    (
                        tracker.values[dataset.catalogue_name]
                        if metric == published_metric
                        else None,
                        False,
                    )
                    for metric in dataset.metrics
                ],
                published=tracker.training,
            )
            for tracker in PUBLISHED_TRACKERS
        ]
    return rows


def overview_table(datasets: list[DatasetResults]) -> tuple[list[str], list[Row]]:
    """The headline metric of all trackers on all datasets.

    Returns:
        tuple[list[str], list[Row]]: The heads of the columns, and the rows.
    """
    heads = [
        f'{dataset.title} ({METRIC_LABELS[dataset.metrics[0]]})' for dataset in datasets
    ]
    tables = [
        {(row.name, row.published): row for row in result_table(dataset)}
        for dataset in datasets
    ]
    rows = []
    # Trackers with published numbers come last; not every dataset has them.
    for key in sorted(
        {key: None for table in tables for key in table},
        key=lambda key: key[1] is not None,
    ):
        found = [table.get(key) for table in tables]
        first = next(row for row in found if row)
        rows.append(
            first._replace(
                cells=[row.cells[0] if row else (None, False) for row in found]
            )
        )
    return heads, rows


def attribute_table(dataset: DatasetResults) -> list[tuple[int, Row]]:
    """The headline metric of all trackers on the sequences with each attribute.

    Returns:
        list[tuple[int, Row]]: By attribute, its number of sequences and a cell for
        each tracker; empty where the sequences have no attributes.
    """
    members: dict[str, set[str]] = {}
    for sequence in dataset.sequences:
        for attribute in sequence.attributes:
            members.setdefault(attribute, set()).add(sequence.name)
    table = []
    for attribute, names in sorted(members.items()):
        values = [
            _mean_over(report, dataset.metrics[0], names)
            for report in dataset.reports.values()
        ]
        top = _best(values)
        table.append(
            (
                len(names),
                Row(
                    attribute,
                    [(value, value is not None and value == top) for value in values],
                ),
            )
        )
    return table


def _mean_over(report: Report, metric: str, names: set[str]) -> float | None:
    """The mean of a metric over some sequences; None where it has none of them."""
    chosen = np.array([name in names for name in report.names])
    if not chosen.any():
        return None
    return float(
        np.average(report.values[metric][chosen], weights=report.weights[chosen])
    )


def sequence_bars(dataset: DatasetResults) -> list[tuple[str, list[float | None]]]:
    """The headline metric of all trackers in each sequence, the best first."""
    values = [
        dict(zip(report.names, report.values[dataset.metrics[0]].tolist(), strict=True))
        for report in dataset.reports.values()
    ]
    bars = [
        (sequence.name, [column.get(sequence.name) for column in values])
        for sequence in dataset.sequences
    ]
    return sorted(
        bars, key=lambda bar: -math.inf if bar[1][0] is None else bar[1][0], reverse=True
    )


def _best(values: list[float | None]) -> float | None:
    """The highest value, where there are several to choose from."""
    numbers = [value for value in values if value is not None]
    return max(numbers) if len(numbers) > 1 else None
