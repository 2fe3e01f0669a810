"""Evaluate the saved boxes of one or more trackers, without running anything.

Examples (each on one line):
    python tools/analysis_tools/evaluate.py work_dirs/lasot --dataset lasot
    python tools/analysis_tools/evaluate.py TRACKER_A TRACKER_B --dataset folder
        --root data/mine --convention pytracking otb-matlab --bootstrap 1000
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from sstrack_mm.command_line import CommandParser, run_command, seed
from sstrack_mm.command_options import add_skipping, choose_missing
from sstrack_mm.disk import write_atomically
from sstrack_mm.evaluation.conventions import CONVENTIONS
from sstrack_mm.evaluation.report import Report, bootstrap, paired_difference

SHOWN_INTERVALS = ('auc', 'precision', 'norm_precision', 'ao')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'results',
        nargs='+',
        type=Path,
        metavar='RESULTS',
        help='folder of SEQUENCE.txt, one x,y,w,h a line, as sstrack_mm, PyTracking, '
        'PySOT, mmtrack or the GOT-10k toolkit save them; several folders are '
        'several trackers',
    )
    parser.add_argument(
        '--dataset',
        required=True,
        metavar='NAME',
        help='the dataset, or `folder` for NAME/img/* with groundtruth_rect.txt',
    )
    parser.add_argument(
        '--root',
        metavar='ROOT',
        help="the dataset's folder (default: where the configurations look for it)",
    )
    parser.add_argument(
        '--convention',
        nargs='+',
        default=['pytracking'],
        choices=[*CONVENTIONS, 'vot2018'],
        metavar='NAME',
        help='one or more of %(choices)s (default: pytracking)',
    )
    add_skipping(parser)
    parser.add_argument(
        '--bootstrap',
        type=int,
        default=0,
        metavar='N',
        help='95 %% confidence intervals from N draws of the '
        'sequences, and of each difference to the first tracker',
    )
    parser.add_argument('--seed', type=seed, default=0, help='seed of the draws')
    parser.add_argument(
        '--json',
        type=Path,
        metavar='OUT',
        help='write the numbers: the report, or with several trackers '
        'or conventions a list of them under `reports`',
    )
    args = parser.parse_args()
    if args.bootstrap < 0:
        parser.error(f'--bootstrap needs a number of draws, got {args.bootstrap}')
    return args


def make_entries(args: argparse.Namespace) -> list[dict]:
    """What the JSON file says of each tracker under each convention."""
    # Imported here, as readers import mmtrack, for which --help need not wait.
    from sstrack_mm.datasets.catalogue import open_dataset
    from sstrack_mm.evaluation.folder import evaluate_folder

    skip = dict(skip_bad_videos=True) if args.skip_bad else {}
    sequences = open_dataset(args.dataset, args.root, **skip).sequences()
    entries: list[dict] = []
    baselines: dict[str, Report] = {}
    for folder in args.results:
        for convention in args.convention:
            report, rate = evaluate_folder(
                folder, sequences, convention, choose_missing(args), args.skip_bad
            )
            entry = dict(tracker=folder.resolve().name, **report.to_dict(), fps=rate)
            entries.append(entry)
            if not (args.bootstrap and isinstance(report, Report)):
                continue
            entry['intervals'] = bootstrap(report, args.bootstrap, args.seed)
            baseline = baselines.setdefault(convention, report)
            if baseline is not report:
                gains = paired_difference(report, baseline, args.bootstrap, args.seed)
                entry['difference_to_first'] = {
                    metric: asdict(gain) for metric, gain in gains.items()
                }
    return entries


def number_table(entries: list[dict]) -> str:
    """The table of all trackers under all conventions."""
    rows = [
        dict(
            tracker=entry['tracker'],
            convention=entry['convention'],
            **entry['metrics'],
            fps=entry['fps'],
        )
        for entry in entries
    ]
    return tabulate(rows, headers='keys', floatfmt='.2f', missingval='-')


def interval_table(entries: list[dict]) -> str:
    """The table of confidence intervals, and of differences to the first tracker."""
    rows = []
    for entry in entries:
        head = [entry['tracker'], entry['convention']]
        if 'intervals' in entry:
            rows.append(
                head
                + [
                    f'{low:.1f} .. {high:.1f}'
                    for low, high in map(entry['intervals'].get, SHOWN_INTERVALS)
                ]
            )
        if 'difference_to_first' in entry:
            rows.append(
                [f'{head[0]} - {entries[0]["tracker"]}', head[1]]
                + [
                    '{mean:+.1f} ({low:+.1f} .. {high:+.1f})'.format(**gain)
                    for gain in map(entry['difference_to_first'].get, SHOWN_INTERVALS)
                ]
            )
    return tabulate(rows, headers=['95 % interval', 'convention', *SHOWN_INTERVALS])


def main() -> None:
    """Evaluate what the command line names."""
    args = parse_args()
    entries = make_entries(args)
    print(number_table(entries))
    if args.bootstrap:
        print('\n' + interval_table(entries))
    missing = {entry['tracker']: entry['missing'] for entry in entries}
    for tracker, names in missing.items():
        if names:
            print(
                f'\n{tracker} has no results for {", ".join(names)}: evaluated '
                'on the others'
            )
    if args.json:
        content = entries[0] if len(entries) == 1 else dict(reports=entries)
        write_atomically(args.json, json.dumps(content, indent=2))


if __name__ == '__main__':
    run_command(main)
