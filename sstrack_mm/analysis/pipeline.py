"""The side of the benchmark that compares ``track_video`` with mmtrack's own path."""

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmtrack.apis import inference_sot
from mmtrack.registry import DATASETS

from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import Repeat, load_config
from sstrack_mm.apis import init_model, iter_track
from sstrack_mm.frames import read_image


class PipelineSide:
    """Tracks through frames in memory, by ``iter_track`` or by ``inference_sot``.

    The network is the same; what differs is what is around it.
    """

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        self.settings = settings
        cfg = load_config(settings, data_root)
        cfg.model.test_cfg.update(dtype=settings.dtype, compile=settings.compile)
        self.model = init_model(cfg, device=settings.device)
        video = DATASETS.build(cfg.train_dataloader.dataset.datasets[0])
        clip = video.clip_source(0)
        self.frames = [read_image(path) for path in clip['frame_paths']]
        self.init_bbox_xywh = clip['init_xywh']
        self.track = self._track_by_mmtrack if baseline else self._track_directly
        self.repeat()

    def _track_directly(self) -> list[float]:
        """Seconds of each frame but the first."""
        frames = itertools.islice(itertools.cycle(self.frames), self.settings.frames + 1)
        track = iter_track(self.model, frames, self.init_bbox_xywh)
        seconds: list[float] = []
        while True:
            start = time.perf_counter()
            if next(track, None) is None:
                return seconds[1:]
            seconds.append(time.perf_counter() - start)

    def _track_by_mmtrack(self) -> list[float]:
        """Seconds of each frame but the first."""
        x, y, w, h = self.init_bbox_xywh
        init_bbox_xyxy = np.array([x, y, x + w, y + h])
        frames_bgr = [frame[..., ::-1].copy() for frame in self.frames]
        seconds = []
        for frame_id, frame in zip(
            range(self.settings.frames + 1), itertools.cycle(frames_bgr), strict=False
        ):
            start = time.perf_counter()
            inference_sot(self.model, frame, init_bbox_xyxy, frame_id)
            seconds.append(time.perf_counter() - start)
        return seconds[1:]

    def repeat(self) -> Repeat:
        """Track through the frames once."""
        return Repeat(self.track(), None)

    def finish(self) -> dict[str, Any]:
        """The path that was taken."""
        baseline = self.track == self._track_by_mmtrack
        return dict(path='inference_sot' if baseline else 'track_video')
