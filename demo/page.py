"""Track targets in the browser: draw boxes, watch, correct, and take the result away.

    python demo/page.py --config CONFIG --checkpoint CHECKPOINT
    python demo/page.py --videos FOLDER          # its videos can be opened by name

Then open http://127.0.0.1:8765. The server talks to this machine alone unless --host says
otherwise.
"""

import argparse
import ipaddress
from pathlib import Path

from sstrack_mm.command_line import (
    CommandParser,
    add_cfg_options,
    add_device,
    check_files,
    choose_device,
    run_command,
)
from sstrack_mm.errors import optional_requirements


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('--config', help='needed unless the checkpoint is an ONNX file')
    parser.add_argument('--checkpoint', required=True, help='weights, or an ONNX file')
    add_cfg_options(parser, 'model.test_cfg.dtype=bfloat16')
    add_device(parser)
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
        help='default: %(default)s',
    )
    parser.add_argument(
        '--max-sessions', type=int, default=16, help='people at a time (%(default)s)'
    )
    args = parser.parse_args()
    if args.config is None and not args.checkpoint.endswith('.onnx'):
        parser.error('--config is needed, unless --checkpoint is an ONNX file')
    check_files(parser, configuration=args.config, checkpoint=args.checkpoint)
    if args.videos is not None and not args.videos.is_dir():
        parser.error(f'no such folder: {args.videos}')
    return args


def main() -> None:
    """Run the command."""
    args = parse_args()
    with optional_requirements('the page'):
        import uvicorn

        from sstrack_mm.page.app import Settings, create_app
    from sstrack_mm.apis import init_model

    device = choose_device(args.device)
    model = init_model(args.config, args.checkpoint, device, cfg_options=args.cfg_options)
    if model.test_cfg['memory_budget'] is None:
        model.test_cfg['memory_budget'] = 512
    loopback = args.host == 'localhost' or ipaddress.ip_address(args.host).is_loopback
    settings = Settings(
        videos=args.videos and args.videos.resolve(),
        streams=loopback or args.allow_streams,
        max_bytes=int(args.max_upload * 2**20),
        max_sessions=args.max_sessions,
        names=tuple(args.allow_host),
    )
    print(f'open http://{args.host}:{args.port} (Ctrl-C ends it)', flush=True)
    if not loopback:
        print('everybody who reaches this machine over the network can use it')
    uvicorn.run(
        create_app(model, settings),
        host=args.host,
        port=args.port,
        log_level='warning',
        server_header=False,
        ws_max_size=1 << 16,
        timeout_graceful_shutdown=3,
    )


if __name__ == '__main__':
    run_command(main)
