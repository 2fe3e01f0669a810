"""Each convention against the installed toolkit, or slow code from its definition."""

import math

import matplotlib
import numpy as np
import pytest
from PIL import Image

from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.structures.sequence import VideoSequence

IMAGE_WH = (120, 90)


def make_sequence(name, rng, num_frames, frame='frame.jpg'):
    """Boxes inside and outside the image, some of them invalid or invisible."""
    gt_xywh = np.concatenate(
        [rng.uniform(-20, 100, (num_frames, 2)), rng.uniform(5, 50, (num_frames, 2))],
        axis=1,
    )
    # The target rests for a while, so that a box that is repeated overlaps.
    gt_xywh[8:12] = gt_xywh[8]
    bad = rng.permutation(np.r_[1:8, 12:num_frames])
    gt_xywh[bad[:3]] = 0
    gt_xywh[bad[3:5], 2] = 0
    gt_xywh[bad[5:8]] = np.nan
    visible = np.ones(num_frames, dtype=bool)
    visible[bad[6:13]] = False
    return VideoSequence(name, [str(frame)] * num_frames, gt_xywh, visible)


def predict(sequence, rng):
    """Near the truth, or anywhere; with empty boxes, also two in a row."""
    num_frames = len(sequence)
    pred_xywh = np.nan_to_num(sequence.gt_xywh, nan=30) + rng.normal(
        0, 12, (num_frames, 4)
    )
    pred_xywh[:, 2:] = np.abs(pred_xywh[:, 2:])
    pred_xywh[7::7] = np.round(sequence.gt_xywh[7::7])  # simple ratios
    pred_xywh[5::5] = sequence.gt_xywh[5::5]  # where rounding can put overlaps above 1
    pred_xywh = np.nan_to_num(pred_xywh, nan=20)
    pred_xywh[[9, 11, 20], 2] = 0
    return pred_xywh


@pytest.fixture(scope='module')
def data():
    rng = np.random.default_rng(7)
    sequences = [make_sequence(f'seq{n}', rng, 30 + 9 * n) for n in range(5)]
    return {seq.name: predict(seq, rng) for seq in sequences}, sequences


def plain_overlap(box, other):
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (box[2] * box[3] + other[2] * other[3] - shared)


def center(box):
    return box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2


def distance(box, other, unit=(1, 1)):
    (x, y), (other_x, other_y) = center(box), center(other)
    return math.hypot((x - other_x) / unit[0], (y - other_y) / unit[1])


def frames_as_pytracking(pred, truth, visible):
    """From the description in tests/data/parity/README.md; NaN as in UAV123."""
    pred = [list(box) for box in pred]
    for i in range(1, len(pred)):
        if (pred[i][2] == 0 or pred[i][3] == 0) and not any(map(math.isnan, truth[i])):
            pred[i] = pred[i - 1]
    pred[0] = truth[0]
    for box, true_box, seen in zip(pred, truth, visible, strict=True):
        if any(map(math.isnan, true_box)):
            yield -1, -1, -1
        elif not seen:
            yield -1, math.inf, math.inf
        elif true_box[2] <= 0 or true_box[3] <= 0:
            yield -1, math.inf, -1
        else:
            yield (
                plain_overlap(box, true_box),
                distance(box, true_box),
                distance(box, true_box, true_box[2:]),
            )


def frames_as_pysot(pred, truth, visible):
    for box, true_box, seen in zip(pred, truth, visible, strict=True):
        overlap = center_error = norm_error = -1
        if true_box[2] > 0 and true_box[3] > 0:
            overlap = min(max(plain_overlap(box, true_box), 0), 1)
        if all(value > 0 for value in center(true_box)):
            center_error = distance(box, true_box)
            unit = [side + 1e-16 for side in true_box[2:]]
            norm_error = distance(box, true_box, unit)
        # Absent frames are cut out, but the sums are divided by all frames. UAV123
        # has NaN rows and no absence labels.
        if seen or any(map(math.isnan, true_box)):
            yield overlap, center_error, norm_error
        else:
            yield -1, math.inf, math.inf


def frames_as_otb(pred, truth, visible):
    pred = [list(box) for box in pred]
    for i in range(1, len(pred)):
        if (pred[i][2] <= 0 or pred[i][3] <= 0) and not any(map(math.isnan, truth[i])):
            pred[i] = pred[i - 1]
    pred[0] = truth[0]
    for box, true_box in zip(pred, truth, strict=True):
        if not all(value > 0 for value in true_box):
            yield -1, -1, -1
            continue
        # Inclusive corners, whose pixel is added back: left + width - 1.
        right, other_right = box[0] + box[2] - 1, true_box[0] + true_box[2] - 1
        bottom, other_bottom = box[1] + box[3] - 1, true_box[1] + true_box[3] - 1
        shared = max(0, min(right, other_right) - max(box[0], true_box[0]) + 1) * max(
            0, min(bottom, other_bottom) - max(box[1], true_box[1]) + 1
        )
        yield (
            shared / (box[2] * box[3] + true_box[2] * true_box[3] - shared),
            distance(box, true_box),
            distance(box, true_box, true_box[2:]),
        )


SLOW = {
    'pytracking': frames_as_pytracking,
    'pysot': frames_as_pysot,
    'otb-matlab': frames_as_otb,
}


def slow_sequence(frames):
    """The metrics of one sequence in percent, by counting."""
    num_frames = len(frames)

    def above(threshold):
        return 100 * sum(frame[0] > threshold for frame in frames) / num_frames

    return {
        'auc': sum(above(step * 0.05) for step in range(21)) / 21,
        'op50': above(0.5),
        'op75': above(0.75),
        'sr50': above(0.5),
        'sr75': above(0.75),
        'precision': 100 * sum(frame[1] <= 20 for frame in frames) / num_frames,
        'norm_precision': 100 * sum(frame[2] <= 0.2 for frame in frames) / num_frames,
        'ao': 100 * sum(max(frame[0], 0) for frame in frames) / num_frames,
    }


