"""What is in the bank, and that it is the same for the same seed."""

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.composed import bank
from sstrack_mm.datasets.synthetic import render_video
from sstrack_mm.errors import DataError


def write_video(path, frames):
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, frames.shape[2:0:-1]
    )
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()


def test_tracks_round_trip(tmp_path):
    boxes = [np.arange(8.0).reshape(2, 4), np.full((3, 4), np.nan)]
    bank.Tracks(['a', 'b'], [0, 7], boxes).save(tmp_path / 'tracks.npz')
    tracks = bank.Tracks.load(tmp_path / 'tracks.npz')
    assert (tracks.videos, tracks.starts) == (['a', 'b'], [0, 7])
    for got, wanted in zip(tracks.bboxes_xywh, boxes, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_footage_is_made_small_and_thin(tmp_path, moving_texture):
    frames, _ = moving_texture(10)
    write_video(tmp_path / 'clip.avi', frames)
    bank.write_video_file(tmp_path, tmp_path / 'clip.avi', short_side=40, max_frames=5)
    small = np.load(tmp_path / 'videos' / 'clip.npy')
    assert small.shape == (5, 40, 48, 3)
    for number, frame in enumerate(small):
        wanted = cv2.resize(frames[2 * number], (48, 40), interpolation=cv2.INTER_AREA)
        assert np.abs(frame.astype(int) - wanted).mean() < 8  # MJPEG's loss


def test_unreadable_footage(tmp_path):
    (tmp_path / 'clip.mp4').write_bytes(b'no video')
    with pytest.raises(DataError, match=r'clip\.mp4'):
        bank.write_video_file(tmp_path, tmp_path / 'clip.mp4', 40, 5)


def test_damage_is_told(tmp_path, moving_texture):
    frames, _ = moving_texture(10)
    path = tmp_path / 'clip.avi'
    write_video(path, frames)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert bank.write_video_file(tmp_path, path, 40, 50)
    assert 2 <= len(np.load(tmp_path / 'videos' / 'clip.npy')) < 10


def test_procedural_videos(tmp_path):
    tracks = bank.write_procedural_videos(tmp_path, range(3, 5), 9, 4, (96, 72))
    assert tracks.videos == ['procedural_00003', 'procedural_00004']
    frames, bboxes_xywh, cover = render_video([9, 0, 4], 4, (96, 72))
    np.testing.assert_array_equal(
        np.load(tmp_path / 'videos' / 'procedural_00004.npy'), frames
    )
    seen = cover >= 4
    np.testing.assert_array_equal(tracks.bboxes_xywh[1][seen], bboxes_xywh[seen])
    assert np.isnan(tracks.bboxes_xywh[1][~seen]).all()


def test_actors_have_poses():
    actors = bank.render_actors(1, 4, 64)
    assert actors.shape == (4, len(bank.POSE_FRAMES), 64, 64, 4)
    np.testing.assert_array_equal(actors, bank.render_actors(1, 4, 64))
    assert (actors[..., 3].max(axis=(2, 3)) > 200).all()  # something in each pose
    assert (actors[..., :3] <= actors[..., 3:]).all()  # multiplied by alpha
    assert not (actors[:, 0] == actors[:, -1]).all()


def test_stills_depend_on_the_seed():
    stills = bank.render_stills(1, 2, (48, 32))
    assert stills.shape == (2, 32, 48, 3)
    np.testing.assert_array_equal(stills, bank.render_stills(1, 2, (48, 32)))
    assert not (stills == bank.render_stills(2, 2, (48, 32))).all()


def test_array_appears_when_complete(tmp_path):
    bank.save_array(tmp_path / 'a' / 'b.npy', np.arange(3))
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b.npy']
