"""The server of the page: HTTP for files and frames, a WebSocket for all the rest."""

import asyncio
import contextlib
import json
import shutil
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from sstrack_mm.disk import FullDiskError, printable
from sstrack_mm.errors import DataError
from sstrack_mm.formats.text import escape
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page import uploads
from sstrack_mm.page.exports import EXPORTS
from sstrack_mm.page.guard import Guard
from sstrack_mm.page.news import Message
from sstrack_mm.page.recording import Recording
from sstrack_mm.page.session import Session
from sstrack_mm.page.sessions import Sessions
from sstrack_mm.structures.target_box import SURROGATES

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker

STATIC = Path(__file__).parent / 'static'
STREAM_SCHEMES = (
    'rtsp://',
    'rtsps://',
    'http://',
    'https://',
    'rtmp://',
    'udp://',
    'srt://',
)
STATUSES: dict[type[Exception], int] = {
    uploads.TooLargeError: 413,
    FullDiskError: 507,
}
"""Of HTTP, by what is wrong; 400 for all else."""

MAX_LIBRARY = 1000
"""Videos of the folder that a page lists."""

NEWS_INTERVAL_S = 0.03
MIN_WIDTH, MAX_WIDTH = 16, 1920
"""Of the pictures that the page shows, in pixels."""


@dataclass(frozen=True)
class Settings:
    """What a server offers.

    Attributes:
        videos: A folder whose videos may be opened by anybody; None for none.
        streams: Whether streams may be opened.
        max_bytes: Of an upload and of the recording of a stream.
        max_sessions: People at a time.
        keep_s: How long the work of a page that is gone is kept, in seconds.
        names: Of this server, besides ``localhost`` and any address.
    """

    videos: Path | None = None
    streams: bool = True
    max_bytes: int = 2 << 30
    max_sessions: int = 16
    keep_s: float = 120
    names: tuple[str, ...] = field(default=())


def create_app(model: 'Tracker', settings: Settings) -> Starlette:
    """The page as an ASGI application.

    Args:
        model: From :func:`sstrack_mm.apis.init_model`.
        settings: What is offered.

    Returns:
        Starlette: To be served by one process.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix='sstrack-page-') as folder:
            app.state.settings = settings
            app.state.sessions = Sessions(
                model, Path(folder), settings.max_sessions, settings.keep_s
            )
            app.state.slow = ThreadPoolExecutor(settings.max_sessions)
            yield
            await app.state.sessions.end_all()
            app.state.slow.shutdown(wait=False, cancel_futures=True)

    routes = [
        Route('/', _index),
        Route('/sessions/{session}/video', _upload, methods=['PUT']),
        Route('/sessions/{session}/boxes', _load_boxes, methods=['PUT']),
        Route('/sessions/{session}/files/{name}', _file),
        Route('/sessions/{session}/frames/{frame:int}', _frame),
        WebSocketRoute('/socket', _socket),
        Mount('/static', StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Guard, names=settings.names)],
        exception_handlers={DataError: _refuse, ClientDisconnect: _give_up},
    )


async def _index(request: Request) -> Response:
    return FileResponse(STATIC / 'index.html', headers={'Cache-Control': 'no-cache'})


async def _refuse(request: Request, error: Exception) -> Response:
    status = STATUSES.get(type(error), 400)
    return JSONResponse({'problem': escape(f'{error}', SURROGATES)}, status)


async def _give_up(request: Request, error: Exception) -> Response:
    """Answer what was broken off, though nobody waits for it."""
    return Response(status_code=400)


def _session(request: Request) -> Session:
    session = request.app.state.sessions.get(request.path_params['session'])
    if session is None:
        raise HTTPException(404)
    return session


@contextlib.contextmanager
def _new_folder(session: Session) -> Iterator[Path]:
    """A folder for a video that is to be opened; removed if that fails."""
    folder = session.new_folder()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _slowly(
    app: Starlette, work: Callable[..., Any], *args: Any, **named: Any
) -> Any:
    """Do what may take minutes, in a thread that nothing else waits for."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(app.state.slow, partial(work, *args, **named))


# Files and frames ----------------------------------------------------------------------


