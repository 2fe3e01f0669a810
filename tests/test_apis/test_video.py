"""Tracking whole videos, of every kind that is taken."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmtrack.apis import inference_sot, init_model

from sstrack_mm.apis import iter_frames, iter_track, track_video
from sstrack_mm.errors import DataError

NUM_FRAMES = 11
INIT_XYWH = np.array([10.0, 12, 20, 12])


@pytest.fixture
def frames():
    """Smooth BGR frames of different colours, which a video codec keeps well."""
    ramp = np.linspace(40, 120, 64).astype(np.uint8)
    return [
        np.stack(
            [
                np.tile(ramp, (48, 1)),
                np.full((48, 64), 10 * i, np.uint8),
                np.full((48, 64), 200 - 10 * i, np.uint8),
            ],
            axis=2,
        )
        for i in range(NUM_FRAMES)
    ]


@pytest.fixture
def folder(frames, tmp_path):
    """The frames as 0.png ... 10.png: their order is not that of the alphabet."""
    (tmp_path / 'images').mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), frame)
    return tmp_path / 'images'


@pytest.fixture
def model():
    """Moves the box by a pixel a frame and remembers what it is shown."""
    seen = []

    def init_state(image, bbox_xywh):
        seen[:] = [image]
        return SimpleNamespace(bbox_xywh=bbox_xywh, score=1.0)

    def track_step(image, state):
        seen.append(image)
        return SimpleNamespace(bbox_xywh=state.bbox_xywh + [1, 0, 0, 0], score=0.5)

    return SimpleNamespace(seen=seen, init_state=init_state, track_step=track_step)


class TestFrames:
    def check(self, video, frames, atol=0):
        shown = list(iter_frames(video))
        assert len(shown) == NUM_FRAMES
        for rgb, bgr in zip(shown, frames, strict=True):
            assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous
            np.testing.assert_allclose(rgb.astype(int), bgr[..., ::-1], atol=atol)

    def test_folder(self, folder, frames):
        self.check(folder, frames)
        self.check(str(folder), frames)

    def test_files(self, folder, frames):
        self.check([folder / f'{i}.png' for i in range(NUM_FRAMES)], frames)

    def test_arrays(self, frames):
        """RGB, as all that is yielded."""
        rgb = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
        self.check(rgb, frames)
        self.check(iter(rgb), frames)

    def test_video_file(self, frames, tmp_path):
        path = str(tmp_path / 'video.avi')
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
        for frame in frames:
            writer.write(frame)
        writer.release()
        self.check(path, frames, atol=8)

    def test_images_have_their_own_sizes(self, frames):
        shown = list(iter_frames([frames[0], frames[1][:20]]))
        assert [image.shape for image in shown] == [frames[0].shape, (20, 64, 3)]

    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match=r'none\.mp4: no such video file or folder'):
            list(iter_frames(tmp_path / 'none.mp4'))

    def test_no_video(self, tmp_path):
        (tmp_path / 'text.mp4').write_text('no video')
        with pytest.raises(DataError, match=r'text\.mp4: cannot be decoded as a video'):
            list(iter_frames(tmp_path / 'text.mp4'))

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DataError, match=str(tmp_path)):
            list(iter_frames(tmp_path))

    def test_unreadable_image(self, folder):
        (folder / '4.png').write_bytes(b'')
        with pytest.raises(DataError, match=r'4\.png: cannot be read as an image'):
            list(iter_frames(folder))


class TestTrack:
    def test_result(self, model, frames):
        result = track_video(model, frames, INIT_XYWH)
        moves = np.outer(range(NUM_FRAMES), [1, 0, 0, 0])
        expected = INIT_XYWH + moves
        np.testing.assert_array_equal(result.bboxes_xywh, expected)
        np.testing.assert_array_equal(result.scores, [1] + [0.5] * (NUM_FRAMES - 1))
        assert result.times.shape == (NUM_FRAMES,) and (result.times >= 0).all()
        for shown, rgb in zip(model.seen, frames, strict=True):
            np.testing.assert_array_equal(shown, rgb)

    def test_frame_by_frame(self, model, frames):
        """Each result comes before the next frame is asked for."""
        given = []

        def camera():
            for i, frame in enumerate(frames):
                given.append(i)
                yield frame

        steps = iter_track(model, camera(), INIT_XYWH)
        for i, (state, seconds) in enumerate(steps):
            assert len(given) == i + 1 and seconds >= 0
            assert state.bbox_xywh[0] == 10 + i and state.score == (0.5 if i else 1)

    def test_no_frames(self, model):
        with pytest.raises(DataError, match='the video has no frames'):
            track_video(model, [], INIT_XYWH)


class TestTracker:
    """With a network, as the configurations build it."""

    @pytest.fixture(scope='class')
    @staticmethod
    def tracker(root, official_tiny, tiny_options):
        return init_model(
            str(root / 'configs' / 'sstrack_b256.py'),
            str(official_tiny),
            'cpu',
            cfg_options=tiny_options,
        )

    def test_needs_no_start_weights(self, tracker):
        """The file that the configuration starts training from is not there."""
        assert tracker.backbone.init_cfg is not None
        assert tracker.backbone.missing_checkpoint is None

    def test_equals_inference_sot(self, tracker, frames):
        x, y, w, h = INIT_XYWH
        rgb = [frame[..., ::-1] for frame in frames[:4]]
        result = track_video(tracker, rgb, INIT_XYWH)
        for i, bbox_xyxy in enumerate(result.bboxes_xyxy):
            instances = inference_sot(
                tracker, frames[i], np.array([x, y, x + w, y + h]), frame_id=i
            ).pred_track_instances
            np.testing.assert_allclose(instances.bboxes[0], bbox_xyxy, rtol=1e-5)
            assert instances.scores.item() == pytest.approx(result.scores[i], rel=1e-5)

    def test_first_box_outside(self, tracker, frames):
        with pytest.raises(DataError, match='has no area inside the 64x48 image'):
            track_video(tracker, frames, np.array([100, 100, 20, 20]))
