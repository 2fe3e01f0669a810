"""The command line of the maker of banks; the banks are in test_composed."""

import sys

import pytest


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--videos', '-1'], '--videos: needs 1 at least, got -1'),
        (['--frames', '1'], '--frames: needs 2 at least, got 1'),
        (['--max-frames', '0'], '--max-frames: needs 1 at least, got 0'),
        (['--short-side', '0'], '--short-side: needs 1 at least, got 0'),
        (['--footage', 'none'], 'none: no such folder'),
        (['--footage', '.'], '.: no video to learn from in it'),
        (['--footage', 'films', '--held-out', 'b', 'c'], '--held-out: films has no b, c'),
        (['--footage', 'films', '--held-out', 'a'], 'no video to learn from'),
    ],
)
def test_told_before_anything_is_made(
    load_tool, monkeypatch, capsys, tmp_path, options, message
):
    (tmp_path / 'films').mkdir()
    (tmp_path / 'films' / 'a.mp4').touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['make_bank.py', 'bank', *options])
    with pytest.raises(SystemExit):
        load_tool('dataset_tools/make_bank.py').main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'bank').exists()
