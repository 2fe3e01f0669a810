import json

import numpy as np
import pytest

from sstrack_mm.datasets.coco import COCOSequences
from sstrack_mm.errors import DataError


def write_coco(write, root, images='train2017', extra=()):
    annotations = [
        dict(id=7, image_id=3, bbox=[1, 2, 3, 4], iscrowd=0),
        dict(id=8, image_id=5, bbox=[0, 0, 2.5, 1], iscrowd=0),
        dict(id=9, image_id=5, bbox=[0, 0, 8, 8], iscrowd=1),
        dict(id=10, image_id=5, bbox=[0, 0, 0, 3], iscrowd=0),
        dict(id=11, image_id=5, bbox=[0, 0, float('nan'), 3], iscrowd=0),
        *extra,
    ]
    write.frames(root / images, ['000000000003.jpg', '000000000005.jpg'])
    write.text(
        root / 'annotations/instances_train2017.json',
        json.dumps(
            dict(
                images=[
                    dict(id=i, file_name=f'{i:012d}.jpg', width=8, height=8)
                    for i in (3, 5)
                ],
                annotations=annotations,
                categories=[],
            )
        ),
    )


@pytest.mark.parametrize('images', ['train2017', 'images/train2017'])
def test_every_usable_object_is_a_video_of_one_image(write, tmp_path, images):
    write_coco(write, tmp_path, images)
    dataset = COCOSequences(data_root=str(tmp_path))
    assert dataset.names == ['000000000003_7', '000000000005_8']
    source = dataset.clip_source(1)
    assert source['frame_paths'] == [str(tmp_path / images / '000000000005.jpg')]
    np.testing.assert_array_equal(source['init_xywh'], [0, 0, 2.5, 1])
    sequence = dataset.sequence(0)
    np.testing.assert_array_equal(sequence.gt_xywh, [[1, 2, 3, 4]])
    assert sequence.visible.tolist() == [True]


def test_new_annotations_are_seen(write, tmp_path):
    write_coco(write, tmp_path)
    COCOSequences(data_root=str(tmp_path))
    write_coco(write, tmp_path, extra=[dict(id=12, image_id=3, bbox=[1, 1, 1, 1])])
    assert len(COCOSequences(data_root=str(tmp_path))) == 3


def test_unchanged_annotations_are_not_read_again(write, tmp_path, monkeypatch):
    write_coco(write, tmp_path)
    COCOSequences(data_root=str(tmp_path))
    monkeypatch.setattr(json, 'load', None)
    assert len(COCOSequences(data_root=str(tmp_path))) == 2


def test_missing_images_and_annotations(write, tmp_path):
    write_coco(write, tmp_path)
    with pytest.raises(DataError, match=r'val2017: no such folder.*annotations/'):
        COCOSequences(data_root=str(tmp_path), split='val2017')
    with pytest.raises(DataError, match=r'annotations/gone\.json: no such'):
        COCOSequences(data_root=str(tmp_path), ann_file='annotations/gone.json')


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{', 'not the annotations'),
        ('[]', 'not the annotations'),
        ('{"images": []}', "'annotations'"),
        ('{"images": [], "annotations": []}', 'no usable object'),
    ],
)
def test_bad_annotations_are_named(write, tmp_path, text, reason):
    write_coco(write, tmp_path)
    write.text(tmp_path / 'annotations/instances_train2017.json', text)
    with pytest.raises(DataError, match=rf'instances_train2017\.json: .*{reason}'):
        COCOSequences(data_root=str(tmp_path))


def test_object_of_an_unknown_image_is_named(write, tmp_path):
    write_coco(write, tmp_path, extra=[dict(id=12, image_id=4, bbox=[1, 1, 1, 1])])
    with pytest.raises(DataError, match=r'train2017\.json: annotation 12 .* image 4'):
        COCOSequences(data_root=str(tmp_path))
