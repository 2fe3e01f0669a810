"""The command ``tools/dataset_tools/make_synthetic.py``."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sstrack_mm.datasets.synthetic.looks import LOOKS
from sstrack_mm.errors import DataError

COMMAND = Path(__file__).parents[2] / 'tools' / 'dataset_tools' / 'make_synthetic.py'


def load_command():
    """Import the command."""
    spec = importlib.util.spec_from_file_location('make_synthetic', COMMAND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_command(*arguments: object) -> None:
    """Run the command in this process."""
    load_command().main([str(argument) for argument in arguments])


def test_help_answers_without_the_package():
    result = subprocess.run(
        [sys.executable, COMMAND, '--help'], capture_output=True, text=True, check=True
    )
    assert '--videos N' in result.stdout and '--seed S' in result.stdout


def test_command_writes_and_says_when_nothing_is_to_do(tmp_path, capsys, caplog):
    arguments = (
        tmp_path,
        '--videos',
        1,
        '--frames',
        2,
        '--size',
        64,
        64,
        '--seed',
        0,
        '--workers',
        1,
    )
    run_command(*arguments)
    assert '1 train, 1 val, 1 test videos of 2 frames' in capsys.readouterr().out
    with caplog.at_level('INFO'):
        run_command(*arguments)
    assert 'already holds these videos' in caplog.text


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--frames', 'many'], 'invalid int value'),
        (['--no-such-option'], 'unrecognized arguments'),
    ],
)
def test_bad_command_lines_end_with_a_clear_error(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        run_command(tmp_path, *arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--videos', 0], 'train videos must be at least 1, not 0'),
        (['--size', 8, 8], '8 x 8'),
    ],
)
def test_what_cannot_be_generated(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        run_command(tmp_path, *arguments)


def test_looks(tmp_path):
    """All that there are can be asked for, and what is asked for is made."""
    parser = load_command().build_parser()
    (choices,) = (a.choices for a in parser._actions if a.dest == 'look')
    assert choices == list(LOOKS)
    small = ('--videos', 1, '--frames', 2, '--size', 64, 64, '--workers', 1)
    for arguments in (small, (*small, '--video')):
        run_command(tmp_path, *arguments, '--look', 'night')
    for name in ('got10k', 'videos'):
        assert (
            json.loads((tmp_path / name / 'synthetic.json').read_text())['look']
            == 'night'
        )
