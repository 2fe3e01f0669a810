"""What was read of shards over a network, kept on the local disk."""

import contextlib
import hashlib
import os
import re
from pathlib import Path

from sstrack_mm.disk import FULL_DISK, cache_folder

_BLOCK_FILE = re.compile(r'[0-9a-f]{30}(\.\d+)?')  # being written: with a process id


def default_cache_folder() -> str:
    """Where blocks are kept."""
    return str(cache_folder() / 'blocks')


class BlockCache:
    """Blocks of shards on the local disk, a file each, shared by all processes.

    Args:
        folder: Where.
        max_bytes: How much is kept; what was used longest ago goes first. Processes look
            only now and then, so that it may be passed by a sixteenth for each of them.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._written = max_bytes  # look at the first chance

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self.folder / digest[:2] / digest[2:]

    def get(self, name: str, num_bytes: int) -> bytes | None:
        """A block, if it is there."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data if len(data) == num_bytes else None

    def drop(self, name: str) -> None:
        """Remove a block, if it is there."""
        self._path(name).unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """Keep a block; where the disk is full, go on without."""
        path = self._path(name)
        temporary = path.with_name(f'{path.name}.{os.getpid()}')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno not in FULL_DISK:
                raise
            self._written = self.max_bytes
        self._written += len(data)
        if self._written > self.max_bytes // 16:
            self._written = 0
            self._shrink()

    def _shrink(self) -> None:
        """Remove what was used longest ago, where there is too much."""
        files = []
        for path in self.folder.glob('[0-9a-f][0-9a-f]/*'):
            if not _BLOCK_FILE.fullmatch(path.name) or not path.is_file():
                continue  # somebody else's
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self.max_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size
