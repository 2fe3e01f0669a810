"""Which frames make a clip."""

from collections import Counter

import numpy as np
import pytest

from sstrack_mm.datasets.transforms import SampleSelfSupervisedClip, SampleSupervisedClip
from sstrack_mm.errors import DataError

DRAWS = 4000


def make_video(num_frames, **labels):
    return dict(
        video='name',
        frame_paths=[f'{i}.jpg' for i in range(num_frames)],
        init_xywh=np.array([1.0, 2, 3, 4]),
        **labels,
    )


def draw(transform, video, number=1):
    """Clips of one video with a fixed seed."""
    rng = np.random.default_rng(0)
    return [
        transform(dict(rng=rng, videos=[video, make_video(1)])) for _ in range(number)
    ]


class TestSelfSupervised:
    def test_clip(self):
        (clip,) = draw(SampleSelfSupervisedClip(), make_video(50))
        assert clip['frame_ids'][0] == 0 and len(clip['frame_ids']) == 4
        assert clip['frame_paths'] == [f'{i}.jpg' for i in clip['frame_ids']]
        assert clip['roles'] == dict(template=[0], search=[1, 2, 3], view=[0, 0])
        np.testing.assert_array_equal(clip['bboxes_xywh'][0], [1, 2, 3, 4])
        assert np.isnan(clip['bboxes_xywh'][1:]).all()

    @pytest.mark.parametrize(
        'max_gap, num_frames, last', [(7, 1000, 7), (400, 30, 29), (400, 1000, 400)]
    )
    def test_frames(self, max_gap, num_frames, last):
        """Sorted, without repeats, each of those in reach alike."""
        clips = draw(
            SampleSelfSupervisedClip(max_gap=max_gap), make_video(num_frames), DRAWS
        )
        later = np.array([clip['frame_ids'][1:] for clip in clips])
        assert (np.diff(later, axis=1) > 0).all()
        counts = np.bincount(later.ravel(), minlength=last + 1)
        assert len(counts) == last + 1 and counts[0] == 0
        expected = later.size / last
        assert np.abs(counts[1:] - expected).max() < 5 * np.sqrt(expected)

    @pytest.mark.parametrize('num_frames, choices', [(1, {0}), (2, {1}), (3, {1, 2})])
    def test_short_videos(self, num_frames, choices):
        """Frames are repeated; an image is a clip of itself."""
        clips = draw(SampleSelfSupervisedClip(), make_video(num_frames), 50)
        for clip in clips:
            assert len(clip['frame_ids']) == 4
            assert clip['frame_ids'][1:] == sorted(clip['frame_ids'][1:])
        assert {i for clip in clips for i in clip['frame_ids'][1:]} == choices

    @pytest.mark.parametrize('prob', [0.0, 0.5, 0.8, 1.0])
    def test_synthesis_prob(self, prob):
        clips = draw(SampleSelfSupervisedClip(synthesis_prob=prob), make_video(9), DRAWS)
        share = np.mean([clip['synthetic'] for clip in clips])
        assert share == pytest.approx(prob, abs=0.03)

    def test_numbers(self):
        (clip,) = draw(
            SampleSelfSupervisedClip(num_search=5, num_views=3), make_video(50)
        )
        assert clip['roles'] == dict(template=[0], search=[1, 2, 3, 4, 5], view=[0] * 3)

    def test_no_search(self):
        (clip,) = draw(SampleSelfSupervisedClip(num_search=0), make_video(50))
        assert clip['frame_ids'] == [0]
        assert clip['roles'] == dict(template=[0], search=[], view=[0, 0])

    @pytest.mark.parametrize(
        'arguments, message',
        [
            (
                dict(synthesis_prob=1.2),
                r'synthesis_prob must be in \[0, 1\], but got 1.2',
            ),
            (dict(num_search=-1), 'must not be negative, but got -1 and 0'),
            (dict(max_gap=0), 'must be positive, but got 2 and 0'),
        ],
    )
    def test_bad_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            SampleSelfSupervisedClip(**arguments)


class TestSupervised:
    @staticmethod
    def labelled(num_frames, hidden=()):
        visible = np.ones(num_frames, bool)
        visible[list(hidden)] = False
        boxes = np.arange(num_frames)[:, None] + np.array([0, 1, 2, 3])
        return make_video(num_frames, gt_xywh=boxes, visible=visible)

    def test_clips(self):
        hidden = range(10, 20)
        video = self.labelled(60, hidden)
        for clip in draw(SampleSupervisedClip(max_gap=15), video, 500):
            ids, roles = clip['frame_ids'], clip['roles']
            templates = [ids[i] for i in roles['template']]
            views = [ids[i] for i in roles['view']]
            assert len(templates) == 3 and len(views) == 2 and roles['search'] == []
            assert templates == sorted(templates) and views == sorted(views)
            assert not set(ids) & set(hidden) and not clip['synthetic']
            # The views follow the last template where there is a frame to follow.
            assert templates[-1] <= views[0] and templates[0] >= templates[-1] - 15
            assert views[-1] <= templates[-1] + 15 or views == [59, 59]
            np.testing.assert_array_equal(clip['bboxes_xywh'][:, 0], ids)

    def test_frames_are_spread(self):
        """Every labelled frame but the last may be the last template."""
        clips = draw(SampleSupervisedClip(), self.labelled(12), DRAWS)
        last = Counter(clip['frame_ids'][2] for clip in clips)
        assert set(last) == set(range(11))
        assert min(last.values()) > 0.7 * DRAWS / 11

    def test_one_visible_frame(self):
        (clip,) = draw(SampleSupervisedClip(), self.labelled(3, hidden=(0, 2)))
        assert clip['frame_ids'] == [1] * 5

    def test_nothing_to_learn_from(self):
        with pytest.raises(DataError, match='name: no frame in which the target is'):
            draw(SampleSupervisedClip(), self.labelled(3, hidden=(0, 1, 2)))
        first_only = self.labelled(3) | dict(gt_xywh=np.ones((1, 4)))
        with pytest.raises(DataError, match='name: 1 boxes for 3 frames; supervised'):
            draw(SampleSupervisedClip(), first_only)

    def test_invalid_boxes_are_not_used(self):
        video = self.labelled(6)
        video['gt_xywh'] = video['gt_xywh'].astype(float)
        video['gt_xywh'][1] = np.nan
        video['gt_xywh'][3, 2] = 0
        used = {
            i
            for clip in draw(SampleSupervisedClip(), video, 200)
            for i in clip['frame_ids']
        }
        assert used == {0, 2, 4, 5}

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match='must be positive, but got 3, 0 and 400'):
            SampleSupervisedClip(num_views=0)
