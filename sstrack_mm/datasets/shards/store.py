"""Reads parts of shards, wherever they are, through ``fsspec``.

What comes over a network is kept on the local disk in blocks, which all data-loading
workers of a machine share. A server that does not answer is asked again for a while, and
then ends the run: a clip would otherwise depend on the state of the network.
"""

import contextlib
import io
import logging
import os
import zlib
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar

import fsspec
from fsspec.core import url_to_fs

from sstrack_mm.datasets.shards.cache import BlockCache, default_cache_folder
from sstrack_mm.errors import DataError, StoreError, optional_requirements

logger = logging.getLogger(__name__)

T = TypeVar('T')

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0
_READ_AHEAD = 1 << 18  # bytes, of a video file
_RANGE_NOT_SATISFIABLE = 416  # of HTTP


class Counts:
    """What a process has read.

    Attributes:
        used: Bytes that were asked for.
        fetched: Bytes that came from the store.
        hits: Blocks that were in the cache.
        misses: Blocks that were not.
    """

    def __init__(self) -> None:
        self.used = self.fetched = self.hits = self.misses = 0


class ShardStore:
    """A folder of shards.

    Args:
        root: Local folder, or address (``https://...``, ``s3://...``, whatever ``fsspec``
            knows).
        storage_options: For its file system in ``fsspec``.
        cache_folder: Where blocks are kept; default: in the user's cache folder.
        cache_bytes: How much of them, for all shards and processes of a machine together.
        block_bytes: Size of a block.
        patience_s: How long a server that does not answer is asked again.
        cache_local: Keep blocks of a local folder, too (of one that is mounted from far).
    """

    def __init__(
        self,
        root: str,
        storage_options: dict[str, Any] | None = None,
        cache_folder: str | None = None,
        cache_bytes: int = 20 << 30,
        block_bytes: int = 1 << 18,
        patience_s: float = 120,
        cache_local: bool = False,
    ) -> None:
        if min(cache_bytes, block_bytes) < 1 or patience_s < 0:
            raise ValueError(
                'cache_bytes and block_bytes must be positive and patience_s not '
                f'negative, but got {cache_bytes}, {block_bytes} and {patience_s}'
            )
        self.root = root.rstrip('/')
        self.storage_options = storage_options or {}
        self.block_bytes = block_bytes
        self.patience_s = patience_s
        self.is_local = '://' not in root or root.startswith(('file:', 'local:'))
        self.cache = None
        if cache_local or not self.is_local:
            self.cache = BlockCache(cache_folder or default_cache_folder(), cache_bytes)
        self.counts = Counts()

    def url(self, name: str) -> str:
        """Where a file of the folder is."""
        return f'{self.root}/{name}'

    def read_file(self, name: str) -> bytes:
        """A whole file.

        Raises:
            DataError: There is no such file.
            StoreError: The server does not answer.
        """
        return self._ask(name, lambda files, path: files.cat_file(path))

    def read(self, shard: 'Shard', start: int, num_bytes: int) -> bytes:
        """A part of a shard.

        Raises:
            DataError: The shard is missing or too short.
            StoreError: The server does not answer.
        """
        self.counts.used += num_bytes
        if self.cache is None:
            return self._fetch(shard, start, start + num_bytes)
        blocks = self._blocks(start, num_bytes)
        data = b''.join(self._read_block(shard, i) for i in blocks)
        return data[start - blocks[0] * self.block_bytes :][:num_bytes]

    def forget(self, shard: 'Shard', start: int, num_bytes: int) -> bool:
        """Drop a part of a shard from the cache; return whether there is a cache."""
        if self.cache is None:
            return False
        for number in self._blocks(start, num_bytes):
            self.cache.drop(self._block(shard, number)[0])
        return True

    def _blocks(self, start: int, num_bytes: int) -> range:
        """The numbers of the blocks that hold a part of a shard."""
        size = self.block_bytes
        return range(start // size, max(start, start + num_bytes - 1) // size + 1)

    def _block(self, shard: 'Shard', number: int) -> tuple[str, int, int]:
        """The name of a block in the cache, its first byte and the one after it."""
        start = number * self.block_bytes
        stop = min(start + self.block_bytes, shard.num_bytes)
        return f'{self.url(shard.name)} {shard.md5} {start}-{stop}', start, stop

    def _read_block(self, shard: 'Shard', number: int) -> bytes:
        assert self.cache is not None
        name, start, stop = self._block(shard, number)
        data = self.cache.get(name, stop - start)
        self.counts.hits += data is not None
        self.counts.misses += data is None
        if data is None:
            data = self._fetch(shard, start, stop)
            self.cache.put(name, data)
        return data

    def _fetch(self, shard: 'Shard', start: int, stop: int) -> bytes:
        """A part of a shard from where it is."""

        outages: tuple[type[Exception], ...] = (*_outages(self.is_local), ValueError)

        def fetch(files: fsspec.AbstractFileSystem, path: str) -> bytes:
            try:
                data = files.cat_file(path, start=start, end=stop)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                raise
            except outages as error:
                # A range behind the end is an error of its own in each file system.
                if not _is_behind_end(error, files, path, stop):
                    raise
                data = b''
            if len(data) > stop - start:
                raise DataError(
                    f'{self.url(shard.name)}: the server sends whole files alone; shards '
                    'need one that answers requests for ranges of bytes'
                )
            if len(data) < stop - start:
                raise DataError(
                    f'{self.url(shard.name)}: the shard breaks off; {shard.num_bytes} '
                    f'bytes were written, of {start} to {stop} there are {len(data)}. '
                    'Copy it again, or write it again with make_shards.py'
                )
            return data

        data = self._ask(shard.name, fetch)
        self.counts.fetched += len(data)
        return data

    def _ask(
        self, name: str, question: Callable[[fsspec.AbstractFileSystem, str], T]
    ) -> T:
        """Ask the file system; again where it does not answer."""
        start_time, wait_s, url = monotonic(), _FIRST_WAIT_S, self.url(name)
        while True:
            try:
                with optional_requirements(f'shards in {self.root}'):
                    # fsspec keeps it, for each process of its own; s3fs changes options.
                    files, path = url_to_fs(url, **deepcopy(self.storage_options))
                return question(files, path)
            except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
                reason = 'may not be read'
                if not isinstance(error, PermissionError):
                    reason = 'there is no such file'
                raise DataError(f'{url}: {reason}') from None
            except _outages(self.is_local) as error:
                waited_s = monotonic() - start_time
                if self.is_local or waited_s + wait_s > self.patience_s:
                    raise StoreError(
                        f'{url}: no answer in {waited_s:.0f} s ({error}). When the '
                        'server is back, start the same command again; training goes '
                        'on with --resume'
                    ) from None
                logger.warning('%s: %s; asking again in %.1f s', url, error, wait_s)
                sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _is_behind_end(
    error: Exception, files: fsspec.AbstractFileSystem, path: str, stop: int
) -> bool:
    """Whether an error says that a file ends before the range that was asked for."""
    if getattr(error, 'status', None) == _RANGE_NOT_SATISFIABLE:
        return True
    try:
        size = files.info(path)['size']
    except FileNotFoundError:  # what a web server that went away looks like to fsspec
        return False
    return size is not None and size < stop


@cache
def _outages(is_local: bool) -> tuple[type[Exception], ...]:
    """What file systems raise where a server does not answer."""
    kinds: list[type[Exception]] = [OSError, TimeoutError]
    if not is_local:
        with contextlib.suppress(ImportError):
            from aiohttp import ClientError

            kinds.append(ClientError)
        with contextlib.suppress(ImportError):
            from botocore.exceptions import BotoCoreError

            kinds.append(BotoCoreError)
    return tuple(kinds)


class Shard(NamedTuple):
    """A shard, as its index knows it.

    Attributes:
        name: Its file.
        num_bytes: Size.
        md5: Checksum of the whole file, as hexadecimal digits.
    """

    name: str
    num_bytes: int
    md5: str


class Member(NamedTuple):
    """A file in a shard.

    Attributes:
        store: The folder of the shard.
        shard: The shard.
        name: Of the file, in the shard.
        start: Its first byte in the shard.
        num_bytes: Its size.
        crc32: Its checksum.
    """

    store: ShardStore
    shard: Shard
    name: str
    start: int
    num_bytes: int
    crc32: int

    def __str__(self) -> str:
        return f'{self.store.url(self.shard.name)}: {self.name}'

    def __hash__(self) -> int:
        return hash((self.shard.name, self.start))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self[1:] == other[1:]

    def read_bytes(self) -> bytes:
        """The whole file.

        Raises:
            DataError: It is not what was written.
        """
        part = self.shard, self.start, self.num_bytes
        data = self.store.read(*part)
        if zlib.crc32(data) != self.crc32 and self.store.forget(*part):
            data = self.store.read(*part)  # the copy in the cache may be what is damaged
        if zlib.crc32(data) != self.crc32:
            raise DataError(
                f'{self}: is damaged, its checksum is not that of the index. Copy the '
                'shard again, or write it again with make_shards.py'
            )
        return data

    def open(self) -> io.BufferedReader:
        """Open it as a file; only what is read is fetched, and checksums are not met."""
        return io.BufferedReader(_MemberFile(self), _READ_AHEAD)


class _MemberFile(io.RawIOBase):
    """A member as a file."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.name = str(member)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_CUR: self._position, os.SEEK_END: self.member.num_bytes}
        self._position = max(origin.get(whence, 0) + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        member = self.member
        size = min(len(buffer), max(member.num_bytes - self._position, 0))
        if size:
            start = member.start + self._position
            buffer[:size] = member.store.read(member.shard, start, size)
        self._position += size
        return size
