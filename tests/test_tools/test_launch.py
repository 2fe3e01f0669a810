"""Several processes: what fails is told once, and last."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from sstrack_mm.command_line import run_command
from sstrack_mm.errors import DataError
def main():
    if sys.argv[1] == 'data':
        raise DataError('data/lasot: no such folder')
    if os.environ['RANK'] == '1':
        if sys.argv[1] == 'bug':
            raise TypeError('a bug')
        os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
run_command(main)
"""


@pytest.fixture
def launch(root, tmp_path):
    script = tmp_path / 'command.py'
    script.write_text(SCRIPT)

    def launch(kind):
        return subprocess.run(
            [sys.executable, root / 'tools' / 'launch.py', '2', script, kind],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, 'PORT': str(30500 + os.getpid() % 1000)},
        )

    return launch


def test_what_all_processes_lack(launch):
    result = launch('data')
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith('error: data/lasot: no such folder')


@pytest.mark.parametrize(
    ('kind', 'code', 'message'),
    [
        ('bug', 1, 'error: process 1 ended with code 1; what it said is above'),
        ('kill', 137, 'error: process 1 was ended by SIGKILL'),
    ],
)
def test_one_process_fails(launch, kind, code, message):
    result = launch(kind)
    assert result.returncode == code
    assert result.stderr.splitlines()[-1].startswith(message)
    assert ('TypeError: a bug' in result.stderr) == (kind == 'bug')


@pytest.mark.parametrize('command', ['dist_train.sh', 'dist_test.sh'])
def test_before_the_data_is_linked(root, tmp_path, command):
    checkpoint = ['none.pth'] if command == 'dist_test.sh' else []
    config = root / 'configs' / 'sstrack_b256.py'
    result = subprocess.run(
        ['bash', root / 'tools' / command, config, *checkpoint, '2'],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, 'PORT': str(31500 + os.getpid() % 1000)},
    )
    message = (
        'no such checkpoint: none.pth' if checkpoint else 'data/lasot: no such folder'
    )
    lines = result.stderr.splitlines()
    assert result.returncode == (2 if checkpoint else 1)
    assert len(lines) < 10 and lines[-1].startswith(f'error: {message}')
    assert result.stderr.count(message) == 1 and 'Traceback' not in result.stderr
