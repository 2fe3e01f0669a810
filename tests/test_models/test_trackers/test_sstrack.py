"""The tracker: training losses, state, and mmtrack's interface."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.structures import InstanceData
from mmtrack.structures import TrackDataSample

from sstrack_mm.errors import DataError, LossError
from sstrack_mm.models.trackers.functional import pseudo_boxes
from sstrack_mm.models.trackers.sstrack import _contrast
from sstrack_mm.structures.crop import crop_target


def prepare(tracker, clips, training=True):
    """The batch as ``loss`` wants it; with the same augmentation every time."""
    torch.manual_seed(5)
    return tracker.data_preprocessor(copy.deepcopy(clips), training)


def total_loss(tracker, batch):
    losses = tracker(**batch, mode='loss')
    return tracker.parse_losses(losses)[0], losses


def record_passes(tracker):
    """Lists of the backbone's arguments and outputs, filled as it runs."""
    arguments, outputs = [], []
    tracker.backbone.register_forward_pre_hook(lambda _, args: arguments.append(args))
    tracker.backbone.register_forward_hook(lambda *args: outputs.append(args[-1]))
    return arguments, outputs


class TestLoss:
    def test_names(self, build_tracker, make_clips):
        tracker = build_tracker()
        _, losses = total_loss(tracker, prepare(tracker, make_clips()))
        assert {key for key in losses if 'loss' in key} == {
            'loss_score',
            'loss_iou',
            'loss_bbox',
            'loss_contrastive',
        }
        assert all(0 <= losses[key] <= 1 for key in ('iou_forward', 'iou_grounding'))

    def test_needs_no_data_samples(self, build_tracker, make_clips):
        tracker = build_tracker(train_cfg=dict(forward_loss_weight=1.0)).eval()
        batch = prepare(tracker, make_clips(synthetic=(True, False)))
        expected = tracker.loss(batch['inputs'], batch['data_samples'])
        losses = tracker.loss(batch['inputs'])
        assert set(losses) == set(expected)
        assert all(torch.equal(losses[key], expected[key]) for key in losses)

    @pytest.mark.parametrize(
        'change, message',
        [
            (dict(template_size=48), 'template crops have 32 .*template_size is 48'),
            (dict(search_size=96), 'grounding crops have 64 .*search_size is 96'),
        ],
    )
    def test_crops_of_another_size(
        self, build_tracker, tracker_cfg, make_clips, change, message
    ):
        tracker = build_tracker(backbone=tracker_cfg['backbone'] | change)
        with pytest.raises(ValueError, match=message):
            tracker(**prepare(tracker, make_clips()), mode='loss')

    def test_diverged(self, build_tracker, make_clips):
        tracker = build_tracker()
        for weight in tracker.parameters():
            weight.data.fill_(torch.nan)
        message = r'training diverged: .*\[nan, .*with a lower learning rate'
        with pytest.raises(LossError, match=message):
            tracker(**prepare(tracker, make_clips()), mode='loss')

    def test_contrast_is_a_mean_over_pairs_of_views(self, build_tracker):
        tracker = build_tracker()
        features, valid = torch.randn(3, 4, 16), torch.ones(4, dtype=torch.bool)
        views = [(feature, valid) for feature in features]
        pairs = [
            tracker.loss_contrastive(features[i], features[j], valid)
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        assert torch.equal(_contrast(tracker.loss_contrastive, views[:2]), pairs[0])
        found = _contrast(tracker.loss_contrastive, views)
        torch.testing.assert_close(found, sum(pairs) / 3)
        with pytest.raises(ValueError, match='there is one: set num_views=2'):
            _contrast(tracker.loss_contrastive, views[:1])

    def test_leaves_no_state_behind(self, build_tracker, make_clips):
        """Neither a query nor anything else passes from one batch to the next."""
        tracker = build_tracker().train()
        batch = prepare(tracker, make_clips())
        torch.manual_seed(0)
        first, _ = total_loss(tracker, batch)
        total_loss(tracker, prepare(tracker, make_clips(seed=1)))
        torch.manual_seed(0)
        again, _ = total_loss(tracker, batch)
        assert torch.equal(first, again)
        first.backward()  # its graph is its own

    def test_query_runs_through_the_clip(self, build_tracker, make_clips):
        """Fresh at the start, then the detached output of the pass before."""
        tracker = build_tracker()
        arguments, outputs = record_passes(tracker)
        total_loss(tracker, prepare(tracker, make_clips()))
        assert len(outputs) == 4
        assert arguments[0][2] is None
        for (_, _, query), before in zip(arguments[1:], outputs[:-1], strict=True):
            assert torch.equal(query, before.query) and not query.requires_grad

    def test_forward_part_needs_no_gradient(self, build_tracker, make_clips):
        tracker = build_tracker()
        _, outputs = record_passes(tracker)
        total_loss(tracker, prepare(tracker, make_clips()))
        assert [output.search_tokens.requires_grad for output in outputs] == [
            False,
            False,
            True,
            True,
        ]

    def test_batch_norm_sees_every_pass(self, build_tracker, make_clips):
        tracker = build_tracker().train()
        total_loss(tracker, prepare(tracker, make_clips()))
        assert tracker.head.score_branch[0].bn.num_batches_tracked == 4

    def test_memory_crops(self, build_tracker, make_clips):
        """They are cut at the predictions, out of the whole frames."""
        tracker = build_tracker().eval()
        clips = make_clips()
        arguments, _ = record_passes(tracker)
        maps = []
        tracker.head.register_forward_hook(lambda *args: maps.append(args[-1]))
        batch = prepare(tracker, clips, training=False)
        total_loss(tracker, batch)
        templates = arguments[-1][0]
        for frame in range(2):
            bboxes = pseudo_boxes(
                tracker.head.predict_by_feat(maps[frame])[0],
                batch['inputs']['image_wh'],
                64,
            )
            for clip, bbox in enumerate(bboxes):
                image = clips['inputs']['frames'][clip][frame].permute(1, 2, 0).numpy()
                crop, _ = crop_target(image, bbox.numpy(), 2.0, 32)
                expected = tracker.data_preprocessor.normalize(
                    torch.from_numpy(crop).permute(2, 0, 1)
                )
                torch.testing.assert_close(templates[clip, frame], expected)

    def test_batch_is_mean_of_singles(self, build_tracker, make_clips):
        """In eval mode, where no clip knows of another."""
        tracker = build_tracker(loss_contrastive=None).eval()
        clips = make_clips()
        _, losses = total_loss(tracker, prepare(tracker, clips, training=False))
        singles = []
        for i in range(2):
            single = dict(
                inputs={key: value[i : i + 1] for key, value in clips['inputs'].items()},
                data_samples=clips['data_samples'][i : i + 1],
            )
            singles.append(total_loss(tracker, prepare(tracker, single, False))[1])
        for key in ('loss_score', 'loss_iou', 'loss_bbox', 'iou_grounding'):
            mean = (singles[0][key] + singles[1][key]) / 2
            torch.testing.assert_close(losses[key], mean, rtol=1e-4, atol=1e-5)

    def test_contrastive_loss_is_one_key(self, build_tracker, make_clips):
        tracker = build_tracker(loss_contrastive=None)
        _, losses = total_loss(tracker, prepare(tracker, make_clips()))
        assert 'loss_contrastive' not in losses

    def test_without_forward_part(self, build_tracker, make_clips):
        """Supervised clips: templates and views only."""
        clips = make_clips()
        del clips['inputs']['search'], clips['inputs']['frames']
        tracker = build_tracker(loss_contrastive=None)
        _, outputs = record_passes(tracker)
        total, losses = total_loss(tracker, prepare(tracker, clips))
        total.backward()
        assert len(outputs) == 2 and 'iou_forward' not in losses


class TestForwardLoss:
    """The optional loss on the forward frames of synthesised clips."""

    def test_synthesised_clips_alone(self, build_tracker, make_clips):
        tracker = build_tracker(train_cfg=dict(forward_loss_weight=0.5)).eval()
        real, mixed, same = (
            make_clips(synthetic=kinds)
            for kinds in ((False, False), (True, False), (True, False))
        )
        # What is in the frames of a real clip makes no difference.
        same['inputs']['search'][1] = same['inputs']['search'][1].flip(0)
        of_real, of_mixed, of_same = (
            total_loss(tracker, prepare(tracker, clips, False))[1]['loss_forward']
            for clips in (real, mixed, same)
        )
        assert of_real == 0 and of_mixed > 0
        torch.testing.assert_close(of_mixed, of_same)

    def test_gradient(self, build_tracker, make_clips):
        """Of each pass alone: none flows from pass to pass."""
        tracker = build_tracker(train_cfg=dict(forward_loss_weight=1.0))
        arguments, outputs = record_passes(tracker)
        batch = prepare(tracker, make_clips(synthetic=(True, True)))
        losses = tracker(**batch, mode='loss')
        losses['loss_forward'].backward()
        assert all(output.search_tokens.requires_grad for output in outputs)
        assert not any(query.requires_grad for _, _, query in arguments[1:])
        assert not any(templates.requires_grad for templates, *_ in arguments)
        assert tracker.backbone.blocks[0].attn.qkv.weight.grad.any()

    def test_weight(self, build_tracker, make_clips):
        values = []
        for weight in (1.0, 2.0):
            tracker = build_tracker(train_cfg=dict(forward_loss_weight=weight))
            batch = prepare(tracker, make_clips(synthetic=(True, True)))
            values.append(tracker(**batch, mode='loss')['loss_forward'])
        torch.testing.assert_close(2 * values[0], values[1])


class TestMemory:
    """Choices of what the memory holds on the way back."""

    @pytest.fixture
    def last_templates(self, build_tracker, make_clips):
        """Runs a batch of one synthesised and one real clip."""

        def run(model_cfg=None, **train_cfg):
            tracker = build_tracker(train_cfg=train_cfg, **model_cfg or {}).eval()
            arguments, _ = record_passes(tracker)
            batch = prepare(tracker, make_clips(synthetic=(True, False)), False)
            total_loss(tracker, batch)
            return arguments[-1][0], batch

        return run

    def test_keep_template(self, last_templates):
        without, batch = last_templates()
        kept, _ = last_templates(keep_template=True)
        assert torch.equal(kept, torch.cat([batch['inputs']['template'], without], dim=1))

    def test_known_memory(self, last_templates, make_clips, build_tracker):
        """Of synthesised clips, it is cut at the known boxes."""
        predicted, batch = last_templates()
        known, _ = last_templates(known_memory=True)
        assert torch.equal(known[1], predicted[1])
        assert not torch.equal(known[0], predicted[0])
        clips = make_clips(synthetic=(True, False))
        for frame in range(2):
            x1, y1, x2, y2 = clips['data_samples'][0].search_instances.bboxes[frame]
            box = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])
            (bbox,) = pseudo_boxes(box[None], torch.tensor([[70, 50]]), 64)
            image = clips['inputs']['frames'][0][frame].permute(1, 2, 0).numpy()
            crop, _ = crop_target(image, bbox.numpy(), 2.0, 32)
            torch.testing.assert_close(
                known[0, frame],
                build_tracker().data_preprocessor.normalize(
                    torch.from_numpy(crop).permute(2, 0, 1)
                ),
            )

    def test_shaded(self, last_templates, build_tracker):
        """As the templates of tracking, where the settings ask for it."""
        plain, _ = last_templates()
        shaded, _ = last_templates(dict(test_cfg=dict(shade_context=True)))
        normalize = build_tracker().data_preprocessor.normalize
        black = normalize(torch.zeros(3, 1, 1, dtype=torch.uint8))
        same = torch.isclose(shaded, plain)
        darker = torch.isclose(shaded - black, (plain - black) / 2, atol=0.02)
        assert (same | darker).all()
        assert 0.1 < same.float().mean() < 0.9

    def test_cycle_weight(self, build_tracker, make_clips):
        """Views count by their overlap, those of synthesised clips in full."""
        tracker = build_tracker(train_cfg=dict(cycle_weight=0.8)).train()
        weights = []
        loss_by_feat = tracker.head.loss_by_feat

        def record(maps, gt_bboxes, weight=None):
            pred = bbox_cxcywh_to_xyxy(tracker.head.predict_by_feat(maps)[0])
            weights.append((weight, bbox_overlaps(pred, gt_bboxes, is_aligned=True)))
            return loss_by_feat(maps, gt_bboxes, weight)

        tracker.head.loss_by_feat = record
        batch = prepare(tracker, make_clips(synthetic=(True, False)))
        total_loss(tracker, batch)
        assert len(weights) == 2
        for weight, iou in weights:
            assert weight[0] == 1
            torch.testing.assert_close(weight[1], 1 - 0.8 * (1 - iou[1]))
        with pytest.raises(ValueError, match='got 1'):
            build_tracker(train_cfg=dict(cycle_weight=1))

    @pytest.mark.parametrize(
        ('name', 'key'), [('train_cfg', 'resiz'), ('test_cfg', 'template_facto')]
    )
    def test_unknown_key(self, build_tracker, name, key):
        with pytest.raises(DataError, match=f"{name} has no key '{key}'; did you mean"):
            build_tracker(**{name: {key: 3}})


