"""The benchmarks of the field by name."""

import logging
import os
import re
from typing import Any, NamedTuple

from mmtrack.registry import DATASETS

from sstrack_mm.datasets import benchmark_readers, readers  # noqa: F401
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.errors import DataError

logger = logging.getLogger(__name__)


class Benchmark(NamedTuple):
    """What is needed to open a benchmark.

    Attributes:
        reader: The registered name of its dataset class.
        folder: Its usual folder below the folder of all datasets.
        num_videos: How many videos it has.
        split: Which part of the dataset it is, if there are parts.
        inner: The folder its archive keeps everything in, if it does.
    """

    reader: str
    folder: str
    num_videos: int
    split: str | None = None
    inner: str = ''


BENCHMARKS = {
    'got10k_val': Benchmark('GOT10kSequences', 'got10k', 180, 'val'),
    'got10k_test': Benchmark('GOT10kSequences', 'got10k', 180, 'test'),
    'itb': Benchmark('ITBSequences', 'itb', 180),
    'lasot': Benchmark('LaSOTSequences', 'lasot', 280, 'test', 'LaSOTBenchmark'),
    'lasot_ext': Benchmark(
        'LaSOTSequences', 'lasot_ext', 150, None, 'LaSOT_extension_subset'
    ),
    'nfs30': Benchmark('NFSSequences', 'nfs', 100, '30'),
    'nfs240': Benchmark('NFSSequences', 'nfs', 100, '240'),
    'otb100': Benchmark('OTBSequences', 'otb100', 100),
    'tc128': Benchmark('TC128Sequences', 'tc128', 128, None, 'Temple-color-128'),
    'tnl2k': Benchmark('TNL2KSequences', 'tnl2k', 700, None, 'TNL2K_test_subset'),
    'trackingnet': Benchmark('TrackingNetSequences', 'trackingnet', 511, 'test'),
    'uav123': Benchmark('UAV123Sequences', 'uav123', 123, None, 'UAV123'),
    'vot2018': Benchmark('VOTSequences', 'vot2018', 60),
}


def benchmark_config(name: str, root: str | None = None) -> dict[str, Any]:
    """The dataset configuration of a benchmark, without a pipeline.

    Args:
        name: One of :data:`BENCHMARKS`, or ``'folder'`` for plain folders.
        root: Folder of the benchmark; default: its usual folder in
            ``$SSTRACK_DATA_ROOT`` or ``data``. Plain folders need it.

    Raises:
        DataError: There is no such benchmark, or it is not read here.
    """
    if name == 'folder':
        if root is None:
            raise DataError("'folder' is any folder of videos: say which by the root")
        return dict(type='FolderSequences', data_root=root)
    if re.match(r'vot(s|20(20|21|22))', name):
        raise DataError(
            f'{name}: its targets are masks and its tracker starts at many frames, so '
            'it is run by the vot-toolkit: see tools/vot/README.md'
        )
    if name not in BENCHMARKS:
        raise DataError(
            f'there is no benchmark {name!r}; there are '
            f'{", ".join(["folder", *BENCHMARKS])}; VOT2020 and VOT2022 are run by the '
            'vot-toolkit (tools/vot/README.md)'
        )
    benchmark = BENCHMARKS[name]
    if root is None:
        root = os.path.join(
            os.environ.get('SSTRACK_DATA_ROOT') or 'data', benchmark.folder
        )
    if benchmark.inner and os.path.isdir(os.path.join(root, benchmark.inner)):
        root = os.path.join(root, benchmark.inner)
    config = dict(type=benchmark.reader, data_root=root)
    return config if benchmark.split is None else dict(config, split=benchmark.split)


def build_benchmark(name: str, root: str | None = None, **kwargs: Any) -> SequenceDataset:
    """Open a benchmark; arguments as :func:`benchmark_config`.

    A number of videos that is not the published one is logged as a warning.

    Args:
        **kwargs: More arguments of the dataset class, as ``split_file``
            or ``indices``.
    """
    dataset = DATASETS.build(dict(benchmark_config(name, root), **kwargs))
    expected = BENCHMARKS[name].num_videos if name in BENCHMARKS else None
    if expected not in (None, len(dataset)):
        logger.warning(
            '%s has %d videos, but there are %d in %s: the results will '
            'not compare with published ones',
            name,
            expected,
            len(dataset),
            dataset.data_root,
        )
    return dataset
