"""From uint8 crops to network inputs."""

import pytest
import torch
from mmengine.structures import InstanceData
from mmtrack.structures import TrackDataSample

from sstrack_mm.models import SSTrackDataPreprocessor

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def restore(images):
    """Normalised images back to [0, 1]."""
    return images * STD + MEAN


def grey_crops(number=2000, level=100):
    return torch.full((number, 1, 3, 2, 2), level, dtype=torch.uint8)


def ramp_crops(number):
    """Crops whose left column is darker than the right one."""
    crops = torch.tensor([50, 60], dtype=torch.uint8).expand(3, 2, 2)
    return crops.expand(number, 1, 3, 2, 2)


def test_normalize():
    image = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2) * 20
    expected = (image.float() / 255 - MEAN) / STD
    torch.testing.assert_close(SSTrackDataPreprocessor().normalize(image), expected)


class TestAugmentation:
    def test_brightness(self):
        """A factor of each crop's own, even in 1 +- 0.2."""
        torch.manual_seed(0)
        preprocessor = SSTrackDataPreprocessor(brightness=0.2, flip_prob=0)
        images, _ = preprocessor.prepare_crops(grey_crops(), training=True)
        factors = restore(images) * 255 / 100
        assert factors.std(dim=(1, 2, 3, 4)).max() < 1e-5
        factors = factors[:, 0, 0, 0, 0]
        assert 0.8 <= factors.min() < 0.805 and 1.195 < factors.max() <= 1.2
        assert factors.mean().item() == pytest.approx(1, abs=0.01)
        assert factors.std().item() == pytest.approx(0.4 / 12**0.5, abs=0.01)

    def test_white_stays_white(self):
        torch.manual_seed(0)
        images, _ = SSTrackDataPreprocessor(brightness=0.2).prepare_crops(
            grey_crops(level=255), training=True
        )
        assert restore(images).max().item() == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize('prob', [0.0, 0.3, 1.0])
    def test_flip(self, prob):
        """Each crop on its own, and its box with it."""
        torch.manual_seed(0)
        bboxes = torch.tensor([0.1, 0.2, 0.4, 0.9]).expand(2000, 1, 4)
        images, flipped_bboxes = SSTrackDataPreprocessor(
            brightness=0, flip_prob=prob
        ).prepare_crops(ramp_crops(2000), True, bboxes)
        flipped = images[:, 0, 0, 0, 0] > images[:, 0, 0, 0, 1]
        assert flipped.float().mean().item() == pytest.approx(prob, abs=0.03)
        expected = torch.where(
            flipped[:, None],
            torch.tensor([0.6, 0.2, 0.9, 0.9]),
            torch.tensor([0.1, 0.2, 0.4, 0.9]),
        )
        torch.testing.assert_close(flipped_bboxes[:, 0], expected)

    @pytest.mark.parametrize(
        'arguments, training', [(dict(), False), (dict(brightness=0, flip_prob=0), True)]
    )
    def test_none(self, arguments, training):
        preprocessor = SSTrackDataPreprocessor(**arguments)
        bboxes = torch.rand(5, 1, 4)
        images, same_bboxes = preprocessor.prepare_crops(ramp_crops(5), training, bboxes)
        assert torch.equal(images, preprocessor.normalize(ramp_crops(5)))
        assert torch.equal(same_bboxes, bboxes)


class TestBatch:
    def test_training(self, make_clips):
        data = make_clips(sizes=((50, 70), (60, 40)))
        batch = SSTrackDataPreprocessor(brightness=0, flip_prob=0)(data, training=True)
        inputs = batch['inputs']
        assert {key: tuple(value.shape) for key, value in inputs.items()} == dict(
            template=(2, 1, 3, 32, 32),
            grounding=(2, 2, 3, 64, 64),
            grounding_bboxes=(2, 2, 4),
            search=(2, 2, 3, 64, 64),
            frames=(2, 2, 3, 60, 70),
            image_wh=(2, 2),
            search_bboxes=(2, 2, 4),
            search_known=(2, 2),
        )
        assert inputs['image_wh'].tolist() == [[70, 50], [40, 60]]
        assert inputs['frames'].dtype == torch.uint8
        for row, clip, (width, height) in zip(
            inputs['frames'], data['inputs']['frames'], inputs['image_wh'], strict=True
        ):
            assert torch.equal(row[..., :height, :width], clip)
            assert not row[..., height:, :].any() and not row[..., width:].any()

    def test_boxes_of_synthesised_clips_are_known(self, make_clips):
        clips = make_clips(synthetic=(False, True))
        inputs = SSTrackDataPreprocessor(flip_prob=1)(clips, training=True)['inputs']
        assert inputs['search_known'].tolist() == [[0, 0], [1, 1]]
        assert not inputs['search_bboxes'][0].any()
        expected = clips['data_samples'][1].search_instances.bboxes
        assert torch.equal(inputs['search_bboxes'][1], expected)

    def test_search_frames_are_not_augmented(self, make_clips):
        """Their pseudo boxes lead back into the whole frames."""
        clips = make_clips()
        preprocessor = SSTrackDataPreprocessor(flip_prob=1)
        inputs = preprocessor(clips, training=True)['inputs']
        assert torch.equal(
            inputs['search'],
            preprocessor.normalize(torch.stack(clips['inputs']['search'])),
        )
        assert not torch.equal(
            inputs['template'],
            preprocessor.normalize(torch.stack(clips['inputs']['template'])),
        )

    def test_input_is_left_alone(self, make_clips):
        data, same = make_clips(), make_clips()
        torch.manual_seed(0)
        SSTrackDataPreprocessor(flip_prob=1)(data, training=True)
        for key, clips in same['inputs'].items():
            for clip, value in zip(clips, data['inputs'][key], strict=True):
                assert torch.equal(clip, value)
        for sample, value in zip(same['data_samples'], data['data_samples'], strict=True):
            assert torch.equal(sample.gt_instances.bboxes, value.gt_instances.bboxes)

    def test_without_search_frames(self):
        """As in supervised training."""
        sample = TrackDataSample()
        sample.gt_instances = InstanceData(bboxes=torch.rand(2, 4))
        inputs = dict(
            template=[torch.zeros(3, 3, 8, 8, dtype=torch.uint8)],
            grounding=[torch.zeros(2, 3, 16, 16, dtype=torch.uint8)],
        )
        data = dict(inputs=inputs, data_samples=[sample])
        batch = SSTrackDataPreprocessor()(data, training=True)
        assert set(batch['inputs']) == {'template', 'grounding', 'grounding_bboxes'}

    def test_testing(self):
        """Frames pass as they are."""
        image = torch.randint(0, 256, (1, 3, 9, 7), dtype=torch.uint8)
        batch = SSTrackDataPreprocessor()(
            dict(inputs=dict(img=[image]), data_samples=[TrackDataSample()])
        )
        assert torch.equal(batch['inputs']['img'], image[None])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(brightness=1), r'brightness must be in \[0, 1\), but got 1'),
        (dict(flip_prob=1.5), r'flip_prob must be in \[0, 1\], but got 1.5'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SSTrackDataPreprocessor(**arguments)
