"""What all commands have in common."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from sstrack_mm.command_line import (
    CommandParser,
    at_least,
    check_files,
    check_output,
    describe_error,
    run_command,
)
from sstrack_mm.errors import DataError, optional_requirements


def test_missing_files(tmp_path, capsys):
    parser, config = CommandParser(), tmp_path / 'config.py'
    config.touch()
    check_files(parser, configuration=str(config), checkpoint=None)
    with pytest.raises(SystemExit):
        check_files(parser, configuration=str(config), checkpoint='nowhere.pth')
    assert 'no such checkpoint: nowhere.pth' in capsys.readouterr().err


def test_whole_numbers_of_at_least(capsys):
    parser = CommandParser()
    parser.add_argument('--clips', type=at_least(1))
    assert parser.parse_args(['--clips', '1']).clips == 1
    for text, reason in (('0', 'needs 1 at least, got 0'), ('x', 'invalid whole_number')):
        with pytest.raises(SystemExit):
            parser.parse_args(['--clips', text])
        assert f'argument --clips: {reason}' in capsys.readouterr().err


def test_empty_path(capsys):
    """It would be the current folder."""
    parser = CommandParser()
    parser.add_argument('--out', type=Path, default=Path('here'))
    parser.add_argument_group('more').add_argument('--list', type=Path, nargs='*')
    args = parser.parse_args(['--list', '.', 'a/b'])
    assert (args.out, args.list) == (Path('here'), [Path(), Path('a/b')])
    for option in ('--out', '--list'):
        with pytest.raises(SystemExit):
            parser.parse_args([option, ''])
        assert f'argument {option}: the path is empty' in capsys.readouterr().err


def test_output_in_place_of_the_input(tmp_path, capsys):
    source = tmp_path / 'a.pth'
    source.touch()
    (tmp_path / 'link').symlink_to(source)
    check_output(CommandParser(), tmp_path / 'new.pth', source)
    for out, reason in (
        ('a.pth', 'is what is read'),
        ('link', 'is what'),
        ('', 'folder'),
    ):
        with pytest.raises(SystemExit):
            check_output(CommandParser(), tmp_path / out, source)
        assert reason in capsys.readouterr().err


def test_output_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    """It is told at once, not after hours; a device takes all that it is given."""
    (tmp_path / 'file').touch()
    check_output(CommandParser(), tmp_path / 'a' / 'b.PNG', endings=('.png',))
    check_output(CommandParser(), '/dev/full')
    for out, endings, reason in (
        (tmp_path / 'file' / 'a.json', (), 'file is no folder'),
        (tmp_path / 'a.txt', ('.png', '.jpg'), r'a.txt: its name must end in .png, .jpg'),
    ):
        with pytest.raises(SystemExit):
            check_output(CommandParser(), out, endings=endings)
        assert reason in capsys.readouterr().err
    # Nothing is denied to root.
    monkeypatch.setattr(os, 'access', lambda path, mode: path != tmp_path)
    with pytest.raises(SystemExit):
        check_output(CommandParser(), tmp_path / 'none' / 'a.json')
    assert f'{tmp_path} cannot be written to' in capsys.readouterr().err


def raised(error):
    """A command that fails."""

    def main():
        raise error

    return main


class TestEnd:
    """How a command ends."""

    @pytest.fixture
    def end(self, monkeypatch, capsys):
        monkeypatch.setattr(signal, 'signal', lambda *_: None)
        monkeypatch.setattr(sys, 'argv', ['command.py'])

        def end(main, **kwargs):
            with pytest.raises(SystemExit) as stop:
                run_command(main, **kwargs)
            return stop.value.code, capsys.readouterr().err

        return end

    @pytest.mark.parametrize(
        ('error', 'code', 'message'),
        [
            (
                DataError('a.txt: no boxes'),
                1,
                'error: a.txt: no boxes (see docs/troubleshooting.md#dataerror)',
            ),
            (FileNotFoundError('no weights'), 1, 'error: no weights'),
            (
                OSError(errno.ENOSPC, 'No space left on device', 'out.mp4'),
                1,
                'error: out.mp4: No space left on device',
            ),
            (
                PermissionError(errno.EROFS, 'Read-only file system', '/data/a'),
                1,
                'error: /data/a: Read-only file system',
            ),
            (ValueError('5 is odd'), 1, 'error: 5 is odd (--debug shows where)'),
            (MemoryError(), 1, 'error: out of memory (--debug shows where)'),
            (KeyboardInterrupt(), 130, 'stopped'),
        ],
    )
    def test_one_line(self, end, error, code, message):
        assert end(raised(error)) == (code, f'{message}\n')

    def test_code_of_its_own(self, end):
        assert end(raised(PermissionError('bad')), failure=2) == (2, 'error: bad\n')
        assert end(lambda: 1, failure=2) == (1, '')
        assert end(lambda: None) == (None, '')

    @pytest.mark.parametrize('own, policy', [(None, 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
    def test_waiting_threads_do_not_spin(self, monkeypatch, end, own, policy):
        monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
        if own:
            monkeypatch.setenv('OMP_WAIT_POLICY', own)
        seen = []
        end(lambda: seen.append(os.environ['OMP_WAIT_POLICY']))
        assert seen == [policy]
        os.environ.pop('OMP_WAIT_POLICY')

    @pytest.mark.parametrize('own, spins', [(None, '30000'), ('ACTIVE', None)])
    def test_waiting_threads_sleep_soon_and_not_at_once(
        self, monkeypatch, end, own, spins
    ):
        for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'):
            monkeypatch.setenv(name, '')  # so that it is put back at the end
            monkeypatch.delenv(name)
        if own:
            monkeypatch.setenv('OMP_WAIT_POLICY', own)
        seen = []
        end(lambda: seen.append(os.environ.get('GOMP_SPINCOUNT')))
        assert seen == [spins]

    def test_debug(self, monkeypatch, end):
        monkeypatch.setattr(sys, 'argv', ['command.py', '--debug'])
        with pytest.raises(DataError, match='bad'):
            run_command(raised(DataError('bad')))

    def test_noise_of_libraries(self, end):
        def main():
            warnings.warn(
                'Unnecessary conv bias before batch/instance norm', stacklevel=1
            )
            warnings.warn('your own', stacklevel=1)

        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter('always')
            end(main)
        assert [str(warning.message) for warning in shown] == ['your own']

    def test_a_bug_keeps_its_traceback(self, end):
        with pytest.raises(TypeError, match='a bug'):
            run_command(raised(TypeError('a bug')))

    def test_a_process_of_a_launcher(self, end, tmp_path, monkeypatch):
        """It is quiet; the launcher prints what it finds in the file."""
        path = tmp_path / 'error.json'
        monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(path))
        assert end(raised(DataError('data/lasot: no such folder'))) == (1, '')
        assert json.loads(path.read_text())['message'].startswith(
            'data/lasot: no such folder'
        )

    @pytest.mark.parametrize(('process', 'waits'), [('0', []), ('3', [5])])
    def test_under_slurm(self, end, monkeypatch, process, waits):
        """The others wait, in which time Slurm ends them if the first one has failed."""
        slept = []
        monkeypatch.setattr(time, 'sleep', slept.append)
        monkeypatch.setattr(sys, 'argv', ['train.py', '--launcher', 'slurm'])
        monkeypatch.setenv('SLURM_PROCID', process)
        assert end(raised(OSError('no data'))) == (1, 'error: no data\n')
        assert slept == waits


def test_an_error_of_a_loading_worker():
    text = (
        'Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most '
        'recent call last):\n  File "x.py", line 1, in f\n'
        f'sstrack_mm.errors.DataError: {str(DataError("a/1.jpg: cut short"))}\n'
    )
    assert describe_error(DataError(text)) == str(DataError('a/1.jpg: cut short'))


def test_optional_requirements():
    with pytest.raises(DataError, match='No module .*for maps: pip install -r requirem'):
        with optional_requirements('maps'):
            import no_such_module  # noqa: F401


TERMINATED = """
import time
from sstrack_mm.command_line import run_command
def main():
    try:
        print('started', flush=True)
        time.sleep(60)
    finally:
        print('closed', flush=True)
