"""The command that serves the page: its options, and where it listens."""

import socket
import sys

import pytest

from sstrack_mm.errors import DataError


@pytest.fixture(scope='module')
def page(load_tool):
    return load_tool('../demo/page.py')


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('--port=-1', 'needs 0 at least, got -1'),
        ('--port=99999999', 'needs 65535 at most, got 99999999'),
        ('--max-upload=-1', 'needs a number above 0, got -1'),
        ('--max-upload=nan', 'needs a number above 0, got nan'),
        ('--max-sessions=0', 'needs 1 at least, got 0'),
    ],
)
def test_bad_option(page, monkeypatch, capsys, option, message):
    monkeypatch.setattr(sys, 'argv', ['page.py', option])
    with pytest.raises(SystemExit) as error:
        page.parse_args()
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_unknown_host(page, monkeypatch):
    """It is told in a line, before the model is loaded."""
    pytest.importorskip('uvicorn')
    monkeypatch.setattr(page, 'load_tracker', None)
    monkeypatch.setattr(sys, 'argv', ['page.py', '--host', 'no.such.invalid'])
    message = r'cannot listen on --host no\.such\.invalid --port 8765: \w+'
    with pytest.raises(DataError, match=message):
        page.main()


def test_listen(page):
    (first,) = page.listen('127.0.0.1', 0)
    with first, pytest.raises(DataError, match='--host 127.0.0.1 .*in use'):
        port = first.getsockname()[1]
        socket.create_connection(('127.0.0.1', port)).close()
        page.listen('127.0.0.1', port)


@pytest.mark.parametrize(
    ('host', 'url'),
    [
        ('127.0.0.1', 'http://127.0.0.1:80'),
        ('::1', 'http://[::1]:80'),
        ('localhost', 'http://localhost:80'),
    ],
)
def test_url(page, host, url):
    assert page.page_url(host, 80) == url
