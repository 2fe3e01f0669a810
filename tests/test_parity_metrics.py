"""The ``pytracking`` convention meets the reference numbers to 1e-6."""

import os
from pathlib import Path

import numpy as np
import pytest

from sstrack_mm.datasets.catalogue import open_dataset
from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.evaluator import evaluate, measure_frames
from sstrack_mm.evaluation.results import load_results
from sstrack_mm.structures.sequence import VideoSequence

PARITY_DIR = Path(
    os.environ.get('SSTRACK_PARITY_DIR', Path(__file__).parent / 'data' / 'parity')
)


@pytest.fixture(scope='module')
def reference():
    with np.load(PARITY_DIR / 'metrics.npz') as file:
        return {key.removeprefix('metrics/'): file[key] for key in file}


@pytest.fixture(scope='module')
def sequences(reference):
    names = sorted({key.split('/')[0] for key in reference if '/' in key})
    assert len(names) > 1
    return [
        VideoSequence(
            name,
            [''] * len(reference[f'{name}/visible']),
            reference[f'{name}/gt_xywh'],
            reference[f'{name}/visible'],
        )
        for name in names
    ]


@pytest.mark.parametrize('metric', ['auc', 'op50', 'op75', 'precision', 'norm_precision'])
def test_means(reference, sequences, metric):
    predictions = {seq.name: reference[f'{seq.name}/pred_xywh'] for seq in sequences}
    report = evaluate(predictions, sequences, 'pytracking')
    assert report.metrics[metric] == pytest.approx(float(reference[metric]), abs=1e-6)


def test_means_of_files(reference, sequences, tmp_path, monkeypatch):
    """The same through the plain folders and result files of the command line."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    # The plain layout cannot say that a labelled frame is invisible.
    sequences = [sequence for sequence in sequences if sequence.visible.all()]
    for sequence in sequences:
        images = tmp_path / 'data' / sequence.name / 'img'
        images.mkdir(parents=True)
        for number in range(len(sequence)):
            (images / f'{number:04d}.jpg').touch()
        np.savetxt(images.parent / 'groundtruth_rect.txt', sequence.gt_xywh, '%.17g', ',')
        pred_xywh = reference[f'{sequence.name}/pred_xywh']
        np.savetxt(tmp_path / f'{sequence.name}.txt', pred_xywh, '%.17g', ',')
    dataset = open_dataset('folder', str(tmp_path / 'data'))
    results = load_results(tmp_path)
    from_files = evaluate(
        results.bboxes_xywh, map(dataset.sequence, range(len(sequences)))
    )
    expected = evaluate(
        {seq.name: reference[f'{seq.name}/pred_xywh'] for seq in sequences}, sequences
    )
    assert from_files.metrics == pytest.approx(expected.metrics, abs=1e-9)


def test_frames(reference, sequences):
    for sequence in sequences:
        measured = measure_frames(
            reference[f'{sequence.name}/pred_xywh'], sequence, CONVENTIONS['pytracking']
        )
        expected = [
            reference[f'{sequence.name}/{key}']
            for key in ('iou', 'center_error', 'norm_center_error')
        ]
        # What an invisible frame is given per frame is not fixed by the reference,
        # only that it fails: the means above check that.
        for values, references in zip(measured, expected, strict=True):
            shown = sequence.visible
            np.testing.assert_allclose(values[shown], references[shown], atol=1e-6)
