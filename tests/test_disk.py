"""Files that are whole or not there."""

import errno
import os
import subprocess
import sys

import pytest

from sstrack_mm import disk
from sstrack_mm.disk import FullDiskError, printable, write_atomically


def all_files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / 'car.txt'
    write_atomically(path, 'old')

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, 'new')
    assert path.read_text() == 'old'
    assert all_files(tmp_path) == {'car.txt'}


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / 'car.txt'
    path.write_text('old')
    script = (
        'import os, sys; from pathlib import Path;'
        'from sstrack_mm import disk;'
        'disk.os.fsync = lambda descriptor: os.kill(os.getpid(), 9);'
        'disk.write_atomically(Path(sys.argv[1]), "new")'
    )
    process = subprocess.run([sys.executable, '-c', script, str(path)], check=False)
    assert process.returncode == -9
    assert path.read_text() == 'old'
    assert list(tmp_path.glob('*.txt')) == [path]


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(tmp_path, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk.os, 'fsync', full)
    with pytest.raises(FullDiskError, match=r'run.json: the disk is full .* again'):
        write_atomically(tmp_path / 'out' / 'run.json', '{}')
    assert all_files(tmp_path) == set()


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path):
    (tmp_path / 'out').write_text('a file, no folder')
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / 'out' / 'car.txt', 'text')


def test_bytes_are_written_atomically_too(tmp_path):
    write_atomically(tmp_path / 'a.zip', b'\x00\xff')
    assert (tmp_path / 'a.zip').read_bytes() == b'\x00\xff'


def test_printable():
    assert printable('a b.mp4') == 'a b.mp4'
    assert printable(b'caf\xe9.mp4') == 'caf\\xe9.mp4'


def test_a_device_is_written_to_and_stays(tmp_path):
    """A full one says so; it was replaced by a file."""
    link = tmp_path / 'full.json'
    link.symlink_to('/dev/full')
    with pytest.raises(FullDiskError, match=f'^{link}: the disk is full'):
        write_atomically(link, 'numbers')
    assert link.is_char_device()


def test_a_pipe_is_written_to(tmp_path):
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(path, 'numbers')
    assert os.read(reader, 100) == b'numbers'
    os.close(reader)


def test_a_folder_in_its_place_is_named(tmp_path):
    with pytest.raises(IsADirectoryError) as error:
        write_atomically(tmp_path, 'numbers')
    assert error.value.filename == str(tmp_path)
