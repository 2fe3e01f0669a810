"""Compare trackers on one page: plots, tables, and where each lost its target.

Examples (each on one line):
    python tools/analysis_tools/report.py TRACKER_A TRACKER_B --dataset lasot
        --names A B --out work_dirs/report
    python tools/analysis_tools/report.py TRACKER_A TRACKER_B
        --dataset lasot otb100 --root data/lasot data/otb100

With several datasets, the results are in TRACKER/DATASET (TRACKER_A/lasot,
TRACKER_A/otb100, ...). OUT/report.html needs no other file; the pictures are beside it
too.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sstrack_mm.command_line import CommandParser, run_command
from sstrack_mm.command_options import add_skipping, choose_missing
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.evaluator import evaluate
from sstrack_mm.evaluation.run_info import read_run_info

if TYPE_CHECKING:
    from sstrack_mm.visualization.report_page import DatasetResults


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'results',
        nargs='+',
        type=Path,
        metavar='RESULTS',
        help='folder of the saved boxes of one tracker, in any format '
        'that evaluate.py reads',
    )
    parser.add_argument(
        '--dataset',
        nargs='+',
        metavar='NAME',
        help='datasets, or `folder` for NAME/img/* with '
        'groundtruth_rect.txt (default: as run.json of the results '
        'says)',
    )
    parser.add_argument(
        '--root',
        nargs='+',
        metavar='ROOT',
        help='the folder of each dataset (default: where the configurations look for it)',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what to call the trackers (default: by their folders)',
    )
    parser.add_argument(
        '--convention',
        choices=list(CONVENTIONS),
        default='pytracking',
        metavar='NAME',
        help='one of %(choices)s (default: pytracking)',
    )
    add_skipping(parser)
    parser.add_argument(
        '--worst',
        type=int,
        default=3,
        metavar='N',
        help="filmstrips of each tracker's worst sequences, to which those of its middle "
        'and its best one are added (default: 3)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/report'),
        metavar='DIR',
        help='default: %(default)s',
    )
    args = parser.parse_args()
    if args.worst < 0:
        parser.error(f'--worst needs a number of sequences, got {args.worst}')
    if args.names and len(args.names) != len(args.results):
        parser.error(f'--names: {len(args.names)} for {len(args.results)} trackers')
    if args.root and len(args.root) != len(args.dataset or []):
        parser.error('--root: give one for each --dataset')
    for option in ('names', 'dataset'):
        values = getattr(args, option) or []
        if len(set(values)) < len(values):
            parser.error(f'--{option}: the same name twice: {" ".join(values)}')
    return args


def name_trackers(folders: list[Path]) -> list[str]:
    """The names of folders, with as much of their paths as tells them apart.

    Raises:
        DataError: Two of them are the same folder.
    """
    folders = [folder.resolve() for folder in folders]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder, n in Counter(folders).items() if n > 1)
        raise DataError(f'{twice}: given twice')
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ['/'.join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names


def recorded_dataset(folder: Path) -> str:
    """The dataset that results say they were made on.

    Raises:
        DataError: They do not say it, or it has no name here.
    """
    from sstrack_mm.datasets.catalogue import CATALOGUE

    dataset = (read_run_info(folder) or {}).get('dataset')
    if dataset is None:
        raise DataError(
            f'{folder}: the results do not say which dataset they were '
            'made on; give it by --dataset (and --root)'
        )
    if dataset != 'folder' and dataset not in CATALOGUE:
        raise DataError(
            f'{folder}: the results were made on a {dataset} that a configuration '
            'describes; give it by --dataset and --root'
        )
    return dataset


def evaluate_dataset(
    name: str, root: str | None, folders: dict[str, Path], args: argparse.Namespace
) -> 'DatasetResults':
    """Read a dataset, and evaluate the results of all trackers on it."""
    from sstrack_mm.datasets.catalogue import open_dataset
    from sstrack_mm.evaluation.results import load_results
    from sstrack_mm.visualization.report_page import DatasetResults

    skip = dict(skip_bad_videos=True) if args.skip_bad else {}
    dataset = open_dataset(name, root, **skip)
    sequences, missing = dataset.sequences(), choose_missing(args)
    results = {
        tracker: load_results(folder, dataset.names, args.skip_bad)
        for tracker, folder in folders.items()
    }
    reports = {
        tracker: evaluate(found.bboxes_xywh, sequences, args.convention, missing)
        for tracker, found in results.items()
    }
    title = name if name != 'folder' else Path(dataset.data_root).resolve().name
    return DatasetResults(title, name, sequences, results, reports)


def main() -> None:
    """Write the report that the command line asks for."""
    args = parse_args()
    from sstrack_mm.visualization.report_page import write_report

    trackers = args.names or name_trackers(args.results)
    names = args.dataset or [recorded_dataset(args.results[0])]
    roots = args.root or [None] * len(names)
    datasets = []
    for name, root in zip(names, roots, strict=True):
        folders = [folder / name if len(names) > 1 else folder for folder in args.results]
        print(f'Evaluating on {name} ...', flush=True)
        by_tracker = dict(zip(trackers, folders, strict=True))
        datasets.append(evaluate_dataset(name, root, by_tracker, args))
    page = write_report(datasets, args.out, args.worst)
    print(f'Open {page} in a browser; the pictures are beside it')


if __name__ == '__main__':
    run_command(main)