class TestStartWeights:
    @pytest.fixture
    def missing(self, build_tracker, tracker_cfg, tmp_path):
        path = str(tmp_path / 'none.pth')
        init_cfg = dict(type='Pretrained', checkpoint=path)
        tracker = build_tracker(
            backbone=tracker_cfg['backbone'] | dict(init_cfg=init_cfg)
        )
        tracker.init_weights()
        return tracker

    def test_missing_file(self, missing, make_clips):
        message = r'start weights .*none\.pth not found.*model\.backbone\.init_cfg=None'
        with pytest.raises(FileNotFoundError, match=message):
            total_loss(missing, prepare(missing, make_clips()))

    def test_loaded_tracker(self, missing, build_tracker, make_clips, tmp_path):
        """It needs none."""
        save_checkpoint(
            dict(state_dict=build_tracker().state_dict()), str(tmp_path / 'trained.pth')
        )
        load_checkpoint(missing, str(tmp_path / 'trained.pth'))
        total_loss(missing, prepare(missing, make_clips()))


@pytest.fixture
def make_video():
    """Makes a video of noise: (N, H, W, 3) uint8 RGB."""

    def make(seed, num_frames=12, height=80, width=100):
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)

    return make


INIT_XYWH = np.array([30.0, 20, 24, 18])


