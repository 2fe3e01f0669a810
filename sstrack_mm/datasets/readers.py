"""Readers of the video folders as their authors publish them, and of plain folders."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.datasets import files
from sstrack_mm.datasets.index import VideoEntry
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles
from sstrack_mm.datasets.tables import LASOT_ATTRIBUTES, LASOT_TEST
from sstrack_mm.errors import DataError


def _first_existing(folder: str, *names: str) -> str | None:
    """The first of these names that exists in a folder."""
    return next(
        (name for name in names if os.path.exists(os.path.join(folder, name))), None
    )


def list_video_folders(root: str) -> list[str]:
    """Names of the folders in ``root``, but those of the attribute files."""
    return [
        name for name in files.list_folders(root) if name not in ('att', 'anno', 'annos')
    ]


@DATASETS.register_module()
class FolderSequences(SequenceDataset):
    """Plain folders: ``NAME/img/*`` or ``NAME/*`` with a box file in ``NAME``.

    The frames may also be in ``NAME/imgs`` (TNL2K) or ``NAME/color`` (VOT); the box
    file is ``groundtruth_rect.txt`` or ``groundtruth.txt``. Arguments as
    :class:`SequenceDataset`.
    """

    layout = (
        'NAME/img/* or NAME/* (the frames) with NAME/groundtruth_rect.txt or '
        'NAME/groundtruth.txt (x, y, w, h a line)'
    )

    def _find_videos(self) -> Iterator[VideoFiles]:
        for name in self._split_names() or list_video_folders(self.data_root):
            yield self._video_in(name)

    def _video_in(self, folder: str) -> VideoFiles:
        """The video in a folder, given relative to the data root."""
        images = _first_existing(self._path(folder), 'img', 'imgs', 'color') or ''
        labels = (
            _first_existing(self._path(folder), 'groundtruth_rect.txt', 'groundtruth.txt')
            or 'groundtruth_rect.txt'
        )
        return VideoFiles(
            os.path.basename(folder),
            os.path.join(folder, images).rstrip(os.sep),
            os.path.join(folder, labels),
        )


@DATASETS.register_module()
class LaSOTSequences(SequenceDataset):
    """LaSOT and its extension: ``airplane/airplane-1/{img,groundtruth.txt}``.

    A frame is visible if neither ``full_occlusion.txt`` nor ``out_of_view.txt`` says
    otherwise.

    Args:
        data_root: Folder of the categories (or of the videos themselves).
        split: ``'train'`` or ``'test'``: the videos in ``training_set.txt`` or
            ``testing_set.txt`` in the data root, or without these files the published
            1120 and 280 videos; None for all videos, as in the extension.
        **kwargs: As :class:`SequenceDataset`.
    """

    layout = (
        'airplane/airplane-1/ with img/*.jpg, groundtruth.txt, '
        'full_occlusion.txt and out_of_view.txt'
    )
    attribute_names = LASOT_ATTRIBUTES

    def __init__(self, data_root: str, split: str | None = None, **kwargs: Any) -> None:
        if split not in ('train', 'test', None):
            raise ValueError(f"split must be 'train', 'test' or None, got {split!r}")
        super().__init__(data_root, split, **kwargs)

    def _find_videos(self) -> Iterator[VideoFiles]:
        folders = dict(self._video_folders())
        for name in self._chosen(folders):
            # A video that is not there is reported at its published place.
            folder = folders.get(name, os.path.join(name.rsplit('-', 1)[0], name))
            yield VideoFiles(
                name, os.path.join(folder, 'img'), os.path.join(folder, 'groundtruth.txt')
            )

    def _video_folders(self) -> Iterator[tuple[str, str]]:
        for name in list_video_folders(self.data_root):
            if _first_existing(self._path(name), 'groundtruth.txt', 'img'):
                yield name, name
            else:
                for video in files.list_folders(self._path(name)):
                    yield video, os.path.join(name, video)

    def _chosen(self, folders: Iterable[str]) -> Iterable[str]:
        if self.split_file is None and self.split is not None:
            published = self._path(f'{self.split}ing_set.txt')
            if os.path.exists(published):
                return files.read_names(published)
            if self.split == 'test':
                return LASOT_TEST
            return [name for name in folders if name not in LASOT_TEST]
        return self._split_names() or folders

    def _visible_flags(self, entry: VideoEntry) -> np.ndarray:
        visible = super()._visible_flags(entry)
        for flag in ('full_occlusion.txt', 'out_of_view.txt'):
            path = self._path(os.path.dirname(entry.images), flag)
            if os.path.exists(path):
                visible &= files.read_flags(path, entry.num_frames) == 0
        return visible


@DATASETS.register_module()
class GOT10kSequences(SequenceDataset):
    """GOT-10k: ``{train,val,test}/list.txt`` and a folder a video beside it.

    A frame is visible if ``absence.label`` is 0 and ``cover.label`` (0: nothing, to 8:
    all can be seen) is above 0, where these files exist.

    Args:
        data_root: Folder of ``train``, ``val`` and ``test``.
        split: ``'train'``, ``'val'`` or ``'test'``.
        split_file: Text file with the names of the videos to use, or their places in
            ``list.txt``, counted from 0, as the usual lists of the training videos
            that VOT does not contain have them.
        **kwargs: As :class:`SequenceDataset`.
    """

    split: str
    layout = (
        '{train,val,test}/list.txt and {train,val,test}/NAME/ with *.jpg, '
        'groundtruth.txt, absence.label and cover.label'
    )

    def __init__(self, data_root: str, split: str = 'train', **kwargs: Any) -> None:
        super().__init__(data_root, split, **kwargs)

    def _find_videos(self) -> Iterator[VideoFiles]:
        folder = self._path(self.split)
        if not os.path.isdir(folder):
            raise self._missing(folder)
        if os.path.exists(os.path.join(folder, 'list.txt')):
            names = files.read_names(os.path.join(folder, 'list.txt'))
        else:
            names = files.list_folders(folder)
        for name in self._chosen(names):
            video = os.path.join(self.split, name)
            yield VideoFiles(name, video, os.path.join(video, 'groundtruth.txt'))

    def _chosen(self, names: list[str]) -> list[str]:
        chosen = self._split_names()
        if chosen is None:
            return names
        if not all(name.isdecimal() for name in chosen):
            return chosen
        if max(map(int, chosen)) >= len(names):
            raise DataError(
                f'{self.split_file}: place {max(map(int, chosen))} is '
                f'asked for, but {self._path(self.split)} lists only '
                f'{len(names)} videos'
            )
        return [names[int(place)] for place in chosen]

    def _visible_flags(self, entry: VideoEntry) -> np.ndarray:
        visible = super()._visible_flags(entry)
        absence, cover = (
            self._path(entry.images, f'{flag}.label') for flag in ('absence', 'cover')
        )
        if os.path.exists(absence):
            visible &= files.read_flags(absence, entry.num_frames) == 0
        if os.path.exists(cover):
            visible &= files.read_flags(cover, entry.num_frames) > 0
        return visible


@DATASETS.register_module()
class TrackingNetSequences(SequenceDataset):
    """TrackingNet: ``TRAIN_0/{frames/NAME/0.jpg,anno/NAME.txt}`` and ``TEST``.

    Args:
        data_root: Folder of ``TRAIN_0`` ... ``TRAIN_11`` and ``TEST``.
        split: ``'train'`` for all training chunks that are there, ``'test'``, or one
            chunk by its name.
        **kwargs: As :class:`SequenceDataset`.
    """

    split: str
    layout = (
        'TRAIN_0 ... TRAIN_11 and TEST, each with frames/NAME/0.jpg, 1.jpg, ... '
        'and anno/NAME.txt'
    )

    def __init__(self, data_root: str, split: str = 'train', **kwargs: Any) -> None:
        if not re.fullmatch(r'train|test|TEST|TRAIN_\d+', split):
            raise ValueError(
                f"split must be 'train', 'test' or a chunk as 'TRAIN_0', got {split!r}"
            )
        super().__init__(data_root, split, **kwargs)

    def _find_videos(self) -> Iterator[VideoFiles]:
        chosen = self._split_names()
        for chunk in self._chunks():
            # A video may lack its frames or its boxes: both are named here, so that
            # the scan finds out.
            names = {
                os.path.splitext(name)[0]
                for name in os.listdir(self._path(chunk, 'anno'))
                if name.endswith('.txt') and not name.startswith('.')
            }
            names.update(files.list_folders(self._path(chunk, 'frames')))
            for name in sorted(names if chosen is None else names & set(chosen)):
                yield VideoFiles(
                    name,
                    os.path.join(chunk, 'frames', name),
                    os.path.join(chunk, 'anno', f'{name}.txt'),
                )

    def _chunks(self) -> list[str]:
        if self.split == 'train':
            chunks = [
                name
                for name in files.list_folders(self.data_root)
                if re.fullmatch(r'TRAIN_\d+', name)
            ] or ['TRAIN_0']
        else:
            chunks = [self.split.upper()]
        for chunk in chunks:
            for part in ('anno', 'frames'):
                if not os.path.isdir(self._path(chunk, part)):
                    raise self._missing(self._path(chunk, part))
        return chunks
