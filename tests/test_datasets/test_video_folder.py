"""Folders of raw video, also of the kind that users have."""

import logging
import os
import pickle
import shutil
import signal

import av
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmtrack.registry import DATASETS

from sstrack_mm.datasets import VideoFolder, video_folder
from sstrack_mm.datasets.footage import FootageIndex
from sstrack_mm.datasets.video_files import read_video_frames
from sstrack_mm.errors import DataError


@pytest.fixture
def folder(tmp_path, scene, write_film):
    """Three videos, one of them of two shots, in a tree."""
    two_shots = np.concatenate([scene(24, seed=1), scene(24, seed=2)])
    write_film(tmp_path / 'b' / 'two.mp4', two_shots, gop=250, bf='0')
    square = (32, (40, 40), (1, 0))
    write_film(tmp_path / 'a1.mp4', scene(30, size=(160, 120), square=square))
    write_film(tmp_path / 'a10.avi', scene(20, seed=3), codec='mjpeg')
    (tmp_path / 'notes.txt').write_text('not a video')
    return tmp_path


def names(dataset):
    return [dataset.clip_source(i)['video'] for i in range(len(dataset))]


class TestReader:
    def test_shots(self, folder):
        dataset = VideoFolder(str(folder))
        assert names(dataset) == [
            'a1.mp4[0:30]',
            'a10.avi[0:20]',
            'b/two.mp4[0:24]',
            'b/two.mp4[24:48]',
        ]
        assert dataset.left_out == dict(damaged=0, black=0, still=0, short=0)
        source = dataset.clip_source(3)
        assert np.isnan(source['init_xywh']).all()
        frames = source['frame_paths']
        assert len(frames) == 24 and frames[0].index == 24 and frames[-1].index == 47
        assert frames[2:4] == [frames[2], frames[3]]
        assert frames[5].key_pts <= frames[5].pts
        assert read_video_frames([frames[5]])[frames[5]].shape == (64, 96, 3)

    def test_images(self, tmp_path, scene, write_images):
        write_images(tmp_path / 'x' / 'images', scene(20))
        dataset = VideoFolder(str(tmp_path))
        assert names(dataset) == ['x/images[0:20]']
        paths = dataset.clip_source(0)['frame_paths']
        assert len(paths) == 20 and os.path.isfile(paths[7])
        os.remove(paths[7])
        with pytest.raises(DataError, match='20 frames were here .* now 19'):
            dataset.clip_source(0)

    def test_parts(self, folder):
        train = names(VideoFolder(str(folder), split='train', val_every=3))
        val = names(VideoFolder(str(folder), split='val', val_every=3))
        assert train == ['a1.mp4[0:30]', 'b/two.mp4[0:24]', 'b/two.mp4[24:48]']
        assert val == ['a10.avi[0:20]']
        with pytest.raises(ValueError, match="got 'test'"):
            VideoFolder(str(folder), split='test')

    def test_added_file_moves_no_other(self, folder, scene, write_film):
        def parts():
            return [
                set(names(VideoFolder(str(folder), split=part, val_every=2)))
                for part in ('train', 'val')
            ]

        train, val = parts()
        assert train and val
        for number in range(4):
            write_film(folder / f'a{number}_new.mp4', scene(20))
        more_train, more_val = parts()
        assert train < more_train and val < more_val

    def test_one_video_is_not_divided(self, tmp_path, scene, write_film):
        write_film(tmp_path / 'a.mp4', scene(20))
        assert len(VideoFolder(str(tmp_path), split='train')) == 1
        with pytest.raises(DataError, match='only one of 1 videos .* two are needed'):
            VideoFolder(str(tmp_path), split='val')

    def test_long_shots(self, folder):
        dataset = VideoFolder(str(folder), max_frames=20)
        assert names(dataset)[:4] == [
            'a1.mp4[0:15]',
            'a1.mp4[15:30]',
            'a10.avi[0:20]',
            'b/two.mp4[0:12]',
        ]

    def test_large_frames_are_scaled_down(self, folder):
        frame = VideoFolder(str(folder), max_side=48).clip_source(0)['frame_paths'][3]
        assert frame.image_wh == (48, 36) and frame.scale == 0.3
        assert read_video_frames([frame])[frame].shape == (36, 48, 3)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(DataError, match='SSTRACK_VIDEO_ROOT'):
            VideoFolder(str(tmp_path / 'none'))


