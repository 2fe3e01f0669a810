"""The commands that write, check and measure shards."""

import pytest

from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture
def make(load_tool, monkeypatch, root, synthetic_root):
    """Runs ``make_shards.py``."""
    tool = load_tool('dataset_tools/make_shards.py')
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))

    def make(*args):
        monkeypatch.setattr('sys.argv', ['make_shards.py', *map(str, args)])
        return tool.main()

    return make


@pytest.fixture
def config(root):
    return root / 'configs' / 'sstrack_b256_got10k.py'


def test_write_check_and_measure(make, config, tmp_path, capsys, load_tool, monkeypatch):
    assert make(config, tmp_path / 'shards') == 0
    assert make('--check', tmp_path / 'shards') == 0
    assert 'healthy' in capsys.readouterr().out
    measure = load_tool('analysis_tools/measure_shards.py')
    options = ['--clips', '20', '--blocks-kb', '4', '--visits', '1']
    monkeypatch.setattr('sys.argv', ['x', str(tmp_path / 'shards'), *options])
    measure.main()
    row = capsys.readouterr().out.splitlines()[-1].split('|')[1:-1]
    block, visit, used, fetched, requests, hits, _, bad = map(float, row)
    assert (block, visit, bad) == (4, 1, 0)
    # Whole blocks are fetched, each of them once.
    assert fetched == pytest.approx(requests * 4.096, rel=0.05) and used > fetched
    assert 50 < hits < 100

    (tmp_path / 'shards' / '000000.tar').write_bytes(b'short')
    assert make('--check', tmp_path / 'shards') == 1
    assert '000000.tar: the shard breaks off' in capsys.readouterr().out


def test_no_such_reader(make, config, tmp_path):
    with pytest.raises(DataError, match='--reader 3: .* has 1 readers, counted from 0'):
        make(config, tmp_path / 'shards', '--reader', 3)


def test_bad_size(make, config, tmp_path, capsys):
    with pytest.raises(SystemExit):
        make(config, tmp_path / 'shards', '--shard-mb', 0)
    assert '--shard-mb needs a positive number, got 0' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--clips', '--blocks-kb', '--visits', '--lanes'])
def test_measures_of_nothing(load_tool, monkeypatch, capsys, option):
    monkeypatch.setattr('sys.argv', ['x', 'shards', option, '0'])
    with pytest.raises(SystemExit):
        load_tool('analysis_tools/measure_shards.py').main()
    assert f'{option}: needs 1 at least, got 0' in capsys.readouterr().err


def test_a_file_in_place_of_the_shards(make, tmp_path):
    (tmp_path / 'shards').touch()
    with pytest.raises(DataError, match=r'index\.json: there is no such file'):
        make('--check', tmp_path / 'shards')
