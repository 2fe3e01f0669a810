"""Readers of the datasets that only evaluation uses, with all their oddities."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.datasets import files, tables
from sstrack_mm.datasets.index import VideoEntry, file_state
from sstrack_mm.datasets.readers import FolderSequences, list_video_folders
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles


@DATASETS.register_module()
class OTBSequences(SequenceDataset):
    """OTB100: ``Basketball/{img,groundtruth_rect.txt}``.

    Some videos use a part of their folder; Jogging and Skating2 have two targets in
    ``groundtruth_rect.1.txt`` and ``.2.txt``, which become ``Jogging.1``,
    ``Jogging.2``, ...; of Human4's two files one is empty, which leaves ``Human4.2``.
    Tiger1 starts at its sixth frame, as in the OTB toolkit. Arguments as
    :class:`SequenceDataset`; a split file names folders.
    """

    layout = 'Basketball/ with img/*.jpg and groundtruth_rect.txt, and 97 folders more'
    attribute_names = tables.OTB100_ATTRIBUTES
    attribute_files = ('anno/att/{name}.txt', 'att/{name}.txt')

    def _find_videos(self) -> Iterator[VideoFiles]:
        for folder in self._split_names() or tables.OTB100:
            for suffix in self._targets(folder):
                yield VideoFiles(
                    f'{folder}{suffix}',
                    os.path.join(folder, 'img'),
                    os.path.join(folder, f'groundtruth_rect{suffix}.txt'),
                    *tables.OTB100_FRAMES.get(folder, ()),
                )

    def _targets(self, folder: str) -> list[str]:
        """The suffixes that tell a folder's box files apart: '', or '.1', '.2', ..."""
        paths = Path(self._path(folder)).glob('groundtruth_rect.[0-9].txt')
        return [
            Path(path.stem).suffix for path in sorted(paths) if path.read_text().strip()
        ] or ['']

    def _box_lines(
        self, video: VideoFiles | VideoEntry, num_frames: int
    ) -> list[tuple[int, str]]:
        lines = super()._box_lines(video, num_frames)
        return lines[tables.OTB100_OMITTED_BOXES.get(video.name, 0) :]


@DATASETS.register_module()
class UAV123Sequences(SequenceDataset):
    """UAV123: ``anno/UAV123/bird1_2.txt`` and ``data_seq/UAV123/bird1/*.jpg``.

    The parts of a long video share its folder of frames. Arguments as
    :class:`SequenceDataset`.
    """

    layout = 'anno/UAV123/bird1_1.txt, ... and data_seq/UAV123/bird1/000001.jpg, ...'
    attribute_names = tables.UAV123_ATTRIBUTES
    attribute_files = ('anno/UAV123/att/{name}.txt',)

    def _find_videos(self) -> Iterator[VideoFiles]:
        for name in self._split_names() or tables.UAV123:
            folder = tables.uav123_folder(name)
            yield VideoFiles(
                name,
                os.path.join('data_seq', 'UAV123', folder),
                os.path.join('anno', 'UAV123', f'{name}.txt'),
                *tables.UAV123.get(name, ()),
            )


@DATASETS.register_module()
class TC128Sequences(SequenceDataset):
    """Temple-Color-128: ``Ball_ce1/{img,Ball_ce1_gt.txt,Ball_ce1_frames.txt}``.

    ``_frames.txt`` holds the numbers of the first and the last frame. Arguments as
    :class:`SequenceDataset`.
    """

    layout = 'NAME/ with img/*.jpg, NAME_gt.txt and NAME_frames.txt'

    def _find_videos(self) -> Iterator[VideoFiles]:
        for name in self._split_names() or list_video_folders(self.data_root):
            yield VideoFiles(
                name, os.path.join(name, 'img'), os.path.join(name, f'{name}_gt.txt')
            )

    def _range_file(self, name: str) -> str:
        return self._path(name, f'{name}_frames.txt')

    def _data_state(self) -> Iterator[object]:
        yield from super()._data_state()
        for video in self._find_videos():
            yield file_state(self._range_file(video.name))

    def _scan_video(self, video: VideoFiles) -> VideoEntry:
        range_file = self._range_file(video.name)
        if os.path.exists(range_file):
            first, last = files.read_flags(range_file, 2).tolist()
            video = video._replace(first=first, last=last)
        return super()._scan_video(video)


def parse_nfs_box(line: str) -> files.Box:
    """Parse ``id x1 y1 x2 y2 frame lost occluded generated "label"``."""
    values = files.parse_numbers(line.split('"')[0])
    if len(values) < 5:
        raise ValueError('expected an identity and x1, y1, x2, y2')
    x1, y1, x2, y2 = values[1:5]
    return x1, y1, x2 - x1, y2 - y1


