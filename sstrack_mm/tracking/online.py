"""The loop: from frame to frame, for one target or several at once."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import box_from_crop, target_window
from sstrack_mm.tracking.engine import Engine, StepOutput
from sstrack_mm.tracking.memory import TemplateMemory
from sstrack_mm.tracking.policy import measure_error, update_box
from sstrack_mm.tracking.presence import (
    Judge,
    find_again,
    follow,
    lay_tiles,
    measure_signals,
    start_watch,
)
from sstrack_mm.tracking.settings import TrackSettings
from sstrack_mm.tracking.state import Status, TrackState, Watch

_TILES = 4  # that are looked at in each frame in which a target is lost


class OnlineTracker:
    """Tracks with templates from the past, a track query and a window on the score map.

    It holds nothing of a video: that is in its states.

    Args:
        engine: Runs the network.
        settings: How to track.
        judge: Judges what is found where the settings' ``presence`` is on.

    Attributes:
        engine: As given.
        settings: As given; others may take their place.
        judge: As given; likewise.
    """

    def __init__(
        self, engine: Engine, settings: TrackSettings, judge: Judge | None = None
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.judge = judge

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
            DataError: The box has no area inside the image, or frames are to be judged
                and there is no judge.
        """
        bbox_xywh = _as_box(bbox_xywh)
        _check_image(image_rgb)
        _check_first_box(image_rgb, bbox_xywh)
        settings = self.settings
        frame = self.engine.load(image_rgb)
        (crop,) = self._cut_templates([frame], [bbox_xywh])
        memory = TemplateMemory(settings.memory_size, settings.memory_budget)
        memory.add(crop)
        state = TrackState(
            bbox_xywh, 1.0, Status.TRACKED, self.engine.zero_query(), memory
        )
        if settings.calibration or settings.presence:
            self._know(state, frame, image_rgb)
        return state

    def _know(self, state: TrackState, frame: Any, image_rgb: np.ndarray) -> None:
        """Look for the target where it is known to be, and keep what that teaches."""
        settings, bbox_xywh = self.settings, state.bbox_xywh
        found = self._look(frame, [bbox_xywh], state.memory.first, settings.presence)
        if settings.calibration:
            (found_xywh,) = self._to_image(found.bboxes_cxcywh_norm, [bbox_xywh])
            state.error = measure_error(found_xywh, bbox_xywh)
        if settings.presence:
            self._need_judge()
            state.confidence = 1.0
            state.watch = start_watch(found, bbox_xywh, image_rgb)

    def _need_judge(self) -> Judge:
        if self.judge is None:
            raise DataError(
                'presence=True needs a calibrated checkpoint, and this one is not: run '
                'tools/analysis_tools/presence.py, or set presence=False'
            )
        return self.judge

    def _look(
        self,
        frame: Any,
        bboxes_xywh: Sequence[np.ndarray],
        template: Any,
        with_evidence: bool,
    ) -> StepOutput:
        """Look around some boxes of a frame for the target of one template."""
        engine, count = self.engine, len(bboxes_xywh)
        return self._step(
            [[template]] * count,
            engine.cut_search([frame] * count, bboxes_xywh, self.settings.search_factor),
            [engine.zero_query()] * count,
            with_evidence,
        )

    def _cut_templates(
        self, frames: Sequence[Any], bboxes_xywh: Sequence[np.ndarray]
    ) -> list[Any]:
        """The engine's templates; one that cannot shade need not take the word."""
        cut, settings = self.engine.cut_templates, self.settings
        if settings.shade_context:
            return cut(frames, bboxes_xywh, settings.template_factor, shade=True)
        return cut(frames, bboxes_xywh, settings.template_factor)

    def _step(
        self, templates: Any, search: Any, queries: Any, with_evidence: bool
    ) -> StepOutput:
        """The engine's step; one that knows of no evidence need not take the word."""
        if with_evidence:
            return self.engine.step(templates, search, queries, with_evidence=True)
        return self.engine.step(templates, search, queries)

    def _to_image(
        self, bboxes_cxcywh_norm: np.ndarray, around_xywh: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """What was found around some boxes: (4,) xywh boxes in image pixels."""
        size, factor = self.engine.search_size, self.settings.search_factor
        return [
            box_from_crop(bbox, around, size / target_window(around, factor)[2], size)
            for bbox, around in zip(bboxes_cxcywh_norm, around_xywh, strict=True)
        ]

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
        for group in group_equal(map(self._kind, states)):
            stepped = self._track_group(
                [frames[i] for i in group],
                [images_rgb[i] for i in group],
                [states[i] for i in group],
            )
            tracked.update(zip(group, stepped, strict=True))
        for i, last in enumerate(states):
            if last.status is tracked[i].status is Status.LOST:
                tracked[i] = self._search(frames[i], images_rgb[i], tracked[i])
        return [tracked[i] for i in range(len(states))]

    def _load(self, images_rgb: Sequence[np.ndarray]) -> list[Any]:
        """The engine's frames; what is one array becomes one frame."""
        frames: dict[int, Any] = {}
        for image in images_rgb:
            if id(image) not in frames:
                _check_image(image)
                frames[id(image)] = self.engine.load(image)
        return [frames[id(image)] for image in images_rgb]

    def _kind(self, state: TrackState) -> Hashable:
        """What the targets of one pass have in common: templates, and being judged."""
        judged = self.settings.presence and state.watch is not None
        return state.memory.num_templates, judged

    def _track_group(
        self,
        frames: list[Any],
        images_rgb: list[np.ndarray],
        states: list[TrackState],
    ) -> list[TrackState]:
        """Track targets of one kind in one pass."""
        engine, settings = self.engine, self.settings
        last = [state.bbox_xywh for state in states]
        found = self._step(
            [state.memory.templates() for state in states],
            engine.cut_search(frames, last, settings.search_factor),
            [state.query for state in states],
            settings.presence and states[0].watch is not None,
        )
        bboxes = [
            update_box(
                bbox,
                state.bbox_xywh,
                engine.search_size,
                image.shape[1::-1],
                settings,
                state.error,
            )
            for bbox, state, image in zip(
                found.bboxes_cxcywh_norm, states, images_rgb, strict=True
            )
        ]
        crops = self._cut_templates(frames, bboxes)
        stepped = []
        for i, (state, crop) in enumerate(zip(states, crops, strict=True)):
            new = replace(
                state,
                bbox_xywh=bboxes[i],
                score=float(found.scores[i]),
                status=Status.TRACKED,
                query=found.queries[i],
                frame_id=state.frame_id + 1,
                confidence=None,
                watch=None,
            )
            if found.evidence is not None and state.watch is not None:
                self._judge(new, state, found, i, images_rgb[i])
            if new.status is Status.TRACKED:
                state.memory.add(crop)
            stepped.append(new)
        return stepped

    def _judge(
        self,
        new: TrackState,
        last: TrackState,
        found: StepOutput,
        index: int,
        image_rgb: np.ndarray,
    ) -> None:
        """Give the state of a followed target its confidence, status and watch."""
        watch: Any = last.watch
        signals = measure_signals(
            found, index, watch, new.bbox_xywh, image_rgb, last.bbox_xywh
        )
        judge = self._need_judge()
        new.confidence = judge.confidence(signals, new.bbox_xywh, False)
        new.status, new.watch = follow(
            watch,
            last.status,
            new.confidence,
            signals,
            found,
            index,
            new.bbox_xywh,
            judge.accept,
        )

    def _search(self, frame: Any, image_rgb: np.ndarray, state: TrackState) -> TrackState:
        """Look for a lost target: at its candidate, else in further tiles of the image.

        Args:
            frame: The engine's.
            image_rgb: (H, W, 3) uint8.
            state: Of this frame. Its box, where following the target leads, is a guess.

        Returns:
            TrackState: The same, or that of the target that was found again.
        """
        watch: Any = state.watch
        image_wh = image_rgb.shape[1::-1]
        center, watch = self._next_candidate(frame, image_wh, watch, state.memory.first)
        # Looked at again, in the middle of a window, at the size that the target had.
        wh = watch.trusted_xywh[2:]
        around = np.concatenate([center - 0.5 * wh, wh])
        found = self._look(frame, [around], state.memory.first, True)
        bbox_xywh = update_box(
            found.bboxes_cxcywh_norm[0],
            around,
            self.engine.search_size,
            image_wh,
            self.settings,
            state.error,
        )
        signals = measure_signals(found, 0, watch, bbox_xywh, image_rgb)
        judge = self._need_judge()
        confidence = judge.confidence(signals, bbox_xywh, True)
        status, watch = find_again(watch, confidence >= judge.accept, bbox_xywh)
        if status is Status.LOST:
            return replace(state, watch=watch)
        return replace(
            state,
            bbox_xywh=bbox_xywh,
            score=float(found.scores[0]),
            status=status,
            query=found.queries[0],
            confidence=confidence,
            watch=watch,
        )

    def _next_candidate(
        self, frame: Any, image_wh: tuple[int, int], watch: Watch, template: Any
    ) -> tuple[np.ndarray, Watch]:
        """The (2,) centre of what may be a lost target, and what was looked at."""
        if watch.candidate_xywh is not None:
            return watch.candidate_xywh[:2] + 0.5 * watch.candidate_xywh[2:], watch
        tiles = lay_tiles(image_wh, watch.trusted_xywh, self.settings.search_factor)
        due = (watch.looked + np.arange(min(_TILES, len(tiles)))) % len(tiles)
        places = [watch.trusted_xywh, *tiles[due]]
        evidence: Any = self._look(frame, places, template, True).evidence
        best = int(evidence.anywhere_scores.argmax())
        (bbox_xywh,) = self._to_image(
            evidence.anywhere_cxcywh_norm[[best]], [places[best]]
        )
        watch = replace(watch, looked=watch.looked + len(due))
        return bbox_xywh[:2] + 0.5 * bbox_xywh[2:], watch


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
