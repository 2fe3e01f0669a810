"""Who may talk to the page: this server's own pages, under its own names."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    'Content-Security-Policy': _POLICY,
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}


class Guard:
    """Turns away what other sites' pages ask for, and forbids the page to ask others.

    A request has to name this server by an address or by one of its names (else a
    site could point its own name at this machine), and one that a page made has to
    come from a page of this server.

    Args:
        app: What is guarded.
        names: That this server goes by, besides ``localhost`` and any address.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = {'localhost', *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        problem = self._problem(Headers(scope=scope))
        if problem and scope['type'] == 'websocket':
            await WebSocketClose(code=1008, reason=problem)(scope, receive, send)
        elif problem:
            await PlainTextResponse(problem, status_code=403)(scope, receive, send)
        elif scope['type'] == 'websocket':
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _problem(self, headers: Headers) -> str:
        """Why a request is refused; empty if it is not."""
        host, origin = headers.get('host', ''), headers.get('origin')
        if not self._is_ours(host):
            return f'{host}: not a name of this server; allow it with --allow-host'
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f'{origin}: a page of another site may not use this server'
        return ''

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f'//{host}').hostname or ''
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message['type'] == 'http.response.start':
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