@DATASETS.register_module()
class NFSSequences(SequenceDataset):
    """Need for Speed: ``airboard_1/30/{airboard_1/*.jpg,airboard_1.txt}``.

    Some box files of the 30 Hz frames hold the boxes of all 240 Hz frames, and some
    box files are one line longer or shorter than their video; what has no partner is
    left out.

    Args:
        data_root: Folder of the videos.
        split: ``'30'`` or ``'240'``, the frame rate in Hz.
        **kwargs: As :class:`SequenceDataset`.
    """

    split: str
    layout = 'NAME/30/NAME/*.jpg and NAME/30/NAME.txt, and the same below NAME/240'
    parse_box = staticmethod(parse_nfs_box)
    spare_frames = 1

    def __init__(self, data_root: str, split: str = '30', **kwargs: Any) -> None:
        if split not in ('30', '240'):
            raise ValueError(f"split must be '30' or '240', got {split!r}")
        super().__init__(data_root, split, **kwargs)

    def _find_videos(self) -> Iterator[VideoFiles]:
        for name in self._split_names() or list_video_folders(self.data_root):
            # The archives hold a folder of their own name; it may be there twice.
            nested = os.path.join(name, name)
            rate = os.path.join(
                nested if os.path.isdir(self._path(nested)) else name, self.split
            )
            yield VideoFiles(
                name, os.path.join(rate, name), os.path.join(rate, f'{name}.txt')
            )

    def _box_lines(
        self, video: VideoFiles | VideoEntry, num_frames: int
    ) -> list[tuple[int, str]]:
        lines = super()._box_lines(video, num_frames)
        if abs(len(lines) / num_frames - 8) < 1:
            lines = lines[::8]
        return lines[:num_frames] if len(lines) == num_frames + 1 else lines


@DATASETS.register_module()
class ITBSequences(FolderSequences):
    """ITB: ``SCENARIO/NAME/{*.jpg,groundtruth.txt}``; the scenario is the attribute."""

    layout = 'SCENARIO/NAME/ with *.jpg and groundtruth.txt'

    def _find_videos(self) -> Iterator[VideoFiles]:
        chosen = self._split_names()
        for scenario in list_video_folders(self.data_root):
            for name in files.list_folders(self._path(scenario)):
                if chosen is None or name in chosen:
                    yield self._video_in(os.path.join(scenario, name))

    def _attributes(self, entry: VideoEntry) -> tuple[str, ...]:
        return (entry.images.split(os.sep)[0],)


def parse_vot_box(line: str) -> files.Box:
    """Parse one line of a VOT file to the axis-aligned box of its region.

    Raises:
        ValueError: The line is neither a polygon of four corners nor a rectangle.
    """
    if line.startswith('m'):
        raise ValueError(
            'this is a mask, as VOT uses them since 2020; evaluate on '
            'these videos with the vot-toolkit'
        )
    return files.parse_box(line)


def parse_vot_polygon(line: str) -> list[float]:
    """Parse one line of a VOT file to the corners ``x1, y1, ... x4, y4``."""
    x, y, w, h = parse_vot_box(line)
    values = files.parse_numbers(line)
    return values if len(values) == 8 else [x, y, x + w, y, x + w, y + h, x, y + h]


@DATASETS.register_module()
class VOTSequences(FolderSequences):
    """VOT up to 2019: ``list.txt`` and ``NAME/{color/*.jpg,groundtruth.txt}``.

    The frames may also be in ``NAME`` itself, and everything in ``sequences``, as in a
    workspace of the vot-toolkit. The boxes are the axis-aligned boxes of the polygons
    in the files; :meth:`polygons` has them as they are. A video's attributes are those
    of its per-frame ``*.tag`` files that apply to any frame. Arguments as
    :class:`SequenceDataset`.
    """

    layout = (
        'list.txt and NAME/ with color/*.jpg (or *.jpg) and groundtruth.txt, all '
        'of it perhaps in sequences/'
    )
    parse_box = staticmethod(parse_vot_box)

    def _find_videos(self) -> Iterator[VideoFiles]:
        base = 'sequences' if os.path.isdir(self._path('sequences')) else ''
        listed = self._path(base, 'list.txt')
        names = self._split_names()
        if names is None and os.path.exists(listed):
            names = files.read_names(listed)
        for name in names or list_video_folders(self._path(base)):
            yield self._video_in(os.path.join(base, name))

    def polygons(self, idx: int) -> np.ndarray:
        """The regions of a video, (N, 8) float64 ``x1, y1, ... x4, y4``."""
        return self._parse_labels(self.index[idx], parse_vot_polygon)

    def _attributes(self, entry: VideoEntry) -> tuple[str, ...]:
        tags = sorted(Path(self._path(entry.labels or entry.images)).parent.glob('*.tag'))
        return tuple(tag.stem for tag in tags if any(map(float, tag.read_text().split())))


@DATASETS.register_module()
class TNL2KSequences(FolderSequences):
    """TNL2K: ``NAME/{imgs/*,groundtruth.txt}``. Arguments as FolderSequences."""

    layout = 'NAME/imgs/* and NAME/groundtruth.txt'
    attribute_names = tables.TNL2K_ATTRIBUTES
    attribute_files = ('att/{name}_attribute.txt', 'annos/att/{name}_attribute.txt')
