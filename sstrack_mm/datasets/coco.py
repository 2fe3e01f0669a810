"""COCO's objects as videos of one image."""

import json
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.datasets.index import VideoEntry, file_state
from sstrack_mm.datasets.scan import Found
from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles
from sstrack_mm.errors import DataError


@DATASETS.register_module()
class COCOSequences(SequenceDataset):
    """COCO detection: every annotated object, no crowd, is a clip of one image.

    Args:
        data_root: Folder of ``annotations`` and the images.
        split: Name of the image folder, ``train2017/`` or ``images/train2017/``.
        ann_file: Annotations, relative to the data root; default
            ``annotations/instances_{split}.json``.
        **kwargs: As :class:`SequenceDataset`.
    """

    split: str
    layout = (
        'annotations/instances_train2017.json and the images in train2017/ or '
        'images/train2017/'
    )

    def __init__(
        self, data_root: str, split: str = 'train2017', ann_file: str = '', **kwargs: Any
    ) -> None:
        ann_file = ann_file or os.path.join('annotations', f'instances_{split}.json')
        self.ann_file = os.path.join(data_root, ann_file)
        super().__init__(data_root, split, **kwargs)

    def _owner(self) -> tuple[Any, ...]:
        return (*super()._owner(), self.ann_file)

    def _image_folder(self) -> str:
        """The folder of the images, relative to the data root."""
        for folder in (self.split, os.path.join('images', self.split)):
            if os.path.isdir(self._path(folder)):
                return folder
        raise self._missing(self._path(self.split))

    def _data_state(self) -> Iterator[object]:
        folder = self._image_folder()
        yield folder, file_state(self._path(folder)), file_state(self.ann_file)

    def scan_videos(self) -> Iterator[Found]:
        """See :meth:`SequenceDataset.scan_videos`.

        The images are not looked at; objects of the same one follow each other.
        """
        for entry in sorted(self._scan([]), key=lambda entry: entry.images):
            yield VideoFiles(entry.name, entry.images, entry.labels), entry

    def _scan(self, complaints: list[str]) -> Iterator[VideoEntry]:
        """Read the annotations; unusable objects are part of COCO, and left out."""
        try:
            with open(self.ann_file, encoding='utf-8') as file:
                content = json.load(file)
            images = {image['id']: image['file_name'] for image in content['images']}
            annotations = content['annotations']
        except FileNotFoundError:
            raise DataError(
                f'{self.ann_file}: no such annotation file; expected {self.layout}'
            ) from None
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(
                f'{self.ann_file}: not the annotations of COCO objects ({error!r})'
            ) from None
        folder = self._image_folder()
        count = 0
        for annotation in annotations:
            x, y, width, height = map(float, annotation['bbox'])
            if annotation.get('iscrowd', 0) or not (
                math.isfinite(x + y + width + height) and min(width, height) > 0
            ):
                continue
            image = images.get(annotation['image_id'])
            if image is None:
                raise DataError(
                    f'{self.ann_file}: annotation {annotation["id"]} is of the image '
                    f'{annotation["image_id"]}, which is not among its images'
                )
            name = f'{os.path.splitext(image)[0]}_{annotation["id"]}'
            yield VideoEntry(
                name, os.path.join(folder, image), None, 0, 1, (x, y, width, height)
            )
            count += 1
        if not count:
            raise DataError(f'{self.ann_file}: no usable object in it')

    def _frame_paths(self, entry: VideoEntry) -> list[str]:
        return [self._path(entry.images)]

    def _read_boxes(self, entry: VideoEntry) -> np.ndarray:
        return np.array([entry.init_xywh])