async def _upload(request: Request) -> Response:
    session, settings = _session(request), request.app.state.settings
    name = Path(request.query_params.get('name', '')).name
    with _new_folder(session) as folder:
        path = folder / 'video'
        await uploads.save(request.stream(), path, name, settings.max_bytes)
        await _slowly(
            request.app, lambda: session.open(open_seekable(path, name), folder, path)
        )
    return Response(status_code=204)


async def _load_boxes(request: Request) -> Response:
    session, settings = _session(request), request.app.state.settings
    name = Path(request.query_params.get('name', '')).name
    with tempfile.TemporaryDirectory(
        dir=session.folder, ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder) / f'boxes{Path(name).suffix.lower()}'
        await uploads.save_boxes(request.stream(), path, name, settings.max_bytes)
        loaded = await _slowly(request.app, session.load_boxes, path, name)
    return JSONResponse(loaded)


async def _file(request: Request) -> Response:
    session, name = _session(request), request.path_params['name']
    path = session.exports / name
    if name.startswith('.') or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, filename=name)


async def _frame(request: Request) -> Response:
    session, frame = _session(request), request.path_params['frame']
    width = _width(request.query_params.get('width', MAX_WIDTH))
    data = await asyncio.to_thread(lambda: encode(session.read(frame), width))
    headers = {'Cache-Control': 'private, max-age=3600'}
    return Response(data, media_type='image/jpeg', headers=headers)


def _width(wanted: Any) -> int:
    """Of a picture, as a page asks for it."""
    try:
        return min(max(int(wanted), MIN_WIDTH), MAX_WIDTH)
    except (OverflowError, TypeError, ValueError):
        raise DataError(f'the width {wanted!r} is no number of pixels') from None


def encode(image: np.ndarray, width: int) -> bytes:
    """A picture for the page.

    Args:
        image: (H, W, 3) uint8 RGB.
        width: What it is made smaller to, if it is larger.

    Returns:
        bytes: A JPEG file.
    """
    h, w = image.shape[:2]
    if width < w:
        size = width, max(1, round(h * width / w))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


# The WebSocket -------------------------------------------------------------------------


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


async def _socket(socket: WebSocket) -> None:
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
        offer = await asyncio.to_thread(_offer, settings)
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
            viewer.width, viewer.ready = _width(message['width']), True
            viewer.news.set()
            return
        if command == 'open':
            await _slowly(app, _open, session, app.state.settings, **message)
        elif command == 'export':
            async with viewer.exporting:
                result = await _slowly(
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


def _offer(settings: Settings) -> dict[str, Any]:
    """What a page may do."""
    library = sorted(_library(settings.videos))
    return {
        'library': library[:MAX_LIBRARY],
        'more': len(library[MAX_LIBRARY:]),
        'streams': settings.streams,
        'max_bytes': settings.max_bytes,
        'formats': [
            {'format': name, 'file': file, 'title': title}
            for name, (file, title) in EXPORTS.items()
        ],
        'suffixes': sorted(uploads.SUFFIXES),
        'boxes': {
            'suffixes': sorted(uploads.BOXES_SUFFIXES),
            'max_bytes': min(settings.max_bytes, uploads.MAX_BOXES_BYTES),
        },
    }


def _library(folder: Path | None) -> dict[str, Path]:
    """The videos under a folder, by their paths in it; not what links lead out to."""
    if folder is None:
        return {}
    videos = (
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in uploads.SUFFIXES
        and path.is_file()
        and path.resolve().is_relative_to(folder.resolve())
    )
    return {printable(path.relative_to(folder)): path for path in videos}


def _open(session: Session, settings: Settings, source: str) -> None:
    """Open a video of the folder, or a stream."""
    with _new_folder(session) as folder:
        if path := _library(settings.videos).get(source):
            session.open(open_seekable(path, source), folder, path)
            return
        if not settings.streams:
            raise DataError(
                f'{source}: not a video of the folder; streams are not allowed'
            )
        if not (source.startswith(STREAM_SCHEMES) or source.isdecimal()):
            raise DataError(
                f'{source}: neither a video of the folder, nor a camera (0, 1, ...), nor '
                f'a stream ({", ".join(STREAM_SCHEMES)})'
            )
        recording = Recording(source, folder, settings.max_bytes, session.video_grew)
        session.open(recording, folder)
        session.video_grew()
