import multiprocessing
import os
import pickle

import numpy as np
import pytest

from sstrack_mm.datasets.index import VideoEntry, VideoIndex, file_state, load_or_build


def make_entries(count):
    return [
        VideoEntry(
            f'vidéo-{i}', f'a/{i}/img', f'a/{i}/gt.txt', i, 10 + i, (i, 2.0, 3.0, 4.5)
        )
        for i in range(count)
    ]


class Builder:
    """Counts how often the data was scanned."""

    def __init__(self, count=3):
        self.entries = make_entries(count)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.entries


def test_entries_come_back_as_they_were():
    index = VideoIndex.from_entries(make_entries(12))
    assert list(index) == make_entries(12)
    assert index.names == [entry.name for entry in make_entries(12)]


def test_names_that_are_no_text_come_back():
    name = b'caf\xe9'.decode('utf-8', 'surrogateescape')
    entry = VideoEntry(name, 'i', None, 0, 1, (1.0, 2.0, 3.0, 4.0))
    assert VideoIndex.from_entries([entry])[0] == entry


def test_second_time_nothing_is_scanned(cache_folder):
    build = Builder()
    first = load_or_build(['a'], ['state'], build)
    second = load_or_build(['a'], ['state'], build)
    assert build.calls == 1
    assert list(first) == list(second) == build.entries
    assert isinstance(first.records, np.memmap)
    assert first.path.parent == cache_folder


def test_complaints_are_repeated(caplog, cache_folder):
    """As long as the index is used; what belongs to an old one goes with it."""

    def open_it(state, complaint):
        caplog.clear()
        complaints = []

        def build():
            complaints.append(complaint)
            return make_entries(1)

        load_or_build(['a'], [state], build, complaints=complaints)
        return caplog.text

    for _ in range(2):
        assert r'caf\xe9.mp4: bad' in open_it('state', 'caf\udce9.mp4: bad\n')
    assert open_it('repaired', '') == open_it('repaired', '') == ''
    assert len(list(cache_folder.iterdir())) == 1


@pytest.mark.parametrize(('owner', 'state'), [('b', 'state'), ('a', 'other')])
def test_another_dataset_or_state_is_scanned(owner, state):
    build = Builder()
    load_or_build(['a'], ['state'], build)
    load_or_build([owner], [state], build)
    assert build.calls == 2


def test_only_the_newest_index_of_a_dataset_is_kept(cache_folder):
    other = load_or_build(['b'], ['state'], Builder()).path
    old = load_or_build(['a'], ['old'], Builder()).path
    new = load_or_build(['a'], ['new'], Builder()).path
    assert not old.exists()
    assert sorted(cache_folder.iterdir()) == sorted([other, new])


@pytest.mark.parametrize('content', [b'', b'rubbish', None])
def test_broken_index_file_is_replaced(content):
    build = Builder()
    path = load_or_build(['a'], ['state'], build).path
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert list(load_or_build(['a'], ['state'], build)) == build.entries
    assert build.calls == 2
    load_or_build(['a'], ['state'], build)
    assert build.calls == 2


def test_cache_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    index = load_or_build(['a'], ['state'], Builder())
    assert list(index) == make_entries(3)
    assert 'cannot be kept' in caplog.text
    assert 'XDG_CACHE_HOME' in caplog.text


def test_full_disk_leaves_nothing_behind(cache_folder, monkeypatch, caplog):
    def no_space(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', no_space)
    assert list(load_or_build(['a'], ['state'], Builder())) == make_entries(3)
    assert 'No space left' in caplog.text
    assert list(cache_folder.iterdir()) == []


def test_cache_is_below_home_without_xdg(tmp_path, monkeypatch):
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    path = load_or_build(['a'], ['state'], Builder()).path
    assert path.parent == tmp_path / '.cache' / 'sstrack_mm' / 'index'


def _build_in_process(barrier):
    barrier.wait()
    return list(load_or_build(['a'], ['state'], Builder(200))) == make_entries(200)


def test_several_processes_build_at_once(cache_folder):
    context = multiprocessing.get_context('fork')
    with context.Manager() as manager, context.Pool(4) as pool:
        barrier = manager.Barrier(4)
        assert all(pool.map(_build_in_process, [barrier] * 4, chunksize=1))
    assert [path.suffix for path in cache_folder.iterdir()] == ['.npy']


def test_pickle_does_not_grow_with_the_videos():
    small = load_or_build(['a'], ['state'], Builder(2))
    large = load_or_build(['b'], ['state'], Builder(2000))
    assert len(pickle.dumps(large)) < len(pickle.dumps(small)) + 100
    assert list(pickle.loads(pickle.dumps(large))) == make_entries(2000)


def test_pickle_survives_the_loss_of_the_file():
    index = load_or_build(['a'], ['state'], Builder())
    index.path.unlink()
    assert list(pickle.loads(pickle.dumps(index))) == make_entries(3)


def test_subset():
    index = load_or_build(['a'], ['state'], Builder(5))
    entries = make_entries(5)
    assert list(index.subset(2)) == entries[:2]
    assert list(index.subset(-2)) == entries[-2:]
    assert list(index.subset([3, 1])) == [entries[3], entries[1]]
    assert list(pickle.loads(pickle.dumps(index.subset([3, 1])))) == [
        entries[3],
        entries[1],
    ]


def test_state_of_a_file(tmp_path):
    path = tmp_path / 'file'
    assert file_state(path) is None
    path.write_text('abc')
    state = file_state(path)
    assert state[1] == 3
    path.write_text('abcd')
    assert file_state(path) != state
