"""One training step meets ``train.npz``, by the code that training runs."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.runner import load_checkpoint
from mmtrack.registry import MODELS

from sstrack_mm.datasets.transforms import CropClip
from sstrack_mm.models.trackers.functional import pseudo_boxes
from sstrack_mm.structures.crop import boxes_to_crop

# Augmentation and what the reference step leaves out, switched off by configuration.
OPTIONS = {
    'model.backbone.drop_path_rate': 0.0,
    'model.backbone.init_cfg': None,
    'model.loss_contrastive': None,
    'model.data_preprocessor.brightness': 0.0,
    'model.data_preprocessor.flip_prob': 0.0,
    'train_pipeline.0.synthesis_prob': 0.0,
    'train_pipeline.3.prob': 0.0,
    'train_pipeline.4.prob': 0.0,
}
NUM_CLIPS, NUM_SEARCH, NUM_VIEWS = 2, 3, 2


@pytest.fixture(scope='module')
def reference(parity_dir):
    with np.load(parity_dir / 'train.npz') as file:
        return {key.removeprefix('train/'): file[key] for key in file}


@pytest.fixture(scope='module')
def cfg(root, tiny_options):
    cfg = Config.fromfile(root / 'configs' / 'sstrack_b256.py')
    cfg.merge_from_dict(tiny_options | OPTIONS)
    return cfg


@pytest.fixture(scope='module')
def converter(load_tool):
    return load_tool('model_converters/convert_official.py')


@pytest.fixture(scope='module')
def videos(reference, tmp_path_factory):
    """The clips as videos: PNG files, of which the first has a known box."""
    folder, videos = tmp_path_factory.mktemp('frames'), []
    for clip in range(NUM_CLIPS):
        paths = [folder / f'{clip}_{i}.png' for i in range(1 + NUM_SEARCH)]
        for i, path in enumerate(paths):
            path.write_bytes(reference[f'frame_b{clip}_{i}'].tobytes())
        videos.append(
            dict(
                video=f'clip{clip}',
                frame_paths=[str(p) for p in paths],
                init_xywh=reference[f'boxes_b{clip}_xywh'][0],
            )
        )
    return videos


def jittered_boxes(reference, clip):
    """Square boxes with the windows that the reference cut the grounding views from.

    The true box in a view tells the view's scale, and with it where its centre was.
    """
    init_xywh = reference[f'boxes_b{clip}_xywh'][0]
    size = reference['grounding_uint8'].shape[-1]
    for bbox_norm in reference['grounding_boxes_xywh_norm'][:, clip].astype(float) * size:
        scale = bbox_norm[2] / init_xywh[2]
        center = (
            init_xywh[:2]
            + 0.5 * init_xywh[2:]
            - (bbox_norm[:2] + 0.5 * bbox_norm[2:] - (size - 1) / 2) / scale
        )
        # The window of factor 4 is to have a side of size / scale after its ceil.
        wh = np.full(2, (round(size / scale) - 0.5) / 4)
        yield np.concatenate([center - 0.5 * wh, wh])


@pytest.fixture(scope='module')
def batch(reference, cfg, videos, default_scope):
    """The clips out of the configured pipeline, with the reference's jitter."""
    pipeline = Compose(cfg.train_pipeline)
    clips = []
    with pytest.MonkeyPatch.context() as patch:
        for clip, video in enumerate(videos):
            boxes = jittered_boxes(reference, clip)
            patch.setattr(CropClip, '_jitter', lambda *_, boxes=boxes: next(boxes))
            clips.append(
                pipeline(dict(rng=np.random.default_rng(clip), videos=[video, video]))
            )
    return pseudo_collate(clips)


def run_step(cfg, reference, official_tiny, batch, resize):
    """Do what ``model.train_step`` does, up to the gradients.

    Returns:
        SimpleNamespace: ``model``, ``inputs`` of the loss, ``losses``, ``total``, and
        by pass (three forward, two backward): ``templates`` (B, T, 3, h, w), ``maps``
        and ``view_losses``.
    """
    model = MODELS.build(cfg.model | dict(train_cfg=dict(resize=resize)))
    load_checkpoint(model, str(official_tiny), strict=True)
    model.train()
    model.backbone.train_keep_ratio = float(reference['keep_ratio'])
    step = SimpleNamespace(model=model, templates=[], maps=[], view_losses=[])
    model.backbone.register_forward_hook(
        lambda module, args, output: step.templates.append(args[0])
    )
    model.head.register_forward_hook(
        lambda module, args, output: step.maps.append(output)
    )
    loss_by_feat = model.head.loss_by_feat

    def record_loss(*args):
        step.view_losses.append(loss_by_feat(*args))
        return dict(step.view_losses[-1])

    model.head.loss_by_feat = record_loss
    data = model.data_preprocessor(batch, training=True)
    step.inputs = data['inputs']
    step.losses = model(**data, mode='loss')
    step.total, _ = model.parse_losses(step.losses)
    step.total.backward()
    return step


