"""The side of the benchmark that tracks."""

import itertools
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmtrack.registry import DATASETS

from sstrack_mm.analysis.flops import NetworkFlops
from sstrack_mm.analysis.measure import PeakMemory, StageClock, synchronize
from sstrack_mm.analysis.side import NetworkSide, Repeat, Settings
from sstrack_mm.datasets.transforms import read_image
from sstrack_mm.structures.memory import template_indices


class TrackSide(NetworkSide):
    """Tracks in the steady state: with as many templates as there will ever be.

    Before each frame the boxes are put back to the first ones, so that crops have the
    sizes that a trained tracker cuts, whatever the weights.
    """

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        super().__init__(settings, data_root, baseline)
        test_cfg = dict(dtype=settings.dtype, compile=settings.compile)
        self.model = self._build_model(test_cfg=test_cfg).eval()
        video = DATASETS.build(self.cfg.train_dataloader.dataset.datasets[0])
        clip = video.clip_source(0)
        self.paths = itertools.cycle(clip['frame_paths'])
        image = read_image(clip['frame_paths'][0])
        self.bboxes_xywh = [
            clip['init_xywh'] + [4.0 * i, 0, 0, 0] for i in range(settings.targets)
        ]
        self.memory = PeakMemory(self.device)
        self.states = [self.model.init_state(image, box) for box in self.bboxes_xywh]
        # t // n is 2 or more from here on, and then the templates are n + 1.
        self.num_warm = 2 * self.model.test_cfg['memory_size']
        with self.memory:
            for _ in range(self.num_warm):
                self._track(image)

    def _track(self, image: np.ndarray) -> float:
        """Track all targets into a frame; return the seconds."""
        states = [
            replace(state, bbox_xywh=box)
            for state, box in zip(self.states, self.bboxes_xywh, strict=True)
        ]
        start = time.perf_counter()
        if self.baseline:
            self.states = [self.model.track_step(image, state)[0] for state in states]
        else:
            self.states = self.model.track_batch([image] * len(states), states)[0]
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
        memory_size = self.model.test_cfg['memory_size']
        flops = NetworkFlops(self.cfg.model).of_pass(
            len(template_indices(self.num_warm, memory_size)),
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
        model, clock = self.model, StageClock(self.device)
        step = model._get_step()
        compiled = step._compiled_call_impl is not None
        total = 0.0
        with ExitStack() as stack:
            stack.enter_context(clock.watch('crop', model, '_upload', '_cut'))
            stack.enter_context(
                clock.watch(
                    'network', step, '_compiled_call_impl' if compiled else 'forward'
                )
            )
            for state in self.states:
                stack.enter_context(
                    clock.watch('memory', state.memory, 'templates', 'add')
                )
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