class TestIndex:
    def test_is_trusted_until_a_file_changes(
        self, folder, monkeypatch, scene, write_film
    ):
        first = VideoFolder(str(folder))
        assert first.index.path is not None

        def fail(*args):
            raise AssertionError('looked at again')

        with monkeypatch.context() as patch:
            patch.setattr(VideoFolder, '_scan_one', fail)
            assert names(VideoFolder(str(folder))) == names(first)
        write_film(folder / 'a1.mp4', scene(40))
        assert names(VideoFolder(str(folder)))[0] == 'a1.mp4[0:40]'

    def test_many_files_are_looked_at_in_processes(self, folder, monkeypatch):
        (folder / 'a2.mp4').write_bytes(b'')
        alone = VideoFolder(str(folder))
        monkeypatch.setattr(video_folder, '_FILES_PER_PROCESS', 1)
        monkeypatch.setattr(os, 'cpu_count', lambda: 2)
        monkeypatch.setenv('XDG_CACHE_HOME', str(folder / 'other'))
        here, state = os.getpid(), torch.get_rng_state()
        scan = VideoFolder._scan_one

        def scan_elsewhere(self, found):
            assert os.getpid() != here
            return scan(self, found)

        monkeypatch.setattr(VideoFolder, '_scan_one', scan_elsewhere)
        together = VideoFolder(str(folder))
        for name in ('files', 'frames', 'shots'):
            np.testing.assert_array_equal(
                getattr(together.index, name), getattr(alone.index, name)
            )
        assert torch.equal(torch.get_rng_state(), state)

    def test_arrays(self, folder):
        """Per frame there is a row of an array, mapped; pickling passes its path."""
        index = VideoFolder(str(folder)).index
        assert len(index.frames) == 98 and isinstance(index.frames, np.memmap)
        assert len(pickle.dumps(index)) < 400
        again = pickle.loads(pickle.dumps(index))
        for name in ('files', 'frames', 'shots'):
            np.testing.assert_array_equal(getattr(again, name), getattr(index, name))

    def test_broken_file(self, folder, tmp_path):
        path = VideoFolder(str(folder)).index.path
        path.write_bytes(path.read_bytes()[:-9])
        assert FootageIndex.load(path) is None
        assert len(VideoFolder(str(folder))) == 4


