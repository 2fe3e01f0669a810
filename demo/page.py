"""Track targets in the browser: draw boxes, watch, correct, and take the result away.

    python demo/page.py
    python demo/page.py --videos FOLDER          # its videos can be opened by name
    python demo/page.py --config CONFIG --checkpoint CHECKPOINT --port 8080

Then open http://127.0.0.1:8765. The server talks to this machine alone unless --host says
otherwise.
"""

import argparse
import contextlib
import errno
import ipaddress
import socket
from pathlib import Path

from sstrack_mm.command_line import CommandParser, at_least, positive_number, run_command
from sstrack_mm.command_options import add_tracker, check_tracker, load_tracker
from sstrack_mm.errors import DataError, optional_requirements

NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What the system says of an IPv6 address where there is no IPv6."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add_tracker(parser)
    parser.add_argument('--host', default='127.0.0.1', help='address to listen on')
    parser.add_argument(
        '--port', type=at_least(0, 65535), default=8765, help='0 takes one that is free'
    )
    parser.add_argument(
        '--allow-host',
        nargs='*',
        default=[],
        metavar='NAME',
        help='names by which browsers reach this server, besides addresses and localhost',
    )
    parser.add_argument(
        '--videos', type=Path, metavar='FOLDER', help='whose videos everybody may open'
    )
    parser.add_argument(
        '--allow-streams',
        action='store_true',
        help='let other machines name streams that this one opens',
    )
    parser.add_argument(
        '--max-upload',
        type=positive_number,
        default=2048,
        metavar='MIB',
        help='size of a video that is uploaded or recorded (default: %(default)s)',
    )
    parser.add_argument(
        '--max-sessions',
        type=at_least(1),
        default=16,
        help='people at a time (%(default)s)',
    )
    args = parser.parse_args()
    check_tracker(parser, args)
    if args.videos is not None and not args.videos.is_dir():
        parser.error(f'no such folder: {args.videos}')
    return args


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on the addresses of a host: of IPv4 and of IPv6, where it has both.

    Args:
        host: A name or an address of this machine.
        port: 0 for one that is free.

    Raises:
        DataError: It cannot be listened there.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in find_addresses(host, port):
            try:
                sockets.append(socket.create_server(address, family=family, backlog=2048))
            except OSError as error:
                if error.errno not in NO_SUCH_FAMILY:
                    raise
                reason = error
            if sockets and port == 0:
                break  # the other family would get another port
        if not sockets:
            raise reason
    except (OSError, UnicodeError) as error:
        for each in sockets:
            each.close()
        text = getattr(error, 'strerror', None) or error
        raise DataError(f'cannot listen on --host {host} --port {port}: {text}') from None
    return sockets


def find_addresses(host: str, port: int) -> list[tuple[int, tuple]]:
    """Families and addresses of a host; at least one.

    Raises:
        OSError: There is no such host.
        UnicodeError: It is no name of a host.
    """
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list({(family, address): None for family, _, _, _, address in found})


def page_url(host: str, port: int) -> str:
    """Where a browser finds the page; an address of IPv6 stands in brackets."""
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


def main() -> None:
    """Run the command."""
    args = parse_args()
    with optional_requirements('the page', 'page'):
        import uvicorn

        from sstrack_mm.page.app import create_app
        from sstrack_mm.page.offer import Settings

    settings = Settings(
        videos=args.videos,
        streams=args.allow_streams or is_loopback(args.host),
        max_bytes=int(args.max_upload * 2**20),
        max_sessions=args.max_sessions,
        names=tuple(args.allow_host),
    )
    sockets = listen(args.host, args.port)
    config = uvicorn.Config(
        create_app(load_tracker(args), settings),
        log_level='warning',
        server_header=False,
        ws_max_size=1 << 16,
        timeout_graceful_shutdown=3,
    )
    port = sockets[0].getsockname()[1]
    print(f'open {page_url(args.host, port)} (Ctrl-C ends it)', flush=True)
    if not is_loopback(args.host):
        print(
            'everybody who reaches this machine over the network can use it', flush=True
        )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


if __name__ == '__main__':
    run_command(main)
