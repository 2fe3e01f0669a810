"""What of a video can be learned from."""

import numpy as np
import pytest

from sstrack_mm.datasets.shots import FAULTS, find_shots, judge, judge_images
from sstrack_mm.datasets.video_files import read_table


def shots_of(path, min_frames=8):
    shots = find_shots(path, read_table(path), min_frames)
    return shots.spans.tolist(), dict(zip(FAULTS, shots.left_out, strict=True))


class TestFiles:
    @pytest.mark.parametrize('options', [{}, {'sc_threshold': '0'}, {'codec': 'mjpeg'}])
    def test_cuts(self, options, scene, write_film, tmp_path):
        """Found to the frame, whether or not the encoder starts anew there."""
        frames = np.concatenate([scene(40, 0), scene(33, 1), scene(47, 2)])
        suffix = 'avi' if 'codec' in options else 'mp4'
        path = write_film(tmp_path / f'a.{suffix}', frames, gop=250, bf='0', **options)
        assert shots_of(path)[0] == [[0, 40], [40, 73], [73, 120]]

    @pytest.mark.parametrize('suffix', ['mp4', 'ts'])
    def test_no_frame_across_a_cut(self, suffix, scene, write_film, tmp_path):
        """Frames that were not looked at beside a cut belong to no shot."""
        frames = np.concatenate([scene(41, seed=0), scene(41, seed=1)])
        path = tmp_path / f'a.{suffix}'
        write_film(path, frames, gop=250, bf='3', sc_threshold='0')
        (first, second), _ = shots_of(path)
        assert first[1] <= 41 <= second[0] and second[0] - first[1] <= 4

    def test_one_shot(self, scene, write_film, tmp_path):
        path = write_film(tmp_path / 'a.mp4', scene(60, step=2), gop=20)
        assert shots_of(path) == ([[0, 60]], dict.fromkeys(FAULTS, 0))

    def test_still_and_black(self, scene, write_film, tmp_path):
        moving = scene(60, step=2)
        still = np.repeat(moving[-1:], 60, axis=0)
        black = np.zeros_like(moving[:30])
        path = write_film(
            tmp_path / 'a.mp4', np.concatenate([moving, still, black]), gop=15
        )
        spans, left_out = shots_of(path)
        assert len(spans) == 1 and spans[0][0] == 0 and 55 <= spans[0][1] <= 80
        assert left_out['black'] >= 28 and left_out['still'] >= 30
        assert sum(left_out.values()) + spans[0][1] == 150

    def test_images(self, scene, tmp_path, write_images):
        frames = np.concatenate([scene(40, seed=seed) for seed in range(2)])
        shots = judge_images(write_images(tmp_path, frames), 8)
        assert shots.spans.tolist() == [[0, 40], [40, 80]]

    def test_cut_between_same_colours(self, scene, write_film, write_images, tmp_path):
        """A pan that is mirrored from a frame on, where no sizes of frames tell of it."""
        frames = scene(75)
        frames[37:] = frames[37:, :, ::-1]
        film = write_film(tmp_path / 'a.avi', frames, codec='mjpeg')
        assert shots_of(film)[0] == [[0, 37], [37, 75]]
        shots = judge_images(write_images(tmp_path / 'images', frames), 8)
        assert shots.spans.tolist() == [[0, 37], [37, 75]]

    def test_images_of_two_sizes(self, scene, tmp_path, write_images):
        """A change of size is a cut, also where the pictures are alike."""
        paths = write_images(tmp_path / 'a', scene(25))
        paths += write_images(tmp_path / 'b', scene(25, size=(96, 80)))
        assert judge_images(paths, 8).spans.tolist() == [[0, 25], [25, 50]]

    def test_video_that_changes_its_size(self, scene, write_film, tmp_path):
        films = [
            write_film(tmp_path / name, scene(25, size=size), codec='mjpeg')
            for name, size in (('a.mjpeg', (96, 64)), ('b.mjpeg', (96, 80)))
        ]
        path = tmp_path / 'c.mjpeg'
        path.write_bytes(b''.join(film.read_bytes() for film in films))
        assert shots_of(path)[0] == [[0, 25], [25, 50]]


class TestJudge:
    def pictures(self, scene, number):
        return scene(number, size=(96, 64), step=6)

    def test_damage(self, scene):
        pictures = self.pictures(scene, 4)
        frames = [(0, pictures[0]), (10, None), (20, pictures[2]), (30, pictures[3])]
        shots = judge(frames, [], 40, 10, 5)
        assert shots.spans.tolist() == [[0, 1], [20, 40]][1:]
        assert shots.left_out == (19, 0, 0, 1)

    def test_short(self, scene):
        frames = list(zip(range(0, 40, 10), self.pictures(scene, 4), strict=True))
        shots = judge(frames, [(3, 4), (30, 33)], 40, 10, 8)
        assert shots.spans.tolist() == [[4, 31]]
        assert shots.left_out == (0, 0, 0, 4 + 2 + 7)

    def test_nothing_was_looked_at(self):
        assert len(judge([], [], 3, 10, 8).spans) == 0
