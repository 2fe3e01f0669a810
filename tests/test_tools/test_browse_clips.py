"""Pictures of the clips of a configuration."""

import re
import sys

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import write_videos
from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture
def browse(load_tool, root, synthetic_root, monkeypatch):
    """Draws clips of a configuration; returns the picture."""
    tool = load_tool('dataset_tools/browse_clips.py')
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))

    def browse(config, out, *options):
        words = ['browse_clips.py', root / 'configs' / config, out, *options]
        monkeypatch.setattr(sys, 'argv', list(map(str, words)))
        tool.main()
        return cv2.imread(str(out))

    return browse


def test_rows(browse, tmp_path, capsys):
    """A row a clip, another one where the seed is another."""
    config = 'sstrack_tiny_synthetic.py'
    picture = browse(config, tmp_path / 'a.png', '--clips', 3)
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / 'a.png')
    rows = picture.reshape(3, -1, *picture.shape[1:])
    assert rows.shape[1] == 240 + 4
    assert (rows[:, -4:] == 255).all()
    # The frame (4:3), a template, a search image and two views, all of one height.
    assert picture.shape[1] >= 320 + 4 * 240
    again = browse(config, tmp_path / 'b.png', '--clips', 2)
    np.testing.assert_array_equal(again[:, : picture.shape[1]], picture[: len(again)])
    other = browse(config, tmp_path / 'c.png', '--clips', 3, '--seed', 1)
    assert other.shape != picture.shape or (other != picture).any()


def test_supervised_clips(load_tool):
    """They have no search images, and several templates."""
    tool = load_tool('dataset_tools/browse_clips.py')
    image = np.zeros((64, 64, 3), np.uint8)
    clip = dict(
        synthetic=False,
        roles=dict(template=[1, 0]),
        frames=[np.full((60, 80, 3), value, np.uint8) for value in (100, 200)],
        bboxes_xywh=np.array([[10.0, 10, 20, 20]] * 2),
        template=[image, image],
        view=[image],
        view_bboxes_xywh_norm=np.array([[0.25, 0.25, 0.5, 0.5]]),
    )
    picture = tool.draw_clip(clip)
    assert picture.shape[0] == 240 and picture.shape[1] >= 320 + 3 * 240
    # The first template's frame, beside its box; the target's box in the view alone.
    assert (picture[230, 5] == 200).all()
    templates, view = picture[:, -720:-240], picture[:, -230:]
    assert templates[:, 10:230].max() == 0 and view.max() > 0


def test_raw_video(browse, tmp_path, monkeypatch):
    write_videos(tmp_path, 2, 20, seed=1, size=(160, 120))
    monkeypatch.setenv('SSTRACK_VIDEO_ROOT', str(tmp_path / 'videos'))
    picture = browse('sstrack_tiny_unlabelled.py', tmp_path / 'a.png', '--clips', 2)
    assert picture.shape[0] == 2 * 244


def test_new_folder(browse, tmp_path):
    out = tmp_path / 'new' / 'a.png'
    assert browse('sstrack_tiny_synthetic.py', out, '--clips', 1) is not None


def test_full_disk(browse, tmp_path):
    (tmp_path / 'a.png').symlink_to('/dev/full')
    with pytest.raises(DataError, match=r'a\.png: the disk is full'):
        browse('sstrack_tiny_synthetic.py', tmp_path / 'a.png', '--clips', 1)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('a.txt', (), r'a\.txt: its name must end in \.png, \.jpg'),
        ('', (), 'is a folder; name a file in it'),
        ('a.png', ('--seed', -1), '--seed: needs 0 at least, got -1'),
        ('a.png', ('--epoch', -1), '--epoch: needs 0 at least, got -1'),
    ],
)
def test_told_before_anything_is_drawn(browse, tmp_path, capsys, name, options, message):
    with pytest.raises(SystemExit):
        browse('sstrack_tiny_synthetic.py', tmp_path / name, *options)
    assert re.search(message, capsys.readouterr().err)


def test_no_clips(browse, tmp_path, capsys):
    with pytest.raises(SystemExit):
        browse('sstrack_tiny_synthetic.py', tmp_path / 'a.png', '--clips', 0)
    assert '--clips: needs 1 at least, got 0' in capsys.readouterr().err
