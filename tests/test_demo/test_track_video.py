"""The command that tracks a video."""

import json
import os
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from sstrack_mm.apis import init_model, track_video
from sstrack_mm.command_options import load_tracker
from sstrack_mm.errors import DataError
from sstrack_mm.frames import open_frames
from sstrack_mm.structures.target_box import read_jsonl


@pytest.fixture(scope='module')
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)


@pytest.fixture
def folder(images, tmp_path):
    (tmp_path / 'images').mkdir()
    for i, image in enumerate(images):
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), image[..., ::-1])
    return tmp_path / 'images'


@pytest.fixture
def demo(load_tool):
    return load_tool('../demo/track_video.py')


@pytest.fixture
def track(demo, monkeypatch, tmp_path):
    """Runs the command in this process; writes into ``tmp_path / 'out'``."""

    def track(*args):
        args = [*args, '--out', tmp_path / 'out', '--device', 'cpu']
        monkeypatch.setattr(sys, 'argv', ['track_video.py', *map(str, args)])
        return demo.main()

    return track


@pytest.fixture
def boxes(tmp_path):
    return lambda: list(read_jsonl(tmp_path / 'out' / 'boxes.jsonl'))


class TestTargets:
    def test_nothing_but_a_box(self, track, folder, boxes, tmp_path):
        """The shipped model tracks."""
        assert track(folder, '--box', 10, 12, 30, 24, '--format', 'mot', 'cvat') == 0
        assert [box.frame for box in boxes()] == [0, 1, 2, 3]
        assert {file.name for file in (tmp_path / 'out').iterdir()} == {
            *('boxes.jsonl', 'track.mp4', 'mot.txt', 'cvat.xml'),
        }

    def test_check_back(self, track, folder, boxes, tmp_path, capsys):
        """The boxes of noise lead nowhere; each but the last has its overlap."""
        assert track(folder, '--box', 10, 12, 30, 24, '--check-back') == 0
        lines = (tmp_path / 'out' / 'backward.jsonl').read_text().splitlines()
        found = [json.loads(line) for line in lines]
        assert [one['frame'] for one in found] == [0, 1, 2]
        assert all(one['target'] == '1' and 0 <= one['overlap'] <= 1 for one in found)
        printed = capsys.readouterr().out
        doubtful = [one for one in found if one['overlap'] < 0.3]
        assert ('do not lead back' in printed) == bool(doubtful)
        assert 'checked backwards: wrote' in printed

    def test_check_back_of_a_pipe(self, track, tmp_path, capsys):
        os.mkfifo(tmp_path / 'pipe')
        with pytest.raises(SystemExit):
            track(tmp_path / 'pipe', '--box', 10, 12, 30, 24, '--check-back')
        assert 'can be read again, not a pipe' in capsys.readouterr().err

    def test_several(
        self, track, folder, images, boxes, root, official_tiny, tiny_options, tmp_path
    ):
        """Each is tracked as if it were alone."""
        config = Config.fromfile(root / 'configs' / 'sstrack_b256.py')
        config.merge_from_dict(tiny_options)
        config.dump(tmp_path / 'tiny.py')
        starts = [(10, 12, 30, 24), (40, 20, 25, 25)]
        track(
            folder,
            *('--config', tmp_path / 'tiny.py', '--checkpoint', official_tiny),
            *('--box', *starts[0], '--box', *starts[1]),
        )
        model = init_model(str(tmp_path / 'tiny.py'), str(official_tiny), 'cpu')
        for target, bbox_xywh in enumerate(starts, start=1):
            alone = track_video(model, images, bbox_xywh).bboxes_xywh
            found = [box.bbox_xywh for box in boxes() if box.target == str(target)]
            assert len(found) == 4
            # The network differs by rounding, and noise enlarges that.
            np.testing.assert_allclose(found[:2], alone[:2], atol=0.01)

    def test_boxes_of_a_file(self, track, folder, boxes, tmp_path):
        (tmp_path / 'starts.csv').write_text('2,car,10,12,30,24\n')
        track(folder, '--boxes', tmp_path / 'starts.csv', '--box', 5, 5, 20, 20)
        assert [(box.frame, box.target) for box in boxes()] == [
            *((0, '1'), (1, '1'), (2, '1'), (2, 'car'), (3, '1'), (3, 'car')),
        ]

    def test_no_such_frame(self, track, folder, boxes, tmp_path):
        """It is an error; what was tracked of others stays."""
        (tmp_path / 'starts.csv').write_text('4,car,10,12,30,24\n')
        message = 'target car did not start: there was no frame 4, only 4 frames'
        with pytest.raises(DataError, match=message):
            track(folder, '--boxes', tmp_path / 'starts.csv', '--box', 5, 5, 20, 20)
        assert [box.target for box in boxes()] == ['1'] * 4
        with pytest.raises(DataError, match=message):
            track(folder, '--boxes', tmp_path / 'starts.csv')

    def test_box_outside_a_later_frame(self, track, folder, tmp_path, capsys):
        """What was written is told before the error."""
        (tmp_path / 'starts.csv').write_text('2,car,900,12,30,24\n')
        with pytest.raises(DataError, match='target car in frame 2'):
            track(
                *(folder, '--boxes', tmp_path / 'starts.csv', '--box', 5, 5, 20, 20),
                *('--format', 'mot'),
            )
        assert capsys.readouterr().out.startswith('2 frames: wrote ')
        assert len((tmp_path / 'out' / 'mot.txt').read_text().splitlines()) == 2

    def test_none(self, track, folder, capsys):
        with pytest.raises(SystemExit):
            track(folder)
        assert 'where is the target?' in capsys.readouterr().err

    def test_no_screen(self, track, folder, monkeypatch):
        monkeypatch.delenv('DISPLAY', raising=False)
        pytest.importorskip('tkinter')
        with pytest.raises(DataError, match=r'there is no screen .*--box X Y W H'):
            track(folder, '--select')


