"""The video with its boxes, as the command and the page write it."""

import queue
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sstrack_mm.frames import Frame
from sstrack_mm.structures.target_box import TRACKED, TargetBox
from sstrack_mm.visualization.draw import BOX_COLORS, Color, draw_boxes
from sstrack_mm.visualization.video_writer import VideoWriter

DEFAULT_FPS = 25.0
"""Of what does not tell how many frames a second it has."""

_DEPTH = 4  # frames that wait to be written


class DrawnVideo:
    """Draws boxes and writes the video, in a thread of its own.

    A frame that could not be decoded shows the one before. A target keeps its colour, and
    its name says so where it is not TRACKED.

    Args:
        path: The mp4 file; its folder is made if need be.
        size_wh: Of the frames; small ones are enlarged.
        fps: Frames a second; where they differ, the times of the frames count.
        sound_of: A video file to take the sound from.

    Raises:
        DataError: The file cannot be written.
    """

    def __init__(
        self, path: Path, size_wh: tuple[int, int], fps: float, sound_of: str | None
    ) -> None:
        width, height = size_wh
        self._picture = np.zeros((height, width, 3), np.uint8)
        self._colors: dict[str, Color] = {}
        drawn = draw_boxes(self._picture, {})
        self._writer = VideoWriter(path, drawn.shape[1::-1], fps, sound_of)
        self._waiting: queue.Queue[tuple[Frame, Sequence[TargetBox]] | None]
        self._waiting = queue.Queue(_DEPTH)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, frame: Frame, boxes: Sequence[TargetBox]) -> None:
        """Hand a frame over.

        Args:
            frame: The frame.
            boxes: Of the targets in it.

        Raises:
            DataError: An earlier one could not be written.
        """
        if self._error is not None:
            raise self._error
        self._waiting.put((frame, boxes))

    def __enter__(self) -> 'DrawnVideo':
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        """Write what is handed over; after an error, only take it."""
        at_end = False
        try:
            with self._writer as writer:
                while (item := self._waiting.get()) is not None:
                    frame, boxes = item
                    writer.write(self._draw(frame, boxes), frame.time_s)
                at_end = True
        except Exception as error:  # raised where the frames are handed over
            self._error = error
            while not at_end:
                at_end = self._waiting.get() is None

    def _draw(self, frame: Frame, boxes: Sequence[TargetBox]) -> np.ndarray:
        """A frame with its boxes; what could not be decoded shows the one before."""
        if frame.image is not None:
            self._picture = frame.image
        named = {
            box.target if box.state == TRACKED else f'{box.target} {box.state}': box
            for box in boxes
        }
        return draw_boxes(
            self._picture,
            {name: np.array(box.bbox_xywh) for name, box in named.items()},
            [self._color(box.target) for box in named.values()],
            score=min((box.score for box in boxes), default=None),
            frame_id=frame.index,
        )

    def _color(self, target: str) -> Color:
        """The colours go round the targets in the order in which they come."""
        place = len(self._colors) % len(BOX_COLORS)
        return self._colors.setdefault(target, BOX_COLORS[place])
