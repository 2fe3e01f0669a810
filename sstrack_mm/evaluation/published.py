"""Published numbers, to be shown beside one's own and always marked as published."""

from typing import NamedTuple

PUBLISHED_SOURCE = (
    'Decoupled Spatio-Temporal Consistency Learning for Self-Supervised Tracking, '
    'AAAI 2025'
)

PUBLISHED_METRICS = {
    'got10k_test': 'ao',
    'lasot': 'auc',
    'lasot_ext': 'auc',
    'otb100': 'auc',
    'tnl2k': 'auc',
    'trackingnet': 'auc',
    'vot2020': 'eao',
}
"""By dataset, the metric that is published."""

PUBLISHED_TITLES = {
    'got10k_test': 'GOT-10k',
    'lasot': 'LaSOT',
    'lasot_ext': 'LaSOT ext',
    'otb100': 'OTB',
    'tnl2k': 'TNL2K',
    'trackingnet': 'TrackingNet',
    'vot2020': 'VOT2020',
}
"""By dataset, its name in a table."""


class PublishedTracker(NamedTuple):
    """What was published of a tracker.

    Attributes:
        name: Its name.
        training: What it learned from.
        values: By dataset, its :data:`PUBLISHED_METRICS`, in percent; EAO from 0
            to 1.
    """

    name: str
    training: str
    values: dict[str, float]


PUBLISHED_TRACKERS = (
    PublishedTracker(
        'ODTrack-B',
        'supervised',
        {
            'got10k_test': 77.0,
            'lasot': 73.1,
            'trackingnet': 85.1,
            'lasot_ext': 52.4,
            'vot2020': 0.581,
            'tnl2k': 60.9,
            'otb100': 72.3,
        },
    ),
    PublishedTracker(
        'SSTrack-B256',
        'self-supervised',
        {
            'got10k_test': 67.1,
            'lasot': 64.8,
            'trackingnet': 80.1,
            'lasot_ext': 46.2,
            'vot2020': 0.458,
            'tnl2k': 52.1,
            'otb100': 67.9,
        },
    ),
    PublishedTracker(
        'SSTrack-B384',
        'self-supervised',
        {
            'got10k_test': 72.4,
            'lasot': 65.9,
            'trackingnet': 80.4,
            'lasot_ext': 48.5,
            'vot2020': 0.503,
            'tnl2k': 53.8,
            'otb100': 70.5,
        },
    ),
)


def published_table() -> str:
    """The published results as a Markdown table, in percent but EAO.

    Returns:
        str: A row a tracker, a column a benchmark with its metric.
    """
    benchmarks = list(PUBLISHED_TRACKERS[0].values)
    titles = [f'{PUBLISHED_TITLES[x]} {PUBLISHED_METRICS[x].upper()}' for x in benchmarks]
    rows = [
        [
            f'{tracker.name} ({tracker.training})',
            *(str(tracker.values[x]) for x in benchmarks),
        ]
        for tracker in PUBLISHED_TRACKERS
    ]
    table = [['as published', *titles], ['---'] * (len(titles) + 1), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in table)
