import hashlib
import json

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation import run_info


def test_describe_run(tmp_path):
    checkpoint = tmp_path / 'last.pth'
    checkpoint.write_bytes(b'weights')
    info = run_info.describe_run('model = 1', checkpoint, 'cpu', 7, memory=3)
    assert json.loads(json.dumps(info)) == info
    assert info['config'] == 'model = 1'
    assert (info['device'], info['seed'], info['memory']) == ('cpu', 7, 3)
    assert info['checkpoint_sha256'] == hashlib.sha256(b'weights').hexdigest()
    assert {'python', 'sstrack_mm', 'torch', 'mmtrack'} <= set(info['versions'])
    assert info == run_info.describe_run('model = 1', checkpoint, 'cpu', 7, memory=3)


def test_the_content_of_the_checkpoint_counts(tmp_path):
    first, second = tmp_path / 'a.pth', tmp_path / 'b.pth'
    first.write_bytes(b'weights')
    second.write_bytes(b'weights')
    assert run_info.describe_run('', first, 'cpu', 0) == run_info.describe_run(
        '', second, 'cpu', 0
    )
    second.write_bytes(b'other')
    assert run_info.describe_run('', first, 'cpu', 0) != run_info.describe_run(
        '', second, 'cpu', 0
    )
    assert run_info.describe_run('', None, 'cpu', 0)['checkpoint_sha256'] is None


def test_missing_checkpoint(tmp_path):
    with pytest.raises(DataError, match='none.pth.*cannot be read'):
        run_info.describe_run('', tmp_path / 'none.pth', 'cpu', 0)


def test_identity_does_not_depend_on_the_order_of_keys():
    assert run_info.run_identity(dict(a=1, b=dict(c=2, d=3))) == run_info.run_identity(
        dict(b=dict(d=3, c=2), a=1)
    )
    assert run_info.run_identity(dict(a=1)) != run_info.run_identity(dict(a=2))


def test_differences_name_keys_and_values():
    text = run_info.describe_differences(
        dict(seed=0, versions=dict(torch='2.4', numpy='2.0'), device='cpu'),
        dict(seed=1, versions=dict(torch='2.5', numpy='2.0'), device='cpu', extra=5),
    )
    assert text == (
        'They differ in extra (None there, 5 here), '
        "seed (0 there, 1 here), versions.torch ('2.4' there, '2.5' here)."
    )


def test_differences_of_texts_are_lines():
    config = 'x = 1\n' * 50
    text = run_info.describe_differences(
        dict(config=f'{config}size = 256\nend'), dict(config=f'{config}size = 384\nend')
    )
    assert text == "They differ in config ('size = 256' there, 'size = 384' here)."
    text = run_info.describe_differences(dict(config='y' * 100), dict(config=config))
    assert f"config ('{'y' * 55}... there" in text


def test_read_run_info(tmp_path):
    assert run_info.read_run_info(tmp_path) is None
    (tmp_path / 'run.json').write_text('{"seed": 3}')
    assert run_info.read_run_info(tmp_path) == dict(seed=3)
    (tmp_path / 'run.json').write_text('{"seed"')
    with pytest.raises(DataError, match='run.json'):
        run_info.read_run_info(tmp_path)
