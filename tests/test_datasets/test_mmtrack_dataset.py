import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmtrack.datasets.samplers import VideoSampler
from mmtrack.evaluation import SOTMetric
from mmtrack.registry import DATASETS
from torch.utils.data import DataLoader

from sstrack_mm.datasets.mmtrack_dataset import FrameDataset
from sstrack_mm.datasets.readers import FolderSequences

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='mmtrack.LoadTrackAnnotations'),
    dict(type='mmtrack.PackTrackInputs', pack_single_img=True),
]


@pytest.fixture
def root(write, tmp_path):
    for name, num_frames in (('a', 3), ('b', 4), ('c', 5)):
        write.video(tmp_path / name, num_frames)
    return tmp_path


def test_mmtrack_test_loop(root):
    """VideoSampler, pipeline and SOTMetric of mmtrack on perfect predictions."""
    dataset = DATASETS.build(
        dict(
            type='FrameDataset',
            sequences=dict(
                type='FolderSequences', data_root=str(root), pipeline=PIPELINE
            ),
            test_mode=True,
        )
    )
    assert len(dataset) == 3 + 4 + 5
    metric = SOTMetric()
    loader = DataLoader(
        dataset, sampler=VideoSampler(dataset), num_workers=2, collate_fn=pseudo_collate
    )
    num_frames = 0
    for batch in loader:
        assert batch['inputs']['img'][0].shape == (1, 3, 8, 8)
        sample = batch['data_samples'][0]
        metric.process(
            batch,
            [
                dict(
                    sample.metainfo,
                    pred_track_instances=dict(bboxes=sample.gt_instances.bboxes),
                )
            ],
        )
        num_frames += 1
    assert num_frames == 12
    scores = metric.compute_metrics(metric.results)
    assert [result['video_name'] for result in metric.results] == ['a', 'b', 'c']
    assert scores['precision'] == 100


def test_boxes_that_are_not_known_are_nan(write, root):
    write.text(root / 'b/groundtruth_rect.txt', '1,2,3,4\n')
    dataset = FrameDataset(FolderSequences(data_root=str(root)), test_mode=True)
    bboxes_xyxy = dataset.get_ann_infos_from_video(1)['bboxes']
    np.testing.assert_array_equal(bboxes_xyxy[0], [1, 2, 4, 6])
    assert bboxes_xyxy.shape == (4, 4)
    assert np.isnan(bboxes_xyxy[1:]).all()
