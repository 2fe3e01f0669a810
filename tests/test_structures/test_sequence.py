"""The record of an annotated video."""

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.structures.sequence import VideoSequence


def make(num_frames=3, num_boxes=3, num_flags=3):
    return VideoSequence(
        'name',
        ['frame.jpg'] * num_frames,
        np.ones((num_boxes, 4)),
        np.ones(num_flags, bool),
    )


def test_full_first_only_and_no_labels():
    assert len(make()) == 3 and make().has_full_gt
    assert len(make(num_boxes=0)) == 3 and not make(num_boxes=0).has_full_gt
    assert len(make(num_boxes=1)) == 3 and not make(num_boxes=1).has_full_gt


@pytest.mark.parametrize(
    'counts, message',
    [
        (dict(num_frames=0), 'name: the video has no frames'),
        (dict(num_boxes=2), r'name: 3 frames, but boxes of shape \(2, 4\)'),
        (dict(num_flags=2), r'name: 3 frames, but visibility of shape \(2,\)'),
    ],
)
def test_counts_that_do_not_fit(counts, message):
    with pytest.raises(DataError, match=message):
        make(**counts)
