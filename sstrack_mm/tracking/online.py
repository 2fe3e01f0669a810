"""The loop: from frame to frame, for one target or several at once."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import box_from_crop, target_window
from sstrack_mm.tracking.engine import Engine
from sstrack_mm.tracking.memory import TemplateMemory
from sstrack_mm.tracking.policy import measure_error, update_box
from sstrack_mm.tracking.settings import TrackSettings
from sstrack_mm.tracking.state import Status, TrackState


class OnlineTracker:
    """Tracks with templates from the past, a track query and a window on the score map.

    It holds nothing of a video: that is in its states.

    Args:
        engine: Runs the network.
        settings: How to track.

    Attributes:
        engine: As given.
        settings: As given; others may take their place.
    """

    def __init__(self, engine: Engine, settings: TrackSettings) -> None:
        self.engine = engine
        self.settings = settings

    def init_state(self, image_rgb: np.ndarray, bbox_xywh: np.ndarray) -> TrackState:
        """Start to track a target.

        Args:
            image_rgb: (H, W, 3) uint8, the first frame.
            bbox_xywh: (4,) the target's box in image pixels.

        Returns:
            TrackState: With this very box and score 1; to hand to :meth:`track_step`
            with the next frame.

        Raises:
            ValueError: The image is not (H, W, 3) uint8.
            DataError: The box has no area inside the image.
        """
        bbox_xywh = _as_box(bbox_xywh)
        _check_image(image_rgb)
        _check_first_box(image_rgb, bbox_xywh)
        settings = self.settings
        frame = self.engine.load(image_rgb)
        (crop,) = self.engine.cut_templates(
            [frame], [bbox_xywh], settings.template_factor
        )
        memory = TemplateMemory(settings.memory_size, settings.memory_budget)
        memory.add(crop)
        query = self.engine.zero_query()
        error = self._calibrate(frame, bbox_xywh, crop) if settings.calibration else None
        return TrackState(bbox_xywh, 1.0, Status.TRACKED, query, memory, error=error)

    def _calibrate(self, frame: Any, bbox_xywh: np.ndarray, crop: Any) -> np.ndarray:
        """Look for the target where it is known to be: the (4,) error of its box."""
        engine, factor = self.engine, self.settings.search_factor
        found = engine.step(
            [[crop]],
            engine.cut_search([frame], [bbox_xywh], factor),
            [engine.zero_query()],
        )
        size = engine.search_size
        resize_factor = size / target_window(bbox_xywh, factor)[2]
        found_xywh = box_from_crop(
            found.bboxes_cxcywh_norm[0], bbox_xywh, resize_factor, size
        )
        return measure_error(found_xywh, bbox_xywh)

    def track_step(self, image_rgb: np.ndarray, state: TrackState) -> TrackState:
        """Track one target into the next frame.

        Args:
            image_rgb: (H, W, 3) uint8.
            state: Of the frame before. Its memory passes on to the new state, so it
                must not be used again.

        Returns:
            TrackState: With the box and the score of this frame.

        Raises:
            ValueError: The image is not (H, W, 3) uint8.
        """
        return self.track_batch([image_rgb], [state])[0]

    def track_batch(
        self, images_rgb: Sequence[np.ndarray], states: Sequence[TrackState]
    ) -> list[TrackState]:
        """Track several targets, of one video or of several, into their next frames.

        Targets with equally many templates share one pass of the network: in the
        steady state, all of them.

        Args:
            images_rgb: The (H, W, 3) uint8 frame of each target. Targets of one video
                share one array.
            states: Of the frames before, as in :meth:`track_step`.

        Returns:
            list[TrackState]: The new states.

        Raises:
            ValueError: An image is not (H, W, 3) uint8, or there are not as many images
                as states.
        """
        if len(images_rgb) != len(states):
            raise ValueError(f'{len(images_rgb)} images for {len(states)} targets')
        frames = self._load(images_rgb)
        tracked: dict[int, TrackState] = {}
        for group in group_equal(state.memory.num_templates for state in states):
            stepped = self._track_group(
                [frames[i] for i in group],
                [images_rgb[i].shape[1::-1] for i in group],
                [states[i] for i in group],
            )
            tracked.update(zip(group, stepped, strict=True))
        return [tracked[i] for i in range(len(states))]

    def _load(self, images_rgb: Sequence[np.ndarray]) -> list[Any]:
        """The engine's frames; what is one array becomes one frame."""
        frames: dict[int, Any] = {}
        for image in images_rgb:
            if id(image) not in frames:
                _check_image(image)
                frames[id(image)] = self.engine.load(image)
        return [frames[id(image)] for image in images_rgb]

    def _track_group(
        self, frames: list[Any], sizes_wh: list[Any], states: list[TrackState]
    ) -> list[TrackState]:
        """Track targets with equally many templates in one pass."""
        engine, settings = self.engine, self.settings
        last = [state.bbox_xywh for state in states]
        found = engine.step(
            [state.memory.templates() for state in states],
            engine.cut_search(frames, last, settings.search_factor),
            [state.query for state in states],
        )
        bboxes = [
            update_box(
                bbox, state.bbox_xywh, engine.search_size, image_wh, settings, state.error
            )
            for bbox, state, image_wh in zip(
                found.bboxes_cxcywh_norm, states, sizes_wh, strict=True
            )
        ]
        crops = engine.cut_templates(frames, bboxes, settings.template_factor)
        stepped = []
        for state, bbox_xywh, score, query, crop in zip(
            states, bboxes, found.scores, found.queries, crops, strict=True
        ):
            state.memory.add(crop)
            stepped.append(
                TrackState(
                    bbox_xywh,
                    float(score),
                    Status.TRACKED,
                    query,
                    state.memory,
                    state.frame_id + 1,
                    state.error,
                )
            )
        return stepped


def group_equal(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions with equal keys, together."""
    groups: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _check_image(image: np.ndarray) -> None:
    """Raise ValueError unless a frame is (H, W, 3) uint8."""
    if not isinstance(image, np.ndarray):
        raise ValueError(
            'a frame must be an (H, W, 3) uint8 RGB array, but got '
            f'{type(image).__module__}.{type(image).__qualname__}'
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            'a frame must be an (H, W, 3) uint8 RGB array, but got shape '
            f'{image.shape} of {image.dtype}'
        )


def _as_box(bbox_xywh: Any) -> np.ndarray:
    """A box as a float64 array, of whatever shape."""
    try:
        return np.array(bbox_xywh, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f'a box must be 4 numbers, x, y, w, h, but got {bbox_xywh!r}'
        ) from None


def _check_first_box(image: np.ndarray, bbox_xywh: np.ndarray) -> None:
    """Raise DataError unless a (4,) box has an area inside its (H, W, 3) image."""
    height, width = image.shape[:2]
    if bbox_xywh.shape != (4,):
        raise DataError(
            f'the first box must be 4 numbers, x, y, w, h, but got {bbox_xywh.tolist()} '
            f'of shape {bbox_xywh.shape}'
        )
    x, y, w, h = bbox_xywh
    if not (w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0):
        raise DataError(
            f'the first box xywh=({x:g}, {y:g}, {w:g}, {h:g}) has no area '
            f'inside the {width}x{height} image'
        )