@pytest.fixture(scope='module')
def step(cfg, reference, official_tiny, batch):
    return run_step(cfg, reference, official_tiny, batch, 'opencv')


@pytest.fixture(scope='module')
def float_step(cfg, reference, official_tiny, batch):
    return run_step(cfg, reference, official_tiny, batch, 'float')


def memory_crops(step):
    """(S, B, 3, h, w) uint8 memory crops, out of what the backward passes saw."""
    preprocessor, templates = step.model.data_preprocessor, step.templates[-1]
    pixels = (templates * preprocessor.std + preprocessor.mean) * 255
    assert (pixels - pixels.round()).abs().max() < 1e-3
    return pixels.round().transpose(0, 1).byte().numpy()


def decode(maps):
    """(B, 1, 4) boxes, cxcywh norm, by slow code."""
    boxes = []
    for score, size, offset in zip(
        maps['score_map'], maps['size_map'], maps['offset_map'], strict=True
    ):
        row, column = divmod(int(score.argmax()), score.shape[-1])
        x, y = offset[:, row, column].tolist()
        boxes.append(
            [
                [
                    (column + x) / score.shape[-1],
                    (row + y) / score.shape[-1],
                    *size[:, row, column].tolist(),
                ]
            ]
        )
    return np.array(boxes)


def check_maps(step, reference, tolerance):
    names = [f'search{i}' for i in range(NUM_SEARCH)]
    names += [f'grounding{i}' for i in range(NUM_VIEWS)]
    for name, maps in zip(names, step.maps, strict=True):
        maps = {key: value.detach() for key, value in maps.items()}
        for key, value in dict(maps, pred_boxes=decode(maps)).items():
            np.testing.assert_allclose(
                value,
                reference[f'{name}/{key}'],
                rtol=0,
                atol=tolerance,
                err_msg=f'{name}/{key}',
            )


def check_losses(step, reference, tolerance):
    """Each view's losses without their weights, their sums, and the sum of all."""
    parts = dict(giou=('loss_iou', 2), l1=('loss_bbox', 5), focal=('loss_score', 1))
    for i, view in enumerate(step.view_losses):
        for name, (ours, weight) in parts.items():
            assert view[ours].item() / weight == pytest.approx(
                float(reference[f'grounding{i}/loss_{name}']), abs=tolerance
            )
        assert sum(view[ours] for ours, _ in parts.values()).item() == pytest.approx(
            float(reference[f'grounding{i}/loss_total']), abs=tolerance
        )
    assert step.total.item() == pytest.approx(
        float(reference['loss_total']), abs=tolerance
    )
    assert len(step.view_losses) == NUM_VIEWS


class TestInputs:
    """The pipeline makes the reference's network inputs, exactly."""

    @pytest.mark.parametrize(
        'ours, theirs',
        [('template', 'template'), ('search', 'search'), ('grounding', 'grounding')],
    )
    def test_pixels(self, batch, reference, ours, theirs):
        images = np.stack([clip.numpy() for clip in batch['inputs'][ours]], axis=1)
        np.testing.assert_array_equal(images, reference[f'{theirs}_uint8'])

    def test_frames(self, batch, reference):
        for clip, frames in enumerate(batch['inputs']['frames']):
            for i, frame in enumerate(frames, 1):
                bgr = cv2.imdecode(reference[f'frame_b{clip}_{i}'], cv2.IMREAD_COLOR)
                np.testing.assert_array_equal(frame.flip(0).permute(1, 2, 0), bgr)

    def test_grounding_boxes(self, batch, reference):
        bboxes = np.stack(
            [sample.gt_instances.bboxes.numpy() for sample in batch['data_samples']],
            axis=1,
        )
        expected = reference['grounding_boxes_xywh_norm'].copy()
        expected[..., 2:] += expected[..., :2]
        np.testing.assert_allclose(bboxes, expected, rtol=1e-5, atol=1e-6)

    def test_template_boxes(self, reference, cfg):
        size = cfg.model.backbone.template_size
        for clip in range(NUM_CLIPS):
            bbox = reference[f'boxes_b{clip}_xywh'][0]
            scale = size / np.ceil(np.sqrt(bbox[2:].prod()) * 2)
            np.testing.assert_allclose(
                boxes_to_crop(bbox, bbox, scale, size),
                reference['template_boxes_xywh_norm'][0, clip],
                rtol=1e-5,
                atol=1e-6,
            )

    def test_search_content(self, step, reference, cfg):
        """The frames' extents, before padding, are the contents of the squares."""
        wh = step.inputs['image_wh'].numpy()
        content = wh * cfg.model.backbone.search_size / wh.max(axis=1, keepdims=True)
        for expected in reference['search_content_xywh']:
            np.testing.assert_allclose(
                np.pad(content, ((0, 0), (2, 0))), expected, rtol=1e-5, atol=1e-6
            )

    def test_search_boxes(self, step, reference, cfg):
        """Where the true boxes lie in the squares, by the scale that training uses."""
        for clip, wh in enumerate(step.inputs['image_wh'].numpy()):
            bboxes = reference[f'boxes_b{clip}_xywh'][1:] / wh.max()
            np.testing.assert_allclose(
                bboxes, reference['search_boxes_xywh_norm'][:, clip], rtol=1e-5, atol=1e-6
            )