class TestBadInput:
    """What users have: each is named, nothing hangs, nothing is swallowed."""

    def refuse(self, folder, pattern):
        with pytest.raises(DataError, match=pattern):
            VideoFolder(str(folder))

    def skipped(self, folder, caplog, pattern):
        """The good video of the folder is used, the bad one named, each time."""
        for _ in range(2):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                dataset = VideoFolder(str(folder))
            assert pattern in caplog.text
        with pytest.raises(DataError, match='skip_bad_videos'):
            VideoFolder(str(folder), skip_bad_videos=False)
        return names(dataset)

    @pytest.fixture
    def good(self, tmp_path, scene, write_film):
        write_film(tmp_path / 'good.mp4', scene(20))
        return tmp_path

    def test_empty_folder(self, tmp_path):
        self.refuse(tmp_path, 'no video that can be read')

    def test_text_files(self, tmp_path):
        for name in ('a.txt', 'b.md', 'c'):
            (tmp_path / name).write_text('text\n' * 50)
        self.refuse(tmp_path, r'no video that can be read .* \.mp4')

    def test_text_in_a_video_file(self, good, caplog):
        (good / 'a.mp4').write_text('text\n' * 50)
        assert self.skipped(good, caplog, 'a.mp4: cannot be decoded as a video') == [
            'good.mp4[0:20]'
        ]

    def test_audio(self, good, caplog):
        with av.open(str(good / 'a.mp4'), 'w') as container:
            stream = container.add_stream('aac', rate=16000)
            stream.layout = 'mono'
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, 'fltp', 'mono')
            frame.rate, frame.pts = 16000, 0
            container.mux([*stream.encode(frame), *stream.encode()])
        found = self.skipped(good, caplog, 'a.mp4: there is no video in this file')
        assert found == ['good.mp4[0:20]']

    def test_pipe(self, good, caplog):
        """Nobody writes to it: opening it would wait for ever."""
        os.mkfifo(good / 'a.mp4')
        signal.alarm(60)
        found = self.skipped(good, caplog, 'a.mp4: it is no file')
        signal.alarm(0)
        assert found == ['good.mp4[0:20]']

    def test_folder_that_cannot_be_read(self, good, caplog, monkeypatch):
        (good / 'closed').mkdir()
        scandir = os.scandir

        def refuse(path):
            if os.path.basename(path) == 'closed':
                raise PermissionError(13, 'Permission denied', path)
            return scandir(path)

        monkeypatch.setattr(os, 'scandir', refuse)
        found = self.skipped(good, caplog, 'closed: Permission denied')
        assert found == ['good.mp4[0:20]']

    def test_links_to_folders(self, good, tmp_path_factory, scene, write_film):
        """They are followed, also in a circle."""
        elsewhere = tmp_path_factory.mktemp('elsewhere')
        write_film(elsewhere / 'b.mp4', scene(20))
        (elsewhere / 'back').symlink_to(good)
        (good / 'link').symlink_to(elsewhere)
        found = names(VideoFolder(str(good)))
        assert found == ['good.mp4[0:20]', 'link/b.mp4[0:20]']

    def test_what_systems_leave(self, good):
        for name in ('$RECYCLE.BIN', '@eaDir', '__MACOSX', '.trash'):
            (good / name).mkdir()
            (good / name / 'a.mp4').write_bytes((good / 'good.mp4').read_bytes())
        (good / '._good.mp4').write_bytes(b'-')
        assert names(VideoFolder(str(good))) == ['good.mp4[0:20]']

    def test_no_decoder(self, good, caplog):
        data = (good / 'good.mp4').read_bytes()
        (good / 'a.mp4').write_bytes(data.replace(b'avc1', b'zzzz'))
        found = self.skipped(good, caplog, 'a.mp4: FFmpeg has no decoder for its video')
        assert found == ['good.mp4[0:20]']

    def test_one_frame(self, tmp_path, scene, write_film):
        write_film(tmp_path / 'a.mp4', scene(1))
        self.refuse(tmp_path, '1 short')

    def test_no_bytes(self, good, caplog):
        (good / 'a.mp4').write_bytes(b'')
        assert self.skipped(good, caplog, 'a.mp4: cannot be decoded as a video') == [
            'good.mp4[0:20]'
        ]

    @pytest.mark.parametrize('name, codec', [('a.avi', 'mjpeg'), ('a.mp4', 'libx264')])
    def test_corrupt_middle(self, name, codec, tmp_path, scene, write_film):
        """The damaged part is left out and counted, the rest can be read."""
        path = write_film(tmp_path / name, scene(120, size=(160, 120)), codec=codec)
        data = bytearray(path.read_bytes())
        start, stop = int(0.4 * len(data)), int(0.6 * len(data))
        data[start:stop] = bytes(stop - start)
        path.write_bytes(data)
        dataset = VideoFolder(str(tmp_path))
        assert dataset.left_out['damaged'] > 5
        for i in range(len(dataset)):
            frames = dataset.clip_source(i)['frame_paths']
            assert len(frames) < 115
            assert read_video_frames([frames[1]])[frames[1]].shape == (120, 160, 3)

    def test_truncated(self, tmp_path, scene, write_film):
        path = write_film(tmp_path / 'a.mkv', scene(60, size=(160, 120)), gop=10)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        (frames,) = (VideoFolder(str(tmp_path)).clip_source(0)['frame_paths'],)
        assert 16 <= len(frames) < 50
        assert read_video_frames([frames[9]])[frames[9]].shape == (120, 160, 3)

    def test_still(self, tmp_path, scene, write_film):
        frames = np.repeat(scene(1, size=(320, 240)), 60, axis=0)
        write_film(tmp_path / 'a.mp4', frames)
        self.refuse(tmp_path, '60 still')

    def test_8k(self, tmp_path, scene, write_film):
        frames = scene(2, size=(96, 54), step=8).repeat(80, axis=1).repeat(80, axis=2)
        write_film(tmp_path / 'a.avi', frames, codec='mjpeg')
        dataset = VideoFolder(str(tmp_path), min_frames=2)
        frame = dataset.clip_source(0)['frame_paths'][1]
        assert read_video_frames([frame])[frame].shape == (720, 1280, 3)

    def test_name_that_is_no_utf8(self, tmp_path, scene, write_film, caplog):
        os.rename(
            write_film(tmp_path / 'a.mp4', scene(20)), tmp_path / os.fsdecode(b'\xe9.mp4')
        )
        (tmp_path / os.fsdecode(b'\xe8.mp4')).write_bytes(b'')
        dataset = VideoFolder(str(tmp_path))
        assert names(dataset) == ['\\xe9.mp4[0:20]'] and '\\xe8.mp4' in caplog.text
        frame = dataset.clip_source(0)['frame_paths'][5]
        assert read_video_frames([frame])[frame].shape == (64, 96, 3)