@pytest.mark.parametrize('convention', SLOW)
def test_against_slow_code(convention, data):
    predictions, sequences = data
    report = evaluate(predictions, sequences, convention)
    slow = []
    for place, sequence in enumerate(sequences):
        frames = list(
            SLOW[convention](
                predictions[sequence.name].tolist(),
                sequence.gt_xywh.tolist(),
                sequence.visible,
            )
        )
        slow.append(slow_sequence(frames))
        for metric, value in slow[-1].items():
            assert report.values[metric][place] == pytest.approx(value, abs=1e-9)
    for metric, value in report.metrics.items():
        mean = sum(values[metric] for values in slow) / len(slow)
        assert value == pytest.approx(mean, abs=1e-9)


def test_all_conventions_are_verified():
    assert set(CONVENTIONS) == {*SLOW, 'got10k'}


def test_conventions_disagree(data, tmp_path):
    """The data shows what tells the conventions apart."""
    predictions, sequences = data
    frame = tmp_path / 'frame.jpg'
    Image.new('RGB', IMAGE_WH).save(frame)
    sequences = [
        VideoSequence(seq.name, [str(frame)] * len(seq), seq.gt_xywh, seq.visible)
        for seq in sequences
    ]
    reports = [evaluate(predictions, sequences, name).metrics for name in CONVENTIONS]
    for metric in ('auc', 'precision', 'norm_precision'):
        assert len({round(report[metric], 3) for report in reports}) == len(CONVENTIONS)


@pytest.fixture(scope='module')
def got10k_tree(tmp_path_factory):
    """GOT-10k val as published, and the results of a tracker as its toolkit saves."""
    root = tmp_path_factory.mktemp('got10k')
    rng = np.random.default_rng(3)
    sequences, predictions = [], {}
    for n in range(4):
        name, num_frames = f'GOT-10k_Val_{n:06d}', 25 + 8 * n
        folder = root / 'val' / name
        folder.mkdir(parents=True)
        frame = folder / '00000001.jpg'
        Image.new('RGB', IMAGE_WH).save(frame)
        for i in range(1, num_frames):
            (folder / f'{i + 1:08d}.jpg').touch()
        sequence = make_sequence(name, rng, num_frames, frame)
        gt_xywh = np.nan_to_num(np.round(sequence.gt_xywh, 3), nan=7)
        cover = np.where(sequence.visible, 8, 0)
        predictions[name] = np.round(predict(sequence, rng), 3)
        sequences.append(VideoSequence(name, sequence.frame_paths, gt_xywh, cover > 0))
        np.savetxt(folder / 'groundtruth.txt', gt_xywh, '%.4f', ',')
        for label, values in (
            ('cover', cover),
            ('absence', cover == 0),
            ('cut_by_image', 0 * cover),
        ):
            np.savetxt(folder / f'{label}.label', values, '%d')
        (folder / 'meta_info.ini').write_text(
            f'[METAINFO]\nresolution: {IMAGE_WH}\nurl: none'
        )
        results = root / 'results' / 'GOT-10k' / 'ours' / name
        results.mkdir(parents=True)
        np.savetxt(results / f'{name}_001.txt', predictions[name], '%.3f', ',')
        np.savetxt(results / f'{name}_time.txt', np.full(num_frames, 0.1), '%.8f')
    names = '\n'.join(sequence.name for sequence in sequences)
    (root / 'val' / 'list.txt').write_text(names)
    return root, predictions, sequences


def test_got10k_against_the_toolkit(got10k_tree):
    matplotlib.use('Agg')
    from got10k.experiments import ExperimentGOT10k

    root, predictions, sequences = got10k_tree
    experiment = ExperimentGOT10k(
        str(root), 'val', str(root / 'results'), str(root / 'reports')
    )
    performance = experiment.report(['ours'])['ours']

    report = evaluate(predictions, sequences, 'got10k')
    overall = performance['overall']
    assert report.metrics['ao'] == pytest.approx(100 * overall['ao'], abs=1e-9)
    assert report.metrics['sr50'] == pytest.approx(100 * overall['sr'], abs=1e-9)
    curve = 100 * np.array(overall['succ_curve'])
    np.testing.assert_allclose(report.curve('success'), curve, atol=1e-9)
    assert report.metrics['sr75'] == pytest.approx(curve[75], abs=1e-9)
    assert report.metrics['auc'] == pytest.approx(curve.mean(), abs=1e-9)
    for place, name in enumerate(report.names):
        expected = performance['seq_wise'][name]
        assert report.values['ao'][place] == pytest.approx(100 * expected['ao'])
        assert report.values['sr50'][place] == pytest.approx(100 * expected['sr'])


def test_got10k_precision_is_of_the_same_frames(got10k_tree):
    """The toolkit has no such number: visible frames but the first, pooled."""
    _, predictions, sequences = got10k_tree
    hits = frames = 0
    for sequence in sequences:
        rows = zip(
            predictions[sequence.name].tolist(),
            sequence.gt_xywh.tolist(),
            sequence.visible,
            strict=True,
        )
        for box, true_box, seen in list(rows)[1:]:
            frames += seen
            hits += seen and distance(box, true_box) <= 20
    report = evaluate(predictions, sequences, 'got10k')
    assert report.weights.sum() == frames
    assert report.metrics['precision'] == pytest.approx(100 * hits / frames)
