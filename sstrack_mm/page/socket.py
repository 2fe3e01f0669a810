"""The WebSocket of a page: what it asks for, and what it is told."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect

from sstrack_mm.errors import DataError
from sstrack_mm.page.news import Message
from sstrack_mm.page.offer import describe_offer, open_source
from sstrack_mm.page.pictures import MAX_WIDTH, encode, picture_width
from sstrack_mm.page.session import Session

NEWS_INTERVAL_S = 0.03


@dataclass
class Viewer:
    """What a page is ready for.

    Attributes:
        width: Of its pictures.
        ready: Whether it has shown the last picture.
        news: Set when there is something to send.
        gone: Whether the page is closed.
        exporting: Held while a file is made for it, one at a time.
    """

    width: int = MAX_WIDTH
    ready: bool = True
    news: asyncio.Event = field(default_factory=asyncio.Event)
    gone: bool = False
    exporting: asyncio.Lock = field(default_factory=asyncio.Lock)


async def serve_page(socket: WebSocket) -> None:
    """Serve one page as long as it is open."""
    await socket.accept()
    sessions, settings = socket.app.state.sessions, socket.app.state.settings
    try:
        hello = json.loads(await _receive(socket))
        name, session = await sessions.join(str(hello.get('session')), socket)
    except DataError as error:
        await socket.close(code=1013, reason=f'{error}')
        return
    except (WebSocketDisconnect, ValueError, AttributeError):
        return
    viewer, loop = Viewer(), asyncio.get_running_loop()
    try:
        session.news.on_news = lambda: loop.call_soon_threadsafe(viewer.news.set)
        offer = await asyncio.to_thread(describe_offer, settings)
        await _send(socket, {'type': 'welcome', 'session': name, **offer})
        for message in session.snapshot():
            await _send(socket, message)
        sender = asyncio.create_task(_send_news(socket, session, viewer))
        exports: set[asyncio.Task[None]] = set()
        try:
            while True:
                text = await _receive(socket)
                obeyed = _obey(socket.app, session, viewer, text)
                if '"export"' in text:
                    exports.add(asyncio.create_task(obeyed))
                else:
                    await obeyed
        finally:
            for task in (sender, *exports):
                task.cancel()
    except (WebSocketDisconnect, RuntimeError):  # the latter: closed by a newer page
        pass
    finally:
        viewer.gone = True
        await sessions.leave(name, socket)


async def _receive(socket: WebSocket) -> str:
    """What a page says; of bytes, which no page sends, nothing."""
    try:
        return await socket.receive_text() or ''
    except KeyError:
        return ''


async def _send_news(socket: WebSocket, session: Session, viewer: Viewer) -> None:
    """Send what happens, and pictures as fast as the page shows them."""
    try:
        while True:
            await viewer.news.wait()
            viewer.news.clear()
            for message in session.news.take():
                await _send(socket, message)
            if viewer.ready and (picture := session.news.take_picture()):
                viewer.ready = False
                frame, image = picture
                data = await asyncio.to_thread(encode, image, viewer.width)
                await socket.send_bytes(struct.pack('<I', frame) + data)
            await asyncio.sleep(NEWS_INTERVAL_S)
    except Exception:  # a bug: the page must not wait for ever; it connects anew
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(code=1011)
        raise


async def _send(socket: WebSocket, message: Message) -> None:
    """Send a message, in ASCII: not all text is such that UTF-8 can tell it."""
    await socket.send_text(json.dumps(message, separators=(',', ':')))


async def _obey(app: Starlette, session: Session, viewer: Viewer, text: str) -> None:
    """Do what a page asks for; what went wrong is told it."""
    result: Any = None
    try:
        message = json.loads(text)
        command = message.pop('type')
        if command == 'ready':
            viewer.width, viewer.ready = picture_width(message['width']), True
            viewer.news.set()
            return
        if command == 'open':
            await run_slowly(app, open_source, session, app.state.settings, **message)
        elif command == 'export':
            async with viewer.exporting:
                result = await run_slowly(
                    app, session.export, is_wanted=lambda: not viewer.gone, **message
                )
        elif command in COMMANDS:
            result = await asyncio.to_thread(COMMANDS[command], session, **message)
        else:
            raise DataError(f'no such command: {command}')
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        session.news.tell({'type': 'problem', 'text': f'{error}'})
    except Exception as error:  # a bug: the page must not wait for ever
        text = f'{type(error).__name__}: {error}'
        session.news.tell({'type': 'problem', 'text': text})
        raise
    else:
        session.news.tell({'type': 'done', 'command': command, 'result': result})


COMMANDS: dict[str, Callable[..., Any]] = {
    'box': Session.set_box,
    'unbox': Session.remove_box,
    'rename': Session.rename,
    'delete': Session.delete,
    'undo': Session.undo,
    'start': Session.start,
    'stop': Session.stop,
    'close': Session.close_video,
}


async def run_slowly(
    app: Starlette, work: Callable[..., Any], *args: Any, **named: Any
) -> Any:
    """Do what may take minutes, in a thread that nothing else waits for."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(app.state.slow, partial(work, *args, **named))
