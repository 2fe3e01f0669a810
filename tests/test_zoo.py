"""The zoo: names become files, files are checked, and what is shipped tracks."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml
from mmengine.config import Config
from mmtrack.apis import inference_sot

from sstrack_mm import zoo
from sstrack_mm.apis import init_model, track_video
from sstrack_mm.datasets.synthetic import render_video
from sstrack_mm.errors import DataError

SHIPPED = [name for name, model in zoo.list_models().items() if model.weights]


@pytest.fixture
def metafile(tmp_path):
    """A zoo of one model, whose weights are four bytes."""
    folder = tmp_path / 'package' / 'zoo'
    folder.mkdir(parents=True)
    (folder / 'small.bin').write_bytes(b'1234')
    (folder / 'small.py').touch()
    entry = dict(
        Name='small',
        Config='package/zoo/small.py',
        Weights='small.bin',
        SHA256=hashlib.sha256(b'1234').hexdigest(),
    )
    path = folder / 'metafile.yml'
    path.write_text(yaml.safe_dump(dict(Models=[entry])))
    return path


def test_names_bring_what_is_missing(metafile):
    config, weights = (str(metafile.parent / name) for name in ('small.py', 'small.bin'))
    assert zoo.resolve('small', None, metafile) == (config, weights)
    assert zoo.resolve(None, 'small', metafile) == (config, weights)
    assert zoo.resolve('mine.py', 'small', metafile) == ('mine.py', weights)
    assert zoo.resolve('small', 'mine.pth', metafile) == (config, 'mine.pth')
    assert zoo.resolve('mine.py', None, metafile) == ('mine.py', None)
    assert zoo.resolve(None, 'mine.onnx', metafile) == (None, 'mine.onnx')


def test_configuration_of_an_installed_package(metafile):
    """It has no repository around it, but a copy of what ``mim`` needs."""
    model = zoo.list_models(metafile)['small']
    (metafile.parent / 'small.py').unlink()
    with pytest.raises(
        DataError, match=r'small: its configuration .*small\.py is missing'
    ):
        zoo.find_config(model, metafile)
    copy = metafile.parents[1] / '.mim' / model.config
    copy.parent.mkdir(parents=True)
    copy.touch()
    assert zoo.find_config(model, metafile) == copy


def test_wrong_file_is_refused_by_name(metafile):
    (metafile.parent / 'small.bin').write_bytes(b'1235')
    with pytest.raises(DataError, match=r'small: .*small\.bin is not the file'):
        zoo.resolve('small', None, metafile)


def test_missing_file(metafile):
    (metafile.parent / 'small.bin').unlink()
    with pytest.raises(DataError, match='small: its weights .* are missing'):
        zoo.resolve('small', None, metafile)


class TestUrl:
    """Weights that are downloaded: once, and checked."""

    @pytest.fixture
    def model(self, metafile, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
        shutil.copy(metafile.parent / 'small.bin', tmp_path / 'far.bin')
        model = zoo.list_models(metafile)['small']
        return replace(model, weights=(tmp_path / 'far.bin').as_uri())

    def test_once(self, model, tmp_path):
        path = zoo.find_weights(model)
        assert path.read_bytes() == b'1234'
        (tmp_path / 'far.bin').unlink()
        assert zoo.find_weights(model) == path

    def test_wrong_hash(self, model, tmp_path):
        (tmp_path / 'far.bin').write_bytes(b'1235')
        with pytest.raises(DataError, match='small: .* is not the file'):
            zoo.find_weights(model)
        assert not list((tmp_path / 'cache' / 'sstrack_mm').iterdir())

    def test_not_there(self, model, tmp_path):
        (tmp_path / 'far.bin').unlink()
        with pytest.raises(DataError, match='small: file://'):
            zoo.find_weights(model)


def test_models_of_the_paper_say_how_to_get_them():
    with pytest.raises(DataError, match=r'sstrack-b256: .*convert_official\.py'):
        zoo.resolve('sstrack-b256', None)


@pytest.mark.parametrize(
    'model', zoo.list_models().values(), ids=lambda model: model.name
)
def test_entries(model):
    assert zoo.find_config(model).is_file()
    assert (model.weights is None) == (model.conversion is not None)
    assert model.results
    if model.weights is not None:
        assert (zoo.FOLDER / model.weights).stat().st_size <= 8e6


def test_what_is_needed_is_packaged(root, tmp_path):
    command = ['setup.py', '-q', 'build_py', '--build-lib', tmp_path]
    subprocess.run([sys.executable, *command], cwd=root, check=True)
    package = tmp_path / 'sstrack_mm'
    models = zoo.list_models(package / 'zoo' / 'metafile.yml')
    for model in models.values():
        assert zoo.find_config(model, package / 'zoo' / 'metafile.yml').is_file()
    for name in SHIPPED:
        assert (package / 'zoo' / models[name].weights).is_file()
    index = yaml.safe_load((package / '.mim' / 'model-index.yml').read_text())
    assert all((package / '.mim' / name).is_file() for name in index['Import'])
    for path in (package / '.mim' / 'configs').glob('*.py'):
        assert Config.fromfile(path).model  # with all that it inherits


def test_mmtrack_runs_it():
    """``inference_sot`` prepares frames as the configuration says."""
    frames, bboxes_xywh, _ = render_video([7, 2, 10], 3)
    model = init_model('sstrack-tiny', device='cpu')
    x, y, w, h = bboxes_xywh[0]
    first_bbox_xyxy = np.array([x, y, x + w, y + h])
    found = [
        inference_sot(model, frame, first_bbox_xyxy, number).pred_track_instances.bboxes
        for number, frame in enumerate(frames[..., ::-1])
    ]
    expected = track_video(model, list(frames), bboxes_xywh[0]).bboxes_xywh[-1]
    expected[2:] += expected[:2]
    np.testing.assert_allclose(found[-1][0].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize('name', SHIPPED)
def test_shipped_models_track(name):
    """A video that none has seen: better than keeping the first box."""
    frames, bboxes_xywh, _ = render_video([7, 2, 10], 20)
    found = track_video(init_model(name, device='cpu'), list(frames), bboxes_xywh[0])

    def distance(bboxes):
        centers = [boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (bboxes, bboxes_xywh)]
        return np.linalg.norm(centers[0] - centers[1], axis=1).mean()

    still = np.repeat(bboxes_xywh[:1], len(frames), axis=0)
    assert distance(found.bboxes_xywh) < 0.5 * distance(still)
