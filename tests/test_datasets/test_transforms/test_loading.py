"""Reading the frames of a clip."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.transforms import LoadClip
from sstrack_mm.errors import DataError


@pytest.fixture
def write_image(tmp_path):
    """Writes a BGR image of one colour and returns its path."""

    def write(name, colour=(10, 20, 30), height=20, width=30):
        path = str(tmp_path / name)
        cv2.imwrite(path, np.full((height, width, 3), colour, np.uint8))
        return path

    return write


def load(paths, bboxes_xywh):
    return LoadClip()(dict(frame_paths=paths, bboxes_xywh=np.array(bboxes_xywh, float)))


UNKNOWN = [np.nan] * 4


def test_each_file_once(write_image):
    paths = [write_image(name, colour) for name, colour in (('a.png', 1), ('b.png', 2))]
    clip = load([paths[0], paths[1], paths[1]], [[1, 1, 5, 5], UNKNOWN, UNKNOWN])
    assert [int(frame[0, 0, 0]) for frame in clip['frames']] == [1, 2, 2]
    assert clip['frames'][1] is clip['frames'][2]


@pytest.mark.parametrize('content', [None, b'', b'no image'])
def test_unreadable(tmp_path, content):
    path = tmp_path / 'bad.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r'bad\.jpg: cannot be read as an image'):
        load([str(path)], [[1, 1, 5, 5]])


def test_other_size(write_image):
    paths = [write_image('a.png'), write_image('b.png', width=31)]
    message = r'b\.png: its size 31x20 is not that of .*a\.png'
    with pytest.raises(DataError, match=message):
        load(paths, [[1, 1, 5, 5], UNKNOWN])


@pytest.mark.parametrize(
    'bbox_xywh', [(30, 1, 5, 5), (1, 20, 5, 5), (-6, 1, 5, 5), (1, -5, 5, 5)]
)
def test_box_outside(write_image, bbox_xywh):
    message = r'a\.png: its box .* lies outside the 30x20 image'
    with pytest.raises(DataError, match=message):
        load([write_image('a.png')], [bbox_xywh])


def test_box_across_the_edge(write_image):
    assert load([write_image('a.png')], [[-3, 15, 5, 9]])['frames']
