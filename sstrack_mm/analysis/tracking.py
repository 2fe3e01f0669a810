"""The side of the benchmark that tracks."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.analysis.flops import NetworkFlops
from sstrack_mm.analysis.measure import PeakMemory, StageClock, synchronize
from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import NetworkSide, Repeat
from sstrack_mm.apis import Tracker
from sstrack_mm.frames import read_image
from sstrack_mm.tracking.memory import num_steady_templates, steady_frame

# Frames of the steady state before the clock starts: a compiler's first are slow.
_NUM_WARM = 3


class TrackSide(NetworkSide):
    """Tracks in the steady state: with as many templates as there will ever be.

    Before each frame the boxes are put back to the first ones, so that crops have the
    sizes that a trained tracker cuts, whatever the weights.
    """

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        super().__init__(settings, data_root, baseline)
        self.tracker = self._make_tracker()
        video = DATASETS.build(self.cfg.train_dataloader.dataset.datasets[0])
        clip = video.clip_source(0)
        self.paths = itertools.cycle(clip['frame_paths'])
        image = read_image(clip['frame_paths'][0])
        self.bboxes_xywh = [
            clip['init_xywh'] + [4.0 * i, 0, 0, 0] for i in range(settings.targets)
        ]
        self.memory = PeakMemory(self.device)
        self.states = [self.tracker.init_state(image, box) for box in self.bboxes_xywh]
        with self.memory:
            for _ in range(steady_frame(self.model.settings.memory_size) + _NUM_WARM):
                self._track(image)

    def _make_tracker(self) -> Tracker:
        """The model, which tracks; another kind of tracker may stand for it."""
        test_cfg = dict(dtype=self.settings.dtype, compile=self.settings.compile)
        self.model = self._build_model(test_cfg=test_cfg).eval()
        return self.model

    def _track(self, image: np.ndarray) -> float:
        """Track all targets into a frame; return the seconds."""
        states = [
            replace(state, bbox_xywh=box)
            for state, box in zip(self.states, self.bboxes_xywh, strict=True)
        ]
        start = time.perf_counter()
        if self.baseline:
            self.states = [self.tracker.track_step(image, state) for state in states]
        else:
            self.states = self.tracker.track_batch([image] * len(states), states)
        synchronize(self.device)
        return time.perf_counter() - start

    def repeat(self) -> Repeat:
        """Track through the frames once."""
        images = (read_image(next(self.paths)) for _ in range(self.settings.frames))
        with self.memory:
            seconds = [self._track(image) for image in images]
        return Repeat(seconds, self._matmul_rate())

    def finish(self) -> dict[str, Any]:
        """What was not asked of every repeat: memory, time by stage, FLOPs."""
        flops = NetworkFlops(self.cfg.model).of_pass(
            num_steady_templates(self.model.settings.memory_size),
            self.model.backbone.keep_ratio,
        )
        return dict(
            peak_memory=self.memory.peak,
            parameters=sum(p.numel() for p in self.model.parameters()),
            flops=flops * self.settings.targets,
            stages_ms=self._time_stages(),
        )

    def _time_stages(self) -> dict[str, float]:
        """Milliseconds a frame of each stage; the rest is post-processing."""
        clock, total = StageClock(self.device), 0.0
        with ExitStack() as stack:
            for stage, owner, *methods in self._stages():
                stack.enter_context(clock.watch(stage, owner, *methods))
            for _ in range(self.settings.frames):
                start = time.perf_counter()
                image = read_image(next(self.paths))
                clock.seconds['decode'] += time.perf_counter() - start
                total += self._track(image)
        seconds = {stage: clock.seconds[stage] for stage in ('crop', 'network', 'memory')}
        seconds['post-processing'] = total - sum(seconds.values())
        seconds['decode'] = clock.seconds['decode']
        return {
            stage: 1000 * value / self.settings.frames for stage, value in seconds.items()
        }

    def _stages(self) -> Iterator[tuple[Any, ...]]:
        """Name, object and methods of each stage of a frame."""
        for state in self.states:
            yield 'memory', state.memory, 'templates', 'add'
        engine = self.tracker.engine
        yield 'crop', engine, 'load', 'cut_search', 'cut_templates'
        yield 'network', engine, 'step'