def track(tracker, video):
    """(N, 5) boxes and scores."""
    state, rows = tracker.init_state(video[0], INIT_XYWH), []
    for frame in video[1:]:
        state = tracker.track_step(frame, state)
        rows.append([*state.bbox_xywh, state.score])
    return np.array(rows)


def predict(tracker, frame, frame_id, bbox_xyxy, **metainfo):
    """One frame through mmtrack's ``predict``: RGB in, instances out."""
    sample = TrackDataSample(metainfo=dict(frame_id=frame_id, **metainfo))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([bbox_xyxy]))
    img = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1)[None, None].float()
    return tracker(dict(img=img), [sample])[0].pred_track_instances


class TestTracking:
    def test_two_videos_in_turn(self, build_tracker, make_video):
        """Each is tracked as if alone, in whatever order their frames come."""
        tracker = build_tracker().eval()
        videos = [make_video(0), make_video(1)]
        alone = [track(build_tracker().eval(), video) for video in videos]
        np.testing.assert_array_equal(track(tracker, videos[0]), alone[0])
        np.testing.assert_array_equal(track(tracker, videos[1]), alone[1])
        states = [tracker.init_state(video[0], INIT_XYWH) for video in videos]
        for i in range(1, len(videos[0])):
            for j, video in enumerate(videos):
                states[j] = state = tracker.track_step(video[i], states[j])
                np.testing.assert_array_equal(
                    [*state.bbox_xywh, state.score], alone[j][i - 1]
                )

    def test_boxes_stay_in_the_image(self, build_tracker, make_video):
        rows = track(build_tracker().eval(), make_video(2, 30))
        x, y, w, h, scores = rows.T
        assert (x >= 0).all() and (y >= 0).all() and (w >= 10).all() and (h >= 10).all()
        assert (x + w <= 100).all() and (y + h <= 80).all()
        assert ((scores > 0) & (scores < 1)).all()

    def test_memory_size(self, build_tracker, make_video):
        for memory_size, most in ((1, 1), (4, 5)):
            tracker = build_tracker(test_cfg=dict(memory_size=memory_size)).eval()
            arguments, _ = record_passes(tracker)
            track(tracker, make_video(0))
            assert max(args[0].shape[1] for args in arguments) == most

    @pytest.mark.parametrize(
        'bbox_xywh',
        [
            (120, 20, 10, 10),
            (-20, 5, 10, 10),
            (5, 90, 10, 10),
            (5, 5, 0, 10),
            (float('nan'), 5, 10, 10),
        ],
    )
    def test_first_box_outside(self, build_tracker, make_video, bbox_xywh):
        with pytest.raises(DataError, match='has no area inside the 100x80 image'):
            build_tracker().eval().init_state(make_video(0)[0], np.array(bbox_xywh))

    @pytest.mark.parametrize(
        'frame',
        [
            np.zeros((80, 100), np.uint8),
            np.zeros((80, 100, 4), np.uint8),
            np.zeros((80, 100, 3), np.float32),
        ],
    )
    def test_no_image(self, build_tracker, frame):
        with pytest.raises(ValueError, match=r'must be an \(H, W, 3\) uint8 RGB array'):
            build_tracker().eval().init_state(frame, INIT_XYWH)

    def test_corner_head(self, build_tracker, corner_head_cfg, make_clips, make_video):
        tracker = build_tracker(head=corner_head_cfg)
        total, losses = total_loss(tracker, prepare(tracker, make_clips()))
        total.backward()
        assert 'loss_score' not in losses and torch.isfinite(total)
        assert np.isfinite(track(tracker.eval(), make_video(0))).all()

    def test_grids_must_fit(self, build_tracker, tracker_cfg):
        with pytest.raises(ValueError, match=r'head\.feat_size \(8\) must be the side'):
            build_tracker(head=tracker_cfg['head'] | dict(feat_size=8))