class TestStep:
    """With OpenCV's resize."""

    def test_memory_crops(self, step, reference):
        np.testing.assert_array_equal(memory_crops(step), reference['memory_uint8'])

    def test_memory_boxes(self, step, reference, cfg):
        size = cfg.model.backbone.template_size
        for i in range(NUM_SEARCH):
            predictions = torch.from_numpy(reference[f'search{i}/pred_boxes'][:, 0])
            bboxes = pseudo_boxes(
                predictions, step.inputs['image_wh'], cfg.model.backbone.search_size
            ).numpy()
            scale = size / np.ceil(np.sqrt(bboxes[:, 2:].prod(axis=1)) * 2)
            np.testing.assert_allclose(
                boxes_to_crop(bboxes, bboxes, scale, size),
                reference['memory_boxes_xywh_norm'][i],
                rtol=1e-5,
                atol=1e-6,
            )

    def test_maps(self, step, reference):
        check_maps(step, reference, 1e-4)

    def test_losses(self, step, reference):
        check_losses(step, reference, 1e-4)

    def test_gradient_norms(self, step, reference, converter):
        gradients = self.gradients(step, converter)
        names = [
            key.removeprefix('grad_norm/')
            for key in reference
            if key.startswith('grad_norm/')
        ]
        assert len(names) > 150
        for name in names:
            assert gradients[name].norm().item() == pytest.approx(
                float(reference[f'grad_norm/{name}']), rel=1e-3
            ), name

    def test_gradients(self, step, reference, converter):
        gradients = self.gradients(step, converter)
        names = [key for key in reference if key.startswith('grad/')]
        assert len(names) == 4
        for name in names:
            expected = reference[name]
            np.testing.assert_allclose(
                gradients[name.removeprefix('grad/')],
                expected,
                rtol=1e-3,
                atol=1e-3 * np.abs(expected).max(),
                err_msg=name,
            )

    def test_every_parameter_learns(self, step, reference, converter):
        """But those that the reference does not train either."""
        without = {
            name for name, grad in self.gradients(step, converter).items() if grad is None
        }
        assert without <= set(reference['no_grad_params'].tolist())

    def test_running_statistics(self, step, reference, converter):
        state = {
            converter.to_official(key): value
            for key, value in step.model.state_dict().items()
        }
        names = [key for key in reference if key.startswith('after_step/')]
        assert len(names) == 24
        for name in names:
            np.testing.assert_allclose(
                state[name.removeprefix('after_step/')],
                reference[name],
                rtol=1e-4,
                atol=1e-4,
                err_msg=name,
            )

    @staticmethod
    def gradients(step, converter):
        """By published name."""
        return {
            converter.to_official(name): param.grad
            for name, param in step.model.named_parameters()
        }


class TestFloatStep:
    """With the device's float resize."""

    def test_memory_crops(self, float_step, reference):
        crops = memory_crops(float_step).astype(int)
        assert np.abs(crops - reference['memory_uint8'].astype(int)).max() <= 1

    def test_maps(self, float_step, reference):
        check_maps(float_step, reference, 2e-2)

    def test_losses(self, float_step, reference):
        check_losses(float_step, reference, 2e-2)
