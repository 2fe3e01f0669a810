import json
import signal
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from sstrack_mm.command_line import run_command
from sstrack_mm.datasets.catalogue import CATALOGUE
from sstrack_mm.datasets.doctor import (
    DATASETS_WITH_PARTS,
    diagnose,
    find_duplicates,
    spread_sample,
)
from sstrack_mm.datasets.synthetic import write_dataset
from sstrack_mm.errors import DataError


def look(name, root, **kwargs):
    return diagnose(name, str(root), progress=False, **kwargs)


@pytest.fixture(scope='module')
def got10k(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_dataset(root, 2, 4, size=(80, 64), val_videos=1, test_videos=1)
    return root / 'got10k'


def test_healthy_dataset(got10k):
    diagnosis = look('got10k', got10k)
    assert diagnosis.problems == []
    train, val, test = diagnosis.parts
    assert (train.part, train.published) == ('train', 9335)
    assert (train.videos, train.usable, train.frames, train.decoded) == (2, 2, 8, 8)
    assert val.frames == test.frames == 4
    assert diagnosis.to_dict()['healthy'] is True


@pytest.mark.parametrize('name', ['folder', *CATALOGUE, *DATASETS_WITH_PARTS])
def test_every_dataset_is_known(name, tmp_path):
    with pytest.raises(DataError) as error:
        look(name, tmp_path)
    assert str(error.value).startswith(str(tmp_path))
    with pytest.raises(DataError, match='no such folder'):
        look(name, tmp_path / 'nothing')


def test_unknown_dataset(tmp_path):
    with pytest.raises(DataError, match="no dataset 'lasott'"):
        look('lasott', tmp_path)


def test_all_broken_videos_are_listed(write, tmp_path):
    for name in ('good', 'short', 'no_boxes', 'cut', 'text', 'outside', 'sizes', 'words'):
        write.video(tmp_path / name)
    write.boxes(tmp_path / 'short/groundtruth_rect.txt', 3)
    (tmp_path / 'no_boxes/groundtruth_rect.txt').unlink()
    image = tmp_path / 'cut/img/0003.jpg'
    image.write_bytes(image.read_bytes()[:-40])
    write.text(tmp_path / 'text/img/0001.jpg', 'no image')
    cv2.imwrite(str(tmp_path / 'sizes/img/0002.jpg'), np.zeros((9, 9, 3), np.uint8))
    write.text(
        tmp_path / 'outside/groundtruth_rect.txt', '1,2,3,4\n8,2,3,4\n1,2,0,4\n-3,0,3,3\n'
    )
    write.text(tmp_path / 'words/groundtruth_rect.txt', '1,2,3,4\n' * 3 + 'a,b,c,d\n')
    (tmp_path / 'empty').mkdir()

    diagnosis = look('folder', tmp_path)
    expected = [
        ('cut', 'image', 'cut/img/0003.jpg: cannot be read as an image'),
        ('empty', 'video', 'empty: no frames in this folder'),
        ('no_boxes', 'video', 'no_boxes/groundtruth_rect.txt: no such file'),
        ('outside', 'box', 'rect.txt: frame 3 of 4: x, y, w, h = 1, 2, 0, 4 has no area'),
        ('outside', 'box', 'frame 2 of 4: x, y, w, h = 8, 2, 3, 4 lies outside the 8x8'),
        ('outside', 'box', 'frame 4 of 4: x, y, w, h = -3, 0, 3, 3 lies outside the 8x8'),
        ('short', 'video', 'short/groundtruth_rect.txt: 3 boxes for 4 frames'),
        ('sizes', 'image', 'sizes/img/0002.jpg: its size 9x9 is not that of the first'),
        ('text', 'image', 'text/img/0001.jpg: cannot be read as an image'),
        ('words', 'video', 'words/groundtruth_rect.txt, line 4:'),
    ]
    problems = diagnosis.problems
    assert [(p.video, p.kind) for p in problems] == [row[:2] for row in expected]
    for problem, (*_, message) in zip(problems, expected, strict=True):
        assert message in problem.message
    (part,) = diagnosis.parts
    assert (part.videos, part.usable) == (9, 5)


def test_upright_images(write, tmp_path):
    """Boxes are compared with images as training reads them."""
    write.video(tmp_path / 'phone')
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (tmp_path / 'phone/img').iterdir():
        Image.new('RGB', (40, 8)).save(path, exif=exif)
    boxes = tmp_path / 'phone/groundtruth_rect.txt'
    write.text(boxes, '1,20,3,4\n' * 4)
    assert look('folder', tmp_path).problems == []
    write.text(boxes, '1,20,3,4\n' * 3 + '20,1,3,4\n')
    (problem,) = look('folder', tmp_path).problems
    assert '20, 1, 3, 4 lies outside the 8x40 image' in problem.message


def test_huge_image(write, tmp_path, monkeypatch):
    write.video(tmp_path / 'huge')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 20)
    problems = look('folder', tmp_path).problems
    assert len(problems) == 4 and 'exceeds limit' in problems[0].message