class TestSources:
    def test_list(self, track, folder, boxes, tmp_path):
        paths = [folder / f'{i}.png' for i in (3, 1)]
        (tmp_path / 'list.txt').write_text('\n'.join(map(str, paths)) + '\n')
        track(f'@{tmp_path / "list.txt"}', '--box', 1, 2, 30, 40, '--fps', 5)
        assert [box.time_s for box in boxes()] == [0, 0.2]

    def test_cut_off(self, track, tmp_path, boxes):
        """What is there is tracked, and the command says that it is not all."""
        path = tmp_path / 'cut.mkv'
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('mpeg4', rate=10)
            stream.width, stream.height, stream.pix_fmt = 320, 240, 'yuv420p'
            for i in range(40):
                image = np.full((240, 320, 3), i, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, 'rgb24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=r'cut\.mkv is cut off: it ends after'):
            track(path, '--box', 10, 10, 50, 50)
        assert len(boxes()) > 5

    @pytest.mark.parametrize('fps', ['0', '-1', 'nan'])
    def test_no_rate(self, track, folder, fps):
        with pytest.raises(DataError, match='--fps .* above 0'):
            track(folder, '--box', 1, 2, 30, 40, f'--fps={fps}')

    def test_own_output(self, track, folder, tmp_path):
        track(folder, '--box', 1, 2, 30, 40)
        path = tmp_path / 'out' / 'track.mp4'
        data = path.read_bytes()
        with pytest.raises(DataError, match='this is the video itself'):
            track(path, '--box', 1, 2, 30, 40)
        assert path.read_bytes() == data

    @pytest.mark.parametrize('file', ['boxes.jsonl', 'cvat.xml'])
    def test_own_boxes(self, track, demo, folder, tmp_path, monkeypatch, file):
        path = tmp_path / 'out' / file
        path.parent.mkdir()
        path.write_text('of a person')
        monkeypatch.setattr(demo, 'load_tracker', None)
        with pytest.raises(DataError, match=f'{file}: this is the file of the boxes'):
            track(folder, '--boxes', path, '--format', 'mot', 'cvat')
        assert path.read_text() == 'of a person'

    def test_missing_before_the_model(self, track, demo, monkeypatch):
        monkeypatch.setattr(demo, 'load_tracker', None)
        with pytest.raises(DataError, match=r'none\.mp4: no such video file'):
            track('none.mp4', '--box', 1, 2, 30, 40)


@pytest.mark.parametrize(
    ('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_stopped(root, folder, tmp_path, number, code):
    """What was tracked is there and plays."""
    (tmp_path / 'list.txt').write_text(f'{folder / "0.png"}\n' * 100_000)
    command = [
        *(sys.executable, root / 'demo' / 'track_video.py', f'@{tmp_path / "list.txt"}'),
        *('--box', '10', '12', '30', '24', '--out', tmp_path / 'out', '--device', 'cpu'),
        *('--format', 'csv'),
    ]
    process = subprocess.Popen(
        list(map(str, command)),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    lines = tmp_path / 'out' / 'boxes.jsonl'
    until = time.monotonic() + 240
    while time.monotonic() < until and process.poll() is None:
        if lines.exists() and lines.read_bytes().count(b'\n') > 20:
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert 'Traceback' not in errors and 'stopped' in errors.splitlines()[-1]
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    with open_frames(tmp_path / 'out' / 'track.mp4') as frames:
        assert len(list(frames)) == len(found) > 20
    assert frames.report.lines() == []
    assert (
        len((tmp_path / 'out' / 'boxes.csv').read_text().splitlines()) == len(found) + 1
    )


def test_needs_a_config(track, official_tiny, capsys):
    with pytest.raises(SystemExit):
        track('video.mp4', '--checkpoint', official_tiny, '--box', 1, 2, 3, 4)
    assert '--config is needed' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        ([], 512),
        (['--cfg-options', 'model.test_cfg.memory_budget=64'], 64),
        (
            [
                *('--memory-budget', '32'),
                *('--cfg-options', 'model.test_cfg.memory_budget=64'),
            ],
            32,
        ),
    ],
)
def test_memory_budget(demo, monkeypatch, root, tmp_path, args, expected):
    """The option's, else the configuration's, else the command's own."""
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    model = init_model(config, device='cpu')
    torch.save(model.state_dict(), tmp_path / 'model.pth')
    command = [
        *('track_video.py', 'video.mp4', '--config', config, '--device', 'cpu'),
        *('--checkpoint', tmp_path / 'model.pth', '--box', 1, 2, 3, 4, *args),
    ]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in command])
    assert load_tracker(demo.parse_args()).settings.memory_budget == expected


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        ([], True),
        (['--no-presence'], False),
        (['--cfg-options', 'model.test_cfg.memory_budget=64'], True),
    ],
)
def test_presence_of_the_shipped_model(demo, monkeypatch, args, expected):
    """On where the checkpoint is calibrated, unless it is not wanted."""
    command = ['track_video.py', 'video.mp4', '--device', 'cpu', '--box', '1', '2', '3']
    monkeypatch.setattr(sys, 'argv', [*command, '4', *args])
    assert load_tracker(demo.parse_args()).settings.presence is expected