class TestPredict:
    """mmtrack's own interface."""

    INIT_XYXY = [30.0, 20, 54, 38]

    def test_ope(self, build_tracker, make_video):
        tracker, video = build_tracker().eval(), make_video(0)
        expected = track(tracker, video)
        first = predict(tracker, video[0], 0, self.INIT_XYXY)
        assert first.bboxes.tolist() == [self.INIT_XYXY] and first.scores.tolist() == [1]
        for frame_id, (x, y, w, h, score) in enumerate(expected, 1):
            # The later true boxes must not matter.
            instances = predict(tracker, video[frame_id], frame_id, [0.0, 0, 1, 1])
            np.testing.assert_allclose(
                instances.bboxes[0], [x, y, x + w, y + h], rtol=1e-5
            )
            np.testing.assert_allclose(instances.scores, [score], rtol=1e-5)

    def test_next_video_starts_afresh(self, build_tracker, make_video):
        tracker = build_tracker().eval()
        videos = [make_video(0), make_video(1)]

        def run(tracker, video):
            return torch.cat(
                [
                    predict(tracker, frame, i, self.INIT_XYXY).bboxes
                    for i, frame in enumerate(video)
                ]
            )

        run(tracker, videos[0])
        assert torch.equal(
            run(tracker, videos[1]), run(build_tracker().eval(), videos[1])
        )

    def test_polygon(self, build_tracker, make_video):
        """A rotated square of side sqrt(2) * 10 is tracked as a box of its area."""
        tracker = build_tracker().eval()
        corners = [40.0, 20, 50, 30, 40, 40, 30, 30]
        first = predict(tracker, make_video(0)[0], 0, corners)
        x1, y1, x2, y2 = first.bboxes[0].tolist()
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((40, 30))
        assert x2 - x1 == pytest.approx(200**0.5, abs=1.5)

    def test_vot(self, build_tracker, make_video):
        """1 starts the tracker, 2 is a failure, 0 a frame skipped after one."""
        tracker = build_tracker(test_cfg=dict(test_mode='VOT')).eval()
        video, good = make_video(0), [0.0, 0, 100, 80]

        def step(frame_id, bbox_xyxy):
            x1, y1, x2, y2 = bbox_xyxy
            polygon = [x1, y1, x2, y1, x2, y2, x1, y2]
            return (
                predict(
                    tracker, video[frame_id], frame_id, polygon, img_shape=video[0].shape
                )
                .bboxes[0]
                .tolist()
            )

        assert step(0, self.INIT_XYXY) == [1]
        assert len(step(1, good)) == 4
        assert step(2, [300.0, 300, 310, 310]) == [2]
        assert [step(i, good) for i in (3, 4, 5, 6)] == [[0]] * 4
        assert step(7, self.INIT_XYXY) == [1]
        alone = tracker.init_state(video[7], INIT_XYWH)
        alone = tracker.track_step(video[8], alone)
        x, y, w, h = alone.bbox_xywh
        assert step(8, good) == pytest.approx([x, y, x + w, y + h], rel=1e-5)
