"""The server of the page: HTTP for files and frames, a WebSocket for all the rest."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from sstrack_mm.disk import FullDiskError
from sstrack_mm.errors import DataError
from sstrack_mm.formats.text import escape
from sstrack_mm.frames.seek import open_seekable
from sstrack_mm.page import uploads
from sstrack_mm.page.guard import Guard
from sstrack_mm.page.offer import Settings
from sstrack_mm.page.pictures import MAX_WIDTH, encode, picture_width
from sstrack_mm.page.session import Session
from sstrack_mm.page.sessions import Sessions
from sstrack_mm.page.socket import run_slowly, serve_page
from sstrack_mm.structures.target_box import SURROGATES

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker

STATIC = Path(__file__).parent / 'static'
STATUSES: dict[type[Exception], int] = {
    uploads.TooLargeError: 413,
    FullDiskError: 507,
}
"""Of HTTP, by what is wrong; 400 for all else."""


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
        WebSocketRoute('/socket', serve_page),
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


async def _upload(request: Request) -> Response:
    session, settings = _session(request), request.app.state.settings
    name = Path(request.query_params.get('name', '')).name
    with session.folder_to_open() as folder:
        path = folder / 'video'
        await uploads.save(request.stream(), path, name, settings.max_bytes)
        await run_slowly(
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
        loaded = await run_slowly(request.app, session.load_boxes, path, name)
    return JSONResponse(loaded)


async def _file(request: Request) -> Response:
    session, name = _session(request), request.path_params['name']
    path = session.exports / name
    if name.startswith('.') or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, filename=name)


async def _frame(request: Request) -> Response:
    session, frame = _session(request), request.path_params['frame']
    width = picture_width(request.query_params.get('width', MAX_WIDTH))
    data = await asyncio.to_thread(lambda: encode(session.read(frame), width))
    headers = {'Cache-Control': 'private, max-age=3600'}
    return Response(data, media_type='image/jpeg', headers=headers)
