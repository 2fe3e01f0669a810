"""What the commands that take a configuration have in common."""

import argparse
import os

import pytest

from sstrack_mm.command_line import add_config_arguments, check_files, load_config


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
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
        [config, '--local-rank', '2', '--cfg-options', 'model.depth=4', 'new.key=None']
    )
    assert load_config(args).to_dict() == dict(
        model=dict(depth=4, name='a'), new=dict(key=None)
    )
    assert os.environ['LOCAL_RANK'] == '2'
    assert args.launcher == 'none'


def test_no_changes(parser, config, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    for options in ([], ['--cfg-options']):
        args = parser.parse_args([config, *options])
        assert load_config(args).model.depth == 3
    assert os.environ['LOCAL_RANK'] == '1'  # torchrun's own word wins


def test_missing_files(parser, config, capsys):
    check_files(parser, configuration=config, checkpoint=None)
    with pytest.raises(SystemExit):
        check_files(parser, configuration=config, checkpoint='nowhere.pth')
    assert 'no such checkpoint: nowhere.pth' in capsys.readouterr().err
