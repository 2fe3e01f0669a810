"""One annotated video, as evaluation sees it."""

from dataclasses import dataclass

import numpy as np

from sstrack_mm.errors import DataError


@dataclass(frozen=True)
class VideoSequence:
    """The frames of a video and the labels of its one target.

    Attributes:
        name: The name the dataset gives to the video.
        frame_paths: The image files of the N frames, in order.
        gt_xywh: True boxes, (N, 4) float64 ``x, y, w, h`` in image pixels; (1, 4)
            where only the first frame is labelled (the test sets of servers); (0, 4)
            where none is (raw video).
        visible: (N,) bool, the dataset's own word on whether the target can be seen;
            True where it says nothing of a labelled frame.
        attributes: The challenges the dataset names for the video.

    Raises:
        DataError: The video has no frames, or its labels fit neither all frames, nor
            the first one alone, nor none.
    """

    name: str
    frame_paths: list[str]
    gt_xywh: np.ndarray
    visible: np.ndarray
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        num_frames = len(self.frame_paths)
        if num_frames == 0:
            raise DataError(f'{self.name}: the video has no frames')
        if self.gt_xywh.shape not in {(num_frames, 4), (1, 4), (0, 4)}:
            raise DataError(
                f'{self.name}: {num_frames} frames, but boxes of shape '
                f'{self.gt_xywh.shape}; expected one a frame, the first alone, or none'
            )
        if self.visible.shape != (num_frames,):
            raise DataError(
                f'{self.name}: {num_frames} frames, but visibility of shape '
                f'{self.visible.shape}'
            )

    def __len__(self) -> int:
        return len(self.frame_paths)

    @property
    def has_full_gt(self) -> bool:
        """bool: Whether every frame is labelled."""
        return len(self.gt_xywh) == len(self.frame_paths)
