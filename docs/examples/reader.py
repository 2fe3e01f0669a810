"""A reader of one's own folder layout."""

from collections.abc import Iterator
from pathlib import Path

from mmtrack.registry import DATASETS

from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.sequence_reader import VideoFiles


@DATASETS.register_module()
class CameraSequences(SequenceDataset):
    """``CAMERA/DAY/*.jpg`` with ``CAMERA/DAY.txt`` beside it, x, y, w, h a line."""

    layout = 'CAMERA/DAY/*.jpg and CAMERA/DAY.txt (x, y, w, h a line)'

    def _find_videos(self) -> Iterator[VideoFiles]:
        for labels in sorted(Path(self.data_root).glob('*/*.txt')):
            images = labels.with_suffix('').relative_to(self.data_root)
            name = '-'.join(images.parts)
            yield VideoFiles(name, str(images), f'{images}.txt')
