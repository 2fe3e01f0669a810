import base64
import re
from pathlib import Path

import numpy as np
import pytest

from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.evaluation.published import PUBLISHED_METRICS, PUBLISHED_TRACKERS
from sstrack_mm.evaluation.results import Results
from sstrack_mm.visualization.report_page import (
    DatasetResults,
    attribute_table,
    data_uri,
    overview_table,
    result_table,
    sequence_bars,
    write_report,
)


@pytest.fixture
def make_dataset(make_sequence):
    """Makes what two trackers did on three sequences; the second one is worse."""

    def make(benchmark='folder', convention='pytracking', scores=True, leave_out=None):
        attributes = [('Blur', 'Occlusion'), ('Blur',), ()]
        sequences = [
            make_sequence(f'{benchmark}-{place}', 10 + 4 * place, names)
            for place, names in enumerate(attributes)
        ]
        results = {}
        for tracker, shift in (('good', 2), ('<b>bad', 11)):
            bboxes = {
                sequence.name: sequence.gt_xywh + [shift * (place + 1), 0, 0, 0]
                for place, sequence in enumerate(sequences)
            }
            if tracker == leave_out:
                del bboxes[sequences[0].name]
            results[tracker] = Results(Path(), bboxes)
        if scores:
            for sequence in sequences:
                results['good'].scores[sequence.name] = np.linspace(1, 0, len(sequence))
                results['good'].times[sequence.name] = np.full(len(sequence), 0.04)
        reports = {
            tracker: evaluate(found.bboxes_xywh, sequences, convention, 'skip')
            for tracker, found in results.items()
        }
        return DatasetResults(f'The {benchmark}', benchmark, sequences, results, reports)

    return make


def test_published_numbers():
    """Each of them, as the papers have them."""
    order = (
        'got10k_test',
        'lasot',
        'trackingnet',
        'lasot_ext',
        'vot2020',
        'tnl2k',
        'otb100',
    )
    assert {
        tracker.name: tuple(map(tracker.values.get, order))
        for tracker in PUBLISHED_TRACKERS
    } == {
        'ODTrack-B': (77.0, 73.1, 85.1, 52.4, 0.581, 60.9, 72.3),
        'SSTrack-B256': (67.1, 64.8, 80.1, 46.2, 0.458, 52.1, 67.9),
        'SSTrack-B384': (72.4, 65.9, 80.4, 48.5, 0.503, 53.8, 70.5),
    }
    assert set(PUBLISHED_METRICS) == set(order)


def test_result_table(make_dataset):
    dataset = make_dataset('lasot')
    good, bad, *published = result_table(dataset)
    assert [value for value, _ in good.cells] == [
        dataset.reports['good'].metrics[metric] for metric in dataset.metrics
    ]
    assert dataset.metrics[0] == 'auc'
    assert good.cells[0][1] and not bad.cells[0][1]
    assert good.fps == pytest.approx(25) and bad.fps is None
    assert not good.published and not bad.published
    # Published numbers say so, and are never the best.
    assert [(row.name, row.published, *row.cells[:2]) for row in published] == [
        ('ODTrack-B', 'supervised', (73.1, False), (None, False)),
        ('SSTrack-B256', 'self-supervised', (64.8, False), (None, False)),
        ('SSTrack-B384', 'self-supervised', (65.9, False), (None, False)),
    ]


def test_published_numbers_only_for_the_same_metric(make_dataset):
    assert len(result_table(make_dataset('folder'))) == 2
    ao = make_dataset('lasot', 'got10k')
    assert ao.metrics == ('ao', 'sr50', 'sr75')
    assert len(result_table(ao)) == 2


def test_overview(make_dataset):
    datasets = [make_dataset('folder'), make_dataset('otb100')]
    heads, rows = overview_table(datasets)
    assert heads == ['The folder (AUC)', 'The otb100 (AUC)']
    assert [row.name for row in rows] == [
        'good',
        '<b>bad',
        'ODTrack-B',
        'SSTrack-B256',
        'SSTrack-B384',
    ]
    assert rows[0].cells == [
        (dataset.reports['good'].metrics['auc'], True) for dataset in datasets
    ]
    assert rows[2].cells == [(None, False), (72.3, False)]


def test_attributes(make_dataset):
    dataset = make_dataset(convention='got10k')
    (num_blur, blur), (num_occlusion, occlusion) = attribute_table(dataset)
    assert (blur.name, num_blur) == ('Blur', 2)
    assert (occlusion.name, num_occlusion) == ('Occlusion', 1)
    values = [report.values['ao'] for report in dataset.reports.values()]
    # This convention pools frames, of which it leaves out the first: 9 and 13.
    assert [value for value, _ in blur.cells] == pytest.approx(
        [(9 * value[0] + 13 * value[1]) / 22 for value in values]
    )
    assert [value for value, _ in occlusion.cells] == [value[0] for value in values]
    assert [best for _, best in blur.cells] == [True, False]


def test_sequences_without_results(make_dataset):
    dataset = make_dataset(leave_out='good')
    missing = dataset.sequences[0].name
    assert attribute_table(dataset)[1][1].cells[0] == (None, False)
    bars = sequence_bars(dataset)
    assert bars[-1] == (missing, [None, dataset.reports['<b>bad'].values['auc'][0]])
    assert bars[0][1][0] > bars[1][1][0]


@pytest.fixture
def page(make_dataset, tmp_path):
    datasets = [make_dataset('folder'), make_dataset('otb100', leave_out='<b>bad')]
    return write_report(datasets, tmp_path / 'out', num_worst=2)


def test_page_needs_no_other_file(page):
    text = page.read_text(encoding='utf-8')
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')>\s]+)', text)
    pictures = [address for address in addresses if address.startswith('data:image/')]
    # Three curves, and of the two worst, the middle and the best the filmstrips, three
    # in all; in one dataset one tracker has results for two of three.
    assert len(pictures) == 2 * (3 + 3 + 3 + 1) - 1
    assert set(addresses) - set(pictures) == {'#dataset-1', '#dataset-2'}
    assert '://' not in text and '<script' not in text and '@import' not in text
    on_disk = {
        path.read_bytes()
        for path in page.parent.glob('**/*.*')
        if path.suffix in ('.png', '.jpg')
    }
    assert {base64.b64decode(address.split(',')[1]) for address in pictures} == on_disk


def test_what_the_page_says(page):
    text = page.read_text(encoding='utf-8')
    assert '&lt;b&gt;bad' in text and '<b>bad' not in text
    assert text.count('<b>pytracking</b>') == 2
    assert '3 sequences, 42 frames' in text
    assert '&lt;b&gt;bad has no results for 1 of them' in text
    assert 'numbers of the papers, not measured here' in text
    # In the overview and in the table of the one dataset that has them.
    assert text.count('<tr class="published">') == 6
    assert text.count('<span class="badge">published</span>') == 6
    for row in re.findall(r'<tr.*?</tr>', text, re.DOTALL):
        if 'ODTrack' in row or 'SSTrack' in row:
            assert '>published<' in row


def test_page_of_one_dataset_without_scores(make_dataset, tmp_path):
    page = write_report([make_dataset(scores=False)], tmp_path, num_worst=0)
    text = page.read_text(encoding='utf-8')
    assert 'All datasets' not in text
    assert 'Score against overlap' not in text and 'Frames/s' not in text
    assert 'worst' not in text and not list(tmp_path.glob('**/*.jpg'))


def test_data_uri(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'picture')
    assert data_uri(tmp_path / 'a.jpg') == 'data:image/jpeg;base64,cGljdHVyZQ=='
