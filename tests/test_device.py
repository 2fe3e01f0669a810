import pytest

from sstrack_mm.device import choose_device
from sstrack_mm.errors import DataError


def test_default(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    assert choose_device(None) == 'cpu'
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setenv('LOCAL_RANK', '3')
    assert choose_device(None) == 'cuda:3'


def test_named():
    assert choose_device('cpu') == 'cpu'


@pytest.mark.parametrize('name', ['gpu', 'cuda:99', 'cuda:x', '', 'meta'])
def test_not_there(name):
    with pytest.raises(DataError, match=f'^device {name} cannot be used here: .+'):
        choose_device(name)