class TestClips:
    @pytest.fixture
    def build(self, root, monkeypatch, default_scope):
        def build(folder, proposer=None, **changes):
            monkeypatch.setenv('SSTRACK_VIDEO_ROOT', str(folder))
            cfg = Config.fromfile(root / 'configs' / 'sstrack_tiny_unlabelled.py')
            if proposer is not None:
                cfg.train_dataloader.dataset.pipeline[2].proposer.type = proposer
            return DATASETS.build(cfg.train_dataloader.dataset | changes)

        return build

    @pytest.mark.parametrize(
        ('proposer', 'kinds'), [(None, {True}), ('MotionProposer', {True, False})]
    )
    def test_configuration(self, build, folder, proposer, kinds):
        """Composed clips, others where a box is proposed; the same for a ticket."""
        dataset = build(folder, proposer)
        clips = [dataset[(0, 0, i)] for i in range(30)]
        for clip in clips:
            assert clip['inputs']['search'].shape == (1, 3, 128, 128)
            assert np.isfinite(clip['data_samples'].gt_instances.bboxes).all()
        assert {clip['data_samples'].synthetic for clip in clips} == kinds
        again = dataset[(0, 0, 3)]['inputs']
        for key, value in clips[3]['inputs'].items():
            assert (again[key] == value).all()

    def test_file_that_vanishes_while_training(self, build, folder, caplog):
        """Other clips take its place; its name is logged; in the end it stops."""
        for name in ('c.mp4', 'd.mp4'):
            shutil.copy(folder / 'b' / 'two.mp4', folder / name)
        dataset = build(folder)
        os.remove(folder / 'a1.mp4')
        clips = [dataset[(0, 0, i)] for i in range(8)]
        assert all('a1.mp4' not in clip['data_samples'].video for clip in clips)
        assert 'a1.mp4' in caplog.text and dataset.num_bad > 0
        for name in ('a10.avi', 'b/two.mp4', 'c.mp4', 'd.mp4'):
            os.remove(folder / name)
        with pytest.raises(DataError, match='10 unusable samples in a row'):
            dataset[(0, 0, 0)]
