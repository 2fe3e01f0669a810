import numpy as np
import pytest
from PIL import Image

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.evaluator import evaluate, image_size
from sstrack_mm.structures.sequence import VideoSequence


def make_sequence(name='car', num_frames=10):
    gt_xywh = np.tile([10.0, 20, 30, 40], (num_frames, 1))
    gt_xywh[:, 0] += np.arange(num_frames)
    return VideoSequence(
        name,
        [f'{i}.jpg' for i in range(num_frames)],
        gt_xywh,
        np.ones(num_frames, dtype=bool),
    )


@pytest.mark.parametrize('convention', ['pytracking', 'pysot', 'otb-matlab'])
def test_perfect_tracker(convention):
    sequence = make_sequence()
    report = evaluate({'car': sequence.gt_xywh}, [sequence], convention)
    # An overlap of 1 is not above the last of the 21 thresholds.
    assert report.metrics['auc'] == pytest.approx(100 * 20 / 21)
    for metric in ('op50', 'op75', 'precision', 'norm_precision', 'ao'):
        assert report.metrics[metric] == pytest.approx(100)
    assert report.convention == convention


@pytest.mark.parametrize('convention', ['pytracking', 'pysot', 'otb-matlab'])
def test_lost_tracker(convention):
    sequence = make_sequence()
    lost = np.tile([500.0, 500, 5, 5], (10, 1))
    metrics = evaluate({'car': lost}, [sequence], convention).metrics
    # Only the given first box counts, where it is put in.
    expected = 10 if CONVENTIONS[convention].first_is_truth else 0
    assert metrics['op50'] == metrics['precision'] == pytest.approx(expected)


def test_sequences_count_the_same_whatever_their_length():
    short, long = make_sequence('short', 5), make_sequence('long', 50)
    predictions = {'short': short.gt_xywh, 'long': np.full((50, 4), 500.0)}
    report = evaluate(predictions, [short, long], 'pysot')
    assert report.names == ('short', 'long')
    assert report.metrics['op50'] == pytest.approx(50)


def test_predictions_are_not_changed():
    sequence = make_sequence()
    prediction = sequence.gt_xywh + 1
    prediction[4, 2] = 0
    before = prediction.copy()
    evaluate({'car': prediction}, [sequence])
    np.testing.assert_array_equal(prediction, before)


def test_missing_sequences_are_listed():
    sequences = [make_sequence(name) for name in ('car', 'dog', 'cup')]
    predictions = {'dog': sequences[1].gt_xywh}
    with pytest.raises(DataError, match=r'2 of 3 .*: car, cup\..*skip'):
        evaluate(predictions, sequences)
    report = evaluate(predictions, sequences, missing='skip')
    assert report.names == ('dog',)
    assert report.missing == ('car', 'cup')


def test_long_lists_of_missing_sequences_are_cut():
    sequences = [make_sequence(f's{i}') for i in range(15)]
    with pytest.raises(DataError, match='s0, .* s9 and 5 more'):
        evaluate({}, sequences)


def test_nothing_to_evaluate():
    with pytest.raises(DataError, match='1 of 1'):
        evaluate({}, [make_sequence()], missing='skip')
    with pytest.raises(DataError, match='no sequence'):
        evaluate({}, [])


@pytest.mark.parametrize('num_boxes', [9, 11])
def test_wrong_number_of_frames(num_boxes):
    with pytest.raises(DataError, match=rf'car: .*\({num_boxes}, 4\) for 10 frames'):
        evaluate({'car': np.ones((num_boxes, 4))}, [make_sequence()])


@pytest.mark.parametrize('value', [np.nan, np.inf, -3])
def test_unusable_boxes(value):
    sequence = make_sequence()
    prediction = sequence.gt_xywh.copy()
    prediction[[6, 8], 3] = value
    with pytest.raises(DataError, match=r'car: 2 of 10 .* frame 7 .*\[16\.0, 20\.0'):
        evaluate({'car': prediction}, [sequence])


def test_only_the_first_box_is_labelled():
    sequence = VideoSequence(
        'car', ['0.jpg', '1.jpg'], np.ones((1, 4)), np.array([True, False])
    )
    with pytest.raises(DataError, match='car: .*--format-only'):
        evaluate({'car': np.ones((2, 4))}, [sequence])


def test_unknown_convention():
    with pytest.raises(ValueError, match='otb-matlab and vot2018'):
        evaluate({}, [], 'otb')
    with pytest.raises(ValueError, match='evaluate_vot'):
        evaluate({}, [], 'vot2018')
    with pytest.raises(ValueError, match="'ignore'"):
        evaluate({}, [], missing='ignore')


def test_unreadable_frame(tmp_path):
    frame = tmp_path / 'broken.jpg'
    frame.write_text('no image')
    sequence = make_sequence()
    sequence.frame_paths[0] = str(frame)
    with pytest.raises(DataError, match='car: .*broken.jpg'):
        image_size(sequence)


def test_no_frame_left(tmp_path):
    sequence = make_sequence()
    sequence.frame_paths[0] = str(tmp_path / '0.png')
    Image.new('RGB', (90, 60)).save(sequence.frame_paths[0])
    assert image_size(sequence) == (90, 60)
    sequence.visible[1:] = False
    with pytest.raises(DataError, match='car: no frame is left .*1 of them visible'):
        evaluate({'car': sequence.gt_xywh}, [sequence], 'got10k')
