"""Everybody's work, apart from each other."""

import asyncio
import contextlib
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from sstrack_mm.errors import DataError
from sstrack_mm.page.session import Session

if TYPE_CHECKING:
    from sstrack_mm.apis import Tracker

REPLACED = 4001
"""Code that a WebSocket is closed with when its session is opened elsewhere."""


class Sessions:
    """The sessions of a server, by names that nobody can guess.

    A session whose page is gone stops at once. It is kept for a while, for the page to
    come back after a reload or a lost connection, and removed then.

    Args:
        model: From :func:`sstrack_mm.apis.init_model`.
        folder: Where each session gets a folder of its own.
        max_sessions: How many there may be at a time.
        keep_s: How long a session without its page is kept, in seconds.
    """

    def __init__(
        self, model: 'Tracker', folder: Path, max_sessions: int, keep_s: float
    ) -> None:
        self._model, self._model_lock = model, threading.Lock()
        self._folder, self._max, self._keep_s = folder, max_sessions, keep_s
        self._sessions: dict[str, Session] = {}
        self._pages: dict[str, WebSocket] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}

    def get(self, name: str) -> Session | None:
        """The session of a name, if there is one."""
        return self._sessions.get(name)

    async def join(self, name: str | None, page: WebSocket) -> tuple[str, Session]:
        """Go on with a session, or begin one where there is none of the name.

        Args:
            name: Of the session.
            page: That shows it from now on; the one that did so is closed.

        Returns:
            tuple[str, Session]: The session and its name.

        Raises:
            DataError: There are as many as there may be.
        """
        if name not in self._sessions:
            if len(self._sessions) >= self._max:
                raise DataError(
                    f'{self._max} people are using this server, as many as it takes; '
                    'try again later'
                )
            name = secrets.token_urlsafe(16)
            folder = self._folder / name
            folder.mkdir()
            self._sessions[name] = Session(self._model, folder, self._model_lock)
        if name in self._ends:
            self._ends.pop(name).cancel()
        before, self._pages[name] = self._pages.get(name), page
        if before is not None:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone already
                await before.close(code=REPLACED, reason='opened in another window')
        return name, self._sessions[name]

    async def leave(self, name: str, page: WebSocket) -> None:
        """The page of a session is gone: stop it, and remove it in a while."""
        if self._pages.get(name) is not page:
            return
        del self._pages[name]
        loop = asyncio.get_running_loop()
        self._ends[name] = loop.call_later(
            self._keep_s, lambda: loop.create_task(self._end(name))
        )
        # Shielded: who serves the page may be cancelled meanwhile.
        await asyncio.shield(asyncio.to_thread(self._sessions[name].stop))

    async def _end(self, name: str) -> None:
        self._ends.pop(name, None)
        await asyncio.to_thread(self._sessions.pop(name).close)

    async def end_all(self) -> None:
        """Remove everything."""
        for timer in self._ends.values():
            timer.cancel()
        for name in list(self._sessions):
            await self._end(name)
