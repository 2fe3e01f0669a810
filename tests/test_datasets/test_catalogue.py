import pytest
from mmtrack.registry import DATASETS

from sstrack_mm.datasets.catalogue import (
    CATALOGUE,
    dataset_config,
    open_dataset,
)
from sstrack_mm.errors import DataError


@pytest.mark.parametrize('name', CATALOGUE)
def test_missing_dataset_says_where_it_was_expected(name, tmp_path, monkeypatch):
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(tmp_path))
    with pytest.raises(DataError) as error:
        open_dataset(name)
    expected = str(tmp_path / CATALOGUE[name].folder)
    assert str(error.value).startswith(expected)
    assert 'SSTRACK_DATA_ROOT' in str(error.value)


def test_usual_folder_without_the_variable(monkeypatch):
    monkeypatch.delenv('SSTRACK_DATA_ROOT', raising=False)
    assert dataset_config('lasot') == dict(
        type='LaSOTSequences', data_root='data/lasot', split='test'
    )


@pytest.mark.parametrize('name', CATALOGUE)
def test_readers_are_registered(name):
    assert DATASETS.get(CATALOGUE[name].reader) is not None


@pytest.mark.parametrize('name', [name for name in CATALOGUE if CATALOGUE[name].inner])
def test_folder_of_the_archive_is_found(name, tmp_path):
    inner = tmp_path / CATALOGUE[name].inner
    assert dataset_config(name, str(tmp_path))['data_root'] == str(tmp_path)
    inner.mkdir()
    assert dataset_config(name, str(tmp_path))['data_root'] == str(inner)


def test_another_number_of_videos_is_said(write, tmp_path, caplog):
    write.video(tmp_path / 'bag', 3, labels='groundtruth.txt')
    dataset = open_dataset('vot2018', str(tmp_path), indices=1)
    assert len(dataset) == 1 and len(dataset.sequence(0)) == 3
    assert 'vot2018 has 60 videos, but there are 1' in caplog.text


def test_plain_folders(write, tmp_path, caplog):
    write.video(tmp_path / 'bag', 3)
    assert open_dataset('folder', str(tmp_path)).names == ['bag']
    assert caplog.text == ''
    with pytest.raises(ValueError, match='root'):
        open_dataset('folder')


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'lasott'.*folder, got10k_val.*uav123"):
        open_dataset('lasott')


@pytest.mark.parametrize('name', ['vot2020', 'vot2022', 'vot2022_stb', 'vots2023'])
def test_what_the_toolkit_runs_is_said(name):
    with pytest.raises(DataError, match=rf'^{name}: .*tools/vot/README\.md'):
        open_dataset(name)
