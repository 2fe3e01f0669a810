"""Run a command in several processes, and end with the line of the one that failed.

    python tools/launch.py N SCRIPT [arguments of SCRIPT]

It is torchrun, but for what is shown where a process fails: each process leaves its
message in a file (``run_command``), and this prints it, once and last. Several nodes: set
NNODES, NODE_RANK, MASTER_ADDR and PORT on each of them.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, run_command

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('processes', type=int, metavar='N', help='on this node')
    parser.add_argument('script', help='the command')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help='its arguments')
    args = parser.parse_args()
    if args.processes < 1:
        parser.error(f'N must be at least 1, got {args.processes}')
    return args


def main() -> int:
    """Run the command; its exit code is that of the process that failed first."""
    args = parse_args()
    # As torchrun sets it, but without its warning: the processes fill the cores.
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    variables = dict(
        nnodes=('NNODES', '1'),
        node_rank=('NODE_RANK', '0'),
        master_addr=('MASTER_ADDR', '127.0.0.1'),
        master_port=('PORT', '29500'),
    )
    options = [f'--{name}={os.environ.get(*pair)}' for name, pair in variables.items()]
    options += [f'--nproc_per_node={args.processes}', args.script, *args.arguments]
    try:
        run.run(run.parse_args(options))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        for message in describe_failures(error.failures) or [describe(rank, failure)]:
            print(f'error: {message}', file=sys.stderr)
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


def describe_failures(failures: 'Mapping[int, ProcessFailure]') -> list[str]:
    """The different messages that processes left, the first one first."""
    left = [each for each in failures.values() if Path(each.error_file).is_file()]
    left.sort(key=lambda failure: failure.timestamp)
    return list(dict.fromkeys(failure.message for failure in left))


def describe(rank: int, failure: 'ProcessFailure') -> str:
    """How a process ended that left no message."""
    if failure.exitcode > 0:
        return f'process {rank} ended with code {failure.exitcode}; what it said is above'
    return (
        f'process {rank} was ended by {failure.signal_name()} (SIGKILL: often for lack '
        'of memory)'
    )


if __name__ == '__main__':
    run_command(main)
