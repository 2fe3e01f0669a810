"""Track targets in the browser: draw boxes, watch, correct, and take the result away.

    python demo/page.py
    python demo/page.py --videos FOLDER          # its videos can be opened by name
    python demo/page.py --config CONFIG --checkpoint CHECKPOINT --port 8080

Then open http://127.0.0.1:8765. The server talks to this machine alone unless --host says
otherwise.
"""

import argparse
import ipaddress
from pathlib import Path

from sstrack_mm.command_line import (
    CommandParser,
    add_tracker,
    check_tracker,
    load_tracker,
    run_command,
)
from sstrack_mm.errors import optional_requirements


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add_tracker(parser)
    parser.add_argument('--host', default='127.0.0.1', help='address to listen on')
    parser.add_argument('--port', type=int, default=8765)
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
        type=float,
        default=2048,
        metavar='MIB',
        help='size of a video that is uploaded or recorded (default: %(default)s)',
    )
    parser.add_argument(
        '--max-sessions', type=int, default=16, help='people at a time (%(default)s)'
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


def main() -> None:
    """Run the command."""
    args = parse_args()
    with optional_requirements('the page', 'page'):
        import uvicorn

        from sstrack_mm.page.app import Settings, create_app

    settings = Settings(
        videos=args.videos,
        streams=args.allow_streams or is_loopback(args.host),
        max_bytes=int(args.max_upload * 2**20),
        max_sessions=args.max_sessions,
        names=tuple(args.allow_host),
    )
    app = create_app(load_tracker(args), settings)
    print(f'open http://{args.host}:{args.port} (Ctrl-C ends it)', flush=True)
    if not is_loopback(args.host):
        print(
            'everybody who reaches this machine over the network can use it', flush=True
        )
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        log_level='warning',
        server_header=False,
        ws_max_size=1 << 16,
        timeout_graceful_shutdown=3,
    )


if __name__ == '__main__':
    run_command(main)
