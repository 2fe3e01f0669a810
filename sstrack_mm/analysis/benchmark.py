"""Measures both sides by turns, so that what else the machine does hits them alike."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from sstrack_mm.analysis.loading import DataSide
from sstrack_mm.analysis.measure import describe_machine, percentiles, spread
from sstrack_mm.analysis.pipeline import FileSide, PipelineSide
from sstrack_mm.analysis.process import RemoteObject
from sstrack_mm.analysis.settings import MODES, Settings
from sstrack_mm.analysis.side import Repeat
from sstrack_mm.analysis.tracking import TrackSide
from sstrack_mm.analysis.training import TrainSide
from sstrack_mm.datasets.synthetic import write_dataset
from sstrack_mm.errors import DataError, optional_requirements

_SIDE_CLASSES = (TrainSide, TrackSide, DataSide, PipelineSide, FileSide)
SIDES = dict(zip(MODES, _SIDE_CLASSES, strict=True))
# What is compared, as ours over the baseline's.
RATIOS = dict(
    train=('clips_per_second', 'peak_memory'),
    track=('fps',),
    pipeline=('fps',),
    file=('fps',),
)
_NUM_VIDEOS, _NUM_FRAMES = 4, 8
# Labels and units in the table, where they differ from the report's.
_LABELS = dict(
    peak_memory=('peak memory (MB)', 1e6),
    persistent_memory=('weights, gradients, optimiser (MB)', 1e6),
    parameters=('parameters (M)', 1e6),
    flops=('GFLOP', 1e9),
    flops_per_second=('GFLOP/s', 1e9),
    matmul_flops_per_second=('GFLOP/s of matrix products', 1e9),
    mfu=('MFU', 1),
)


def check_settings(settings: Settings, baseline: bool) -> None:
    """Raise DataError for what cannot be measured here."""
    if baseline and settings.mode not in RATIOS:
        raise DataError(f'there is no baseline of {settings.mode!r}')
    for name in ('batch_size', 'frames', 'targets', 'repeats'):
        if getattr(settings, name) < 1:
            raise DataError(f'{name} must be positive, but got {getattr(settings, name)}')
    if not 0 < settings.keep_ratio <= 1:
        raise DataError(f'keep_ratio must be in (0, 1], but got {settings.keep_ratio}')
    onnx = settings.engine == 'onnxruntime'
    if onnx and (settings.mode, settings.device) != ('track', 'cpu'):
        raise DataError('ONNX Runtime is measured in mode track on the cpu alone')
    if onnx and settings.compile:
        raise DataError('torch.compile has no part in ONNX Runtime')
    dtypes = ('float32', 'int8') if onnx else ('float32', 'bfloat16', 'float16')
    if settings.dtype not in dtypes:
        raise DataError(
            f'{settings.engine} is measured in {dtypes}, but got {settings.dtype!r}'
        )
    if settings.dtype == 'float16' and settings.mode == 'train':
        if not settings.device.startswith('cuda'):
            raise DataError('training in float16 needs a CUDA device; use bfloat16')
    try:
        device = torch.device(settings.device)
        one = torch.ones(8, 8, device=device, dtype=getattr(torch, settings.dtype))
        one @ one
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f'{settings.dtype} on {settings.device!r} does not work here: {reason}'
        ) from None


def run_benchmark(settings: Settings, baseline: bool = False) -> dict[str, Any]:
    """Measure training, tracking or loading.

    Args:
        settings: What to measure.
        baseline: Also measure the baseline, on the same inputs, by turns.

    Returns:
        dict[str, Any]: ``settings``, ``machine``, ``ours``, and with the baseline also
        ``baseline`` and ``ratio``, ours over the baseline's.

    Raises:
        DataError: The settings make no sense on this machine.
    """
    check_settings(settings, baseline)
    names = ('ours', 'baseline') if baseline else ('ours',)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_dataset(
            folder,
            _NUM_VIDEOS,
            _NUM_FRAMES,
            size=settings.frame_size,
            val_videos=1,
            test_videos=1,
        )
        sides = {
            name: stack.enter_context(
                closing(
                    RemoteObject(
                        _side(settings, name), settings, Path(folder), name == 'baseline'
                    )
                )
            )
            for name in names
        }
        measured = measure_by_turns(sides, settings.repeats)
    report: dict[str, Any] = dict(
        settings=asdict(settings),
        machine=describe_machine(torch.device(settings.device)),
        **{
            name: summarize(settings, name, repeats, rest)
            for name, (repeats, rest) in measured.items()
        },
    )
    if baseline:
        report['ratio'] = {
            key: report['ours'][key] / report['baseline'][key]
            for key in RATIOS[settings.mode]
        }
    return report


def _side(settings: Settings, name: str) -> type:
    """The class of a side."""
    if settings.engine == 'pytorch' or name == 'baseline':
        return SIDES[settings.mode]
    with optional_requirements('ONNX'):
        from sstrack_mm.analysis.onnx_tracking import OnnxTrackSide
    return OnnxTrackSide


def measure_by_turns(
    sides: dict[str, RemoteObject], repeats: int
) -> dict[str, tuple[list[Repeat], dict[str, Any]]]:
    """The repeats of each side, and what it tells in the end."""
    for side in sides.values():
        side.wait()
    rounds = [
        {name: side.call('repeat') for name, side in sides.items()}
        for _ in range(repeats)
    ]
    return {
        name: ([each[name] for each in rounds], side.call('finish'))
        for name, side in sides.items()
    }


def summarize(
    settings: Settings, name: str, repeats: Sequence[Repeat], rest: dict[str, Any]
) -> dict[str, Any]:
    """What the report says of a side.

    Args:
        settings: What was measured.
        name: Of the side.
        repeats: What each repeat measured.
        rest: What the side told in the end.

    Returns:
        dict[str, Any]: The rate (``fps``, or ``clips_per_second``) with its
        ``spread``, ``ms`` of a frame, step or batch, the achieved FLOP/s, and ``rest``.
    """
    tracks = settings.mode in ('track', 'pipeline', 'file')
    clips = 1 if tracks else settings.batch_size
    rates = [clips * len(repeat.seconds) / sum(repeat.seconds) for repeat in repeats]
    rate = float(np.median(rates))
    summary: dict[str, Any] = {
        'fps' if tracks else 'clips_per_second': rate,
        'repeats': rates,
        'spread': spread(rates),
        'ms': percentiles([second for repeat in repeats for second in repeat.seconds]),
    }
    if settings.mode == 'track':
        summary['target_frames_per_second'] = rate * settings.targets
    if 'flops' in rest:
        summary['dtype'] = 'float32' if name == 'baseline' else settings.dtype
        summary['flops_per_second'] = achieved = rest['flops'] * rate / clips
        matmuls = [r.matmul_rate for r in repeats if r.matmul_rate is not None]
        if matmuls:
            matmul = float(np.median(matmuls))
            summary |= dict(matmul_flops_per_second=matmul, mfu=achieved / matmul)
    return summary | rest


def format_table(report: dict[str, Any]) -> str:
    """The report as a table, a column a side."""
    sides = [name for name in ('ours', 'baseline') if name in report]
    columns: dict[str, dict[str, Any]] = {
        name: _in_table_units(report[name]) for name in sides
    }
    ratio = {_LABELS.get(key, (key,))[0]: v for key, v in report.get('ratio', {}).items()}
    if ratio:
        columns['ratio'] = ratio
    labels = dict.fromkeys(label for name in sides for label in columns[name])
    rows = [
        [label.replace('_', ' '), *(_format(c.get(label)) for c in columns.values())]
        for label in labels
    ]
    return tabulate(rows, headers=['', *columns], disable_numparse=True)


def _in_table_units(side: dict[str, Any]) -> dict[str, Any]:
    """The values of a side by their labels in the table."""
    values: dict[str, Any] = {}
    for key, value in side.items():
        if isinstance(value, dict):
            values |= {f'{name} (ms)': part for name, part in value.items()}
        elif key in _LABELS:
            label, unit = _LABELS[key]
            values[label] = value / unit
        elif key != 'repeats':
            values[key] = value
    return values


def _format(value: Any) -> str:
    if value is None:
        return ''
    return f'{value:.4g}' if isinstance(value, float) else str(value)