def test_absent_targets_are_no_problem(write, tmp_path):
    write.video(tmp_path / 'bird')
    write.text(
        tmp_path / 'bird/groundtruth_rect.txt',
        '1,2,3,4\nNaN,NaN,NaN,NaN\n0,0,0,0\nNaN,2,3,4\n',
    )
    diagnosis = look('folder', tmp_path)
    assert [problem.kind for problem in diagnosis.problems] == ['box']
    assert (
        'frame 4 of 4: x, y, w, h = nan, 2, 3, 4 is not finite'
        in diagnosis.problems[0].message
    )
    assert diagnosis.parts[0].unlabelled == 2


def test_missing_frames_of_a_test_set(write, tmp_path):
    folder = tmp_path / 'test/GOT-10k_Test_000001'
    write.frames(folder, [f'{number:08d}.jpg' for number in (1, 2, 5)])
    write.boxes(folder / 'groundtruth.txt', 1)
    (problem,) = look('got10k', tmp_path).problems
    assert problem.kind == 'image'
    assert '00000002.jpg: 2 frames are missing between this one and 00000005.jpg' in (
        problem.message
    )


def test_sample_or_all(write, tmp_path):
    for name in ('a', 'b', 'c'):
        write.video(tmp_path / name, 6)
    write.text(tmp_path / 'b/img/0002.jpg', 'no image')
    sampled = look('folder', tmp_path, sample=6)
    assert (sampled.problems, sampled.parts[0].decoded) == ([], 6)
    full = look('folder', tmp_path, sample=None, workers=2)
    assert full.parts[0].decoded == 18
    assert 'b/img/0002.jpg' in full.problems[0].message
    # Of a video none of whose images is decoded, at least the first is looked at.
    write.text(tmp_path / 'b/img/0001.jpg', 'no image')
    assert 'b/img/0001.jpg' in look('folder', tmp_path, sample=1).problems[0].message


@pytest.mark.parametrize(('sample', 'num_videos'), [(10, 4), (3, 10), (1, 7), (0, 0)])
def test_sample_is_spread(sample, num_videos):
    counts = spread_sample(sample, num_videos)
    assert len(counts) == num_videos
    assert sum(counts) <= sample
    assert max(counts, default=0) - min(counts, default=0) <= 1
    assert spread_sample(None, 2) == [None, None]


def test_duplicates_by_content(got10k, tmp_path):
    root = tmp_path / 'got10k'
    write_dataset(tmp_path, 2, 4, size=(80, 64), val_videos=1, test_videos=1)
    source = root / 'train/GOT-10k_Train_000002/00000001.jpg'
    (root / 'test/GOT-10k_Test_000001/00000001.jpg').write_bytes(source.read_bytes())
    (problem,) = look('got10k', root).problems
    assert (problem.kind, problem.part) == ('duplicate', 'test')
    assert 'GOT-10k_Test_000001/00000001.jpg' in problem.message
    assert str(source) in problem.message


def test_duplicates_by_name(write, tmp_path):
    for name in ('cat-1', 'cat-2'):
        write.video(tmp_path / 'cat' / name, labels='groundtruth.txt')
    write.text(tmp_path / 'training_set.txt', 'cat-1\ncat-2\n')
    write.text(tmp_path / 'testing_set.txt', 'cat-2\ncat-3\n')
    diagnosis = look('lasot', tmp_path)
    messages = [(problem.kind, problem.video) for problem in diagnosis.problems]
    assert ('video', 'cat-3') in messages
    assert ('duplicate', 'cat-2') in messages
    assert [part.videos for part in diagnosis.parts] == [2, 2]


