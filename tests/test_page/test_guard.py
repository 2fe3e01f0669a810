"""Other sites' pages may not use the server."""

import pytest
from starlette.websockets import WebSocketDisconnect


@pytest.mark.parametrize(
    'host', ['127.0.0.1:8765', 'localhost', '[::1]:8765', '192.168.1.7:8765', 'my.lab:80']
)
def test_own_names(serve, host):
    reply = serve(names=('My.lab',)).get('/', headers={'host': host})
    assert reply.status_code == 200


@pytest.mark.parametrize('host', ['evil.example', 'localhost.evil.example:8765', ''])
def test_other_names(serve, host):
    reply = serve().get('/', headers={'host': host})
    assert reply.status_code == 403
    assert 'not a name of this server; allow it with --allow-host' in reply.text


def test_name_that_was_rebound(serve):
    headers = {'host': 'evil.example', 'origin': 'http://evil.example'}
    assert serve().get('/', headers=headers).status_code == 403


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1:80'])
def test_other_sites(serve, origin):
    client = serve()
    reply = client.put('/sessions/a/video', headers={'origin': origin})
    assert reply.status_code == 403
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect(
            'ws://127.0.0.1:8765/socket', headers={'origin': origin}
        ),
    ):
        pass
    assert refused.value.code == 1008


def test_own_page(serve):
    headers = {'origin': 'http://127.0.0.1:8765'}
    with serve().websocket_connect(
        'ws://127.0.0.1:8765/socket', headers=headers
    ) as socket:
        socket.send_json({'session': None})
        assert socket.receive_json()['type'] == 'welcome'


def test_the_page_asks_nobody_else(serve):
    headers = serve().get('/').headers
    assert "default-src 'none'" in headers['content-security-policy']
    assert headers['cross-origin-resource-policy'] == 'same-origin'
    assert headers['x-content-type-options'] == 'nosniff'
