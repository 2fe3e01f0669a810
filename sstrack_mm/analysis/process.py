"""An object in a process of its own."""

from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


class RemoteObject:
    """Makes an object in a fresh process, and calls its methods there.

    Args:
        factory: A class or function of a module, that makes the object.
        *args: Its arguments.
    """

    def __init__(self, factory: Callable, *args: Any) -> None:
        context = get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, factory, args))
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Wait until the object is made; what went wrong is raised here."""
        self._receive()

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the object; its errors are raised here."""
        self._connection.send((method, args))
        return self._receive()

    def _receive(self) -> Any:
        try:
            result, error = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(
                f'the process died with exit code {self._process.exitcode}; '
                'was there not enough memory?'
            ) from None
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, factory: Callable, args: tuple) -> None:
    """Make the object and answer calls until the other end is closed."""
    served, call = None, partial(factory, *args)
    while True:
        try:
            result, error = call(), None
        except Exception as raised:  # noqa: BLE001  (it is raised at the other end)
            result, error = None, raised
        if served is None:
            served, result = result, None
        try:
            connection.send((result, error))
            method, args = connection.recv()
        except (EOFError, BrokenPipeError):
            return
        call = partial(getattr(served, method), *args)