def test_parts_without_training_have_no_duplicates(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'same')
    frames = {str(tmp_path / 'a.jpg'): 'a'}
    assert list(find_duplicates({'val': frames, 'test': frames})) == []
    assert len(list(find_duplicates({'TRAIN_0': frames, 'TEST': frames}))) == 2


def test_trackingnet_chunks(write, tmp_path):
    for chunk in ('TRAIN_0', 'TRAIN_3', 'TEST'):
        write.frames(tmp_path / chunk / 'frames' / chunk, ['0.jpg', '1.jpg'])
        write.boxes(
            tmp_path / chunk / 'anno' / f'{chunk}.txt', 1 if chunk == 'TEST' else 2
        )
    write.text(tmp_path / 'TRAIN_3/anno/lost.txt', '1,2,3,4\n')
    diagnosis = look('trackingnet', tmp_path)
    assert [part.part for part in diagnosis.parts] == ['TRAIN_0', 'TRAIN_3', 'TEST']
    assert [(p.part, p.video) for p in diagnosis.problems if p.kind == 'video'] == [
        ('TRAIN_3', 'lost')
    ]
    assert diagnosis.parts[2].unlabelled == 1


def test_broken_ranges_of_tc128_do_not_hide_each_other(write, tmp_path):
    for name in ('Ball', 'Car', 'Dog'):
        write.frames(tmp_path / name / 'img', ['0001.jpg', '0002.jpg'])
        write.boxes(tmp_path / name / f'{name}_gt.txt', 2)
        write.text(tmp_path / name / f'{name}_frames.txt', '1,2')
    write.text(tmp_path / 'Ball/Ball_frames.txt', '1')
    write.text(tmp_path / 'Dog/Dog_frames.txt', '1,9')
    problems = look('tc128', tmp_path).problems
    assert [problem.video for problem in problems] == ['Ball', 'Dog']
    assert 'Ball_frames.txt: 1 flags' in problems[0].message


def test_coco(write, tmp_path):
    for part, number in (('train2017', 3), ('val2017', 4)):
        write.frames(tmp_path / part, [f'{number}.jpg'])
        annotations = [
            dict(id=1, image_id=number, bbox=[1, 2, 3, 4]),
            dict(id=2, image_id=number, bbox=[20, 2, 3, 4]),
            dict(id=3, image_id=9, bbox=[1, 2, 3, 4]),
            dict(id=4, image_id=9, bbox=[1, 2, 3, 3]),
        ]
        content = dict(
            images=[dict(id=i, file_name=f'{i}.jpg') for i in (number, 9)],
            annotations=annotations,
        )
        write.text(tmp_path / f'annotations/instances_{part}.json', json.dumps(content))
    diagnosis = look('coco', tmp_path)
    assert [part.videos for part in diagnosis.parts] == [4, 4]
    kinds = [(problem.part, problem.kind) for problem in diagnosis.problems]
    assert kinds.count(('train2017', 'box')) == 1
    # Two objects of a missing image; and both images are the same, black.
    assert kinds.count(('train2017', 'image')) == 2
    assert any('9.jpg' in problem.message for problem in diagnosis.problems)
    assert any(kind == 'duplicate' for _, kind in kinds)


# The command.


@pytest.fixture
def run(load_tool, monkeypatch, capsys):
    tool = load_tool('dataset_tools/doctor.py')
    monkeypatch.setattr(signal, 'signal', lambda *_: None)

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['doctor.py', *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            run_command(tool.main, failure=2)
        return stop.value.code, *capsys.readouterr()

    return run


def test_command(run, write, got10k, tmp_path):
    code, out, _ = run('got10k', got10k, '--full')
    assert code == 0
    assert 'healthy' in out and '9335' in out

    write.video(tmp_path / 'data/bag')
    write.boxes(tmp_path / 'data/bag/groundtruth_rect.txt', 3)
    code, out, _ = run('folder', tmp_path / 'data', '--json', tmp_path / 'out.json')
    assert code == 1
    assert 'bag/groundtruth_rect.txt: 3 boxes for 4 frames' in out
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['healthy'] is False
    assert content['parts'][0]['videos'] == 1
    assert content['problems'][0]['video'] == 'bag'

    code, _, err = run('folder', tmp_path / 'nothing')
    assert (code, 'no such folder' in err) == (2, True)
    assert run('lasott', tmp_path)[0] == 2
    assert run('folder', tmp_path, '--sample', 0)[0] == 2