run_command(main)
"""


@pytest.mark.parametrize(
    ('number', 'code'), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_signals_close_what_is_open(number, code):
    process = subprocess.Popen(
        [sys.executable, '-c', TERMINATED], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == 'started\n'
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == 'closed\n'
    assert process.returncode == code


def test_a_closed_pipe_is_no_error():
    script = (
        'from sstrack_mm.command_line import run_command\n'
        'run_command(lambda: [print("x" * 1000) for _ in range(1000)] and None)'
    )
    result = subprocess.run(
        [
            'bash',
            '-o',
            'pipefail',
            '-c',
            '"$0" -c "$1" | head -n 1',
            sys.executable,
            script,
        ],
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (141, '')


ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in ('demo', 'tools')
    for path in (ROOT / folder).rglob('*.py')
    if "__name__ == '__main__'" in path.read_text()
)
SERVED = 'tools/vot/sstrack_vot.py'  # started by the vot-toolkit, without arguments


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_ends_the_same_way(command):
    assert 'run_command(' in (ROOT / command).read_text()


@pytest.mark.parametrize('command', [each for each in COMMANDS if each != SERVED])
def test_help_imports_nothing_heavy(command):
    """Under a second on an idle core: what takes longer is not imported for it."""
    result = subprocess.run(
        [sys.executable, '-X', 'importtime', ROOT / command, '--help'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0 and '--debug' in result.stdout
    imported = {line.rpartition('|')[2].strip() for line in result.stderr.splitlines()}
    assert 'sstrack_mm.command_line' in imported
    assert not imported & {'torch', 'mmengine', 'mmtrack', 'matplotlib', 'onnxruntime'}


def test_a_name_that_is_no_utf8():
    """It was written, but could not be said."""
    program = (
        'import os; from sstrack_mm.command_line import run_command;'
        r"run_command(lambda: print(os.fsdecode(b'a\xff.mp4')))"
    )
    environment = dict(os.environ, PYTHONIOENCODING='utf-8')
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, env=environment, check=False
    )
    assert (result.returncode, result.stdout) == (0, rb'a\udcff.mp4' + b'\n')
