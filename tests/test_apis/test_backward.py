"""Whether a track leads back to where it came from."""

from types import SimpleNamespace

import numpy as np
import pytest

from sstrack_mm.apis.backward import (
    BackwardOverlap,
    check_back,
    doubtful_parts,
    write_overlaps,
)
from sstrack_mm.errors import DataError
from sstrack_mm.frames import Frame
from sstrack_mm.structures.target_box import TargetBox

LENGTH = 3


def make_frames(count, missing=()):
    """Frames of 40 by 40 pixels; the first pixel tells the number."""
    for i in range(count):
        image = np.full((40, 40, 3), i, np.uint8)
        yield Frame(i, i / 25, None if i in missing else image)


@pytest.fixture
def model():
    """Follows what moves by a pixel a frame, as the frames tell; refuses outside."""

    def init_state(image, bbox_xywh):
        if bbox_xywh[0] >= image.shape[1]:
            raise DataError('no area inside')
        return SimpleNamespace(bbox_xywh=bbox_xywh, frame=int(image[0, 0, 0]))

    def track_batch(images, states):
        frames = [int(image[0, 0, 0]) for image in images]
        return [
            SimpleNamespace(
                bbox_xywh=state.bbox_xywh + [frame - state.frame, 0, 0, 0], frame=frame
            )
            for frame, state in zip(frames, states, strict=True)
        ]

    return SimpleNamespace(init_state=init_state, track_batch=track_batch)


def box(frame, x, target='a'):
    return TargetBox(frame, frame / 25, target, (float(x), 5.0, 10.0, 10.0))


def test_a_track_that_follows_leads_back(model):
    """Every box of it but the last, whose number has no later frame."""
    found = list(check_back(model, make_frames(9), [box(i, i) for i in range(9)], LENGTH))
    assert found == [BackwardOverlap(i, 'a', 1.0) for i in range(8)]


def test_a_track_that_went_elsewhere_does_not(model):
    """It jumps in frame 4: from frame 6 back, frames 3 and earlier are elsewhere."""
    track = [box(i, i if i < 4 else i + 20) for i in range(9)]
    found = list(check_back(model, make_frames(9), track, LENGTH))
    assert [one.overlap for one in found] == [1, 1, 1, 0, 1, 1, 1, 1]
    (part,) = doubtful_parts(found)
    assert part == ('a', 3, 3, 0)


def test_several_targets(model):
    """One that begins later, and one that ends outside the image."""
    track = [
        *(box(i, i, 'b') for i in range(2, 5)),
        *(box(i, i if i < 3 else 50, 'a') for i in range(5)),
    ]
    found = list(check_back(model, make_frames(5), track, 4))
    by_target = {name: [one[2] for one in found if one[1] == name] for name in 'ab'}
    assert by_target == dict(a=[0, 0, 0, 0], b=[1, 1])
    assert found == sorted(found)


def test_frames_that_are_missing(model):
    track = [box(i, i) for i in range(6)]
    found = list(check_back(model, make_frames(6, missing=(0, 3)), track, LENGTH))
    assert found == [BackwardOverlap(i, 'a', 1.0) for i in (1, 2, 4)]


def test_one_frame(model):
    assert list(check_back(model, make_frames(1), [box(0, 0)])) == []


def test_file(tmp_path):
    path = write_overlaps(tmp_path, [BackwardOverlap(3, 'é', 0.5)])
    assert path.read_text('utf-8') == '{"frame": 3, "target": "é", "overlap": 0.5}\n'
