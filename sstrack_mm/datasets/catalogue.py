"""The datasets of the field by name: how each is opened, and how large it is."""

import logging
import os
import re
from typing import Any, NamedTuple

from mmtrack.registry import DATASETS

from sstrack_mm.datasets import evaluation_readers, readers  # noqa: F401
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.errors import DataError

logger = logging.getLogger(__name__)


class KnownDataset(NamedTuple):
    """What is needed to open a dataset.

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


CATALOGUE = {
    'got10k_val': KnownDataset('GOT10kSequences', 'got10k', 180, 'val'),
    'got10k_test': KnownDataset('GOT10kSequences', 'got10k', 180, 'test'),
    'itb': KnownDataset('ITBSequences', 'itb', 180),
    'lasot': KnownDataset('LaSOTSequences', 'lasot', 280, 'test', 'LaSOTBenchmark'),
    'lasot_ext': KnownDataset(
        'LaSOTSequences', 'lasot_ext', 150, None, 'LaSOT_extension_subset'
    ),
    'nfs30': KnownDataset('NFSSequences', 'nfs', 100, '30'),
    'nfs240': KnownDataset('NFSSequences', 'nfs', 100, '240'),
    'otb100': KnownDataset('OTBSequences', 'otb100', 100),
    'tc128': KnownDataset('TC128Sequences', 'tc128', 128, None, 'Temple-color-128'),
    'tnl2k': KnownDataset('TNL2KSequences', 'tnl2k', 700, None, 'TNL2K_test_subset'),
    'trackingnet': KnownDataset('TrackingNetSequences', 'trackingnet', 511, 'test'),
    'uav123': KnownDataset('UAV123Sequences', 'uav123', 123, None, 'UAV123'),
    'vot2018': KnownDataset('VOTSequences', 'vot2018', 60),
}


def dataset_config(name: str, root: str | None = None) -> dict[str, Any]:
    """The configuration of a dataset.

    Args:
        name: One of :data:`CATALOGUE`, or ``'folder'`` for plain folders.
        root: Folder of the dataset; default: its usual folder in
            ``$SSTRACK_DATA_ROOT`` or ``data``. Plain folders need it.

    Raises:
        DataError: There is no such dataset, or it is not read here.
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
    if name not in CATALOGUE:
        raise DataError(
            f'there is no dataset {name!r}; there are '
            f'{", ".join(["folder", *CATALOGUE])}; VOT2020 and VOT2022 are run by the '
            'vot-toolkit (tools/vot/README.md)'
        )
    known = CATALOGUE[name]
    if root is None:
        root = os.path.join(os.environ.get('SSTRACK_DATA_ROOT') or 'data', known.folder)
    if known.inner and os.path.isdir(os.path.join(root, known.inner)):
        root = os.path.join(root, known.inner)
    config = dict(type=known.reader, data_root=root)
    return config if known.split is None else dict(config, split=known.split)


def open_dataset(name: str, root: str | None = None, **kwargs: Any) -> SequenceDataset:
    """Open a dataset; arguments as :func:`dataset_config`.

    A number of videos that is not the published one is logged as a warning.

    Args:
        **kwargs: More arguments of the dataset class, as ``split_file``
            or ``indices``.
    """
    dataset = DATASETS.build(dict(dataset_config(name, root), **kwargs))
    expected = CATALOGUE[name].num_videos if name in CATALOGUE else None
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
