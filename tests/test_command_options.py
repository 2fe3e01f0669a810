"""Arguments that several commands have."""

import os

import pytest

from sstrack_mm.command_line import CommandParser
from sstrack_mm.command_options import add_config_arguments, load_config
from sstrack_mm.errors import DataError


@pytest.fixture
def parser():
    parser = CommandParser()
    add_config_arguments(parser)
    return parser


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('model = dict(depth=3, name="a")\n')
    return str(path)


def test_changes_of_the_command_line(parser, config, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', 'to be put back')
    monkeypatch.delenv('LOCAL_RANK')
    args = parser.parse_args(
        [config, '--local-rank', '2', '--cfg-options', 'model.depth=4', 'model.name=None']
    )
    assert load_config(args).to_dict() == dict(model=dict(depth=4, name=None))
    assert os.environ['LOCAL_RANK'] == '2'
    assert args.launcher == 'none'


def test_no_changes(parser, config, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    for options in ([], ['--cfg-options']):
        args = parser.parse_args([config, *options])
        assert load_config(args).model.depth == 3
    assert os.environ['LOCAL_RANK'] == '1'  # torchrun's own word wins


@pytest.mark.parametrize('text', ['model.depth', '=3', ''])
def test_options_without_a_value(parser, config, capsys, text):
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([config, '--cfg-options', 'model.depth=4', text])
    assert stop.value.code == 2
    assert f'--cfg-options: expected KEY=VALUE, got {text!r}' in capsys.readouterr().err


def test_option_with_a_lost_bracket(parser, config, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args([config, '--cfg-options', 'model.depths=[3,(4]'])
    assert '--cfg-options: model.depths=[3,(4]: ' in capsys.readouterr().err


def test_options_of_two_places(parser, config):
    options = ['--cfg-options', 'model.depth=4', '--cfg-options', 'model.name=[1,b]']
    assert parser.parse_args([config, *options]).cfg_options == {
        'model.depth': 4,
        'model.name': [1, 'b'],
    }


@pytest.mark.parametrize(
    ('launcher', 'message'),
    [('slurm', 'SLURM_PROCID is not set.*tools/slurm_'), ('pytorch', 'RANK is not set')],
)
def test_not_started_by_its_launcher(parser, config, monkeypatch, launcher, message):
    for name in ('RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    args = parser.parse_args([str(config), '--launcher', launcher])
    with pytest.raises(DataError, match=message):
        load_config(args)
