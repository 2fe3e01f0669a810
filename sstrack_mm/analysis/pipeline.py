"""The sides of the benchmark that measure what is around the network.

``track_video`` against mmtrack's own path, and ``track_file`` against the same work done
one thing after another.
"""

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmtrack.apis import inference_sot
from mmtrack.registry import DATASETS

from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import Repeat, load_config
from sstrack_mm.apis import init_model, iter_frames, iter_track, track_file
from sstrack_mm.frames import open_frames, read_image
from sstrack_mm.structures.target_box import TargetBox
from sstrack_mm.visualization.draw import draw_boxes
from sstrack_mm.visualization.drawn_video import DEFAULT_FPS
from sstrack_mm.visualization.video_writer import VideoWriter, write_video


class _ClipSide:
    """The tracker, the frames of a procedural video, and the first box."""

    def __init__(self, settings: Settings, data_root: Path) -> None:
        self.settings = settings
        cfg = load_config(settings, data_root)
        cfg.model.test_cfg.update(dtype=settings.dtype, compile=settings.compile)
        self.model = init_model(cfg, device=settings.device)
        video = DATASETS.build(cfg.train_dataloader.dataset.datasets[0])
        clip = video.clip_source(0)
        self.frames = [read_image(path) for path in clip['frame_paths']]
        self.init_bbox_xywh = clip['init_xywh']


class PipelineSide(_ClipSide):
    """Tracks through frames in memory, by ``iter_track`` or by ``inference_sot``.

    The network is the same; what differs is what is around it.
    """

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        super().__init__(settings, data_root)
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


class FileSide(_ClipSide):
    """Decodes, tracks, draws and writes: side by side, or one after another.

    The baseline does with each frame all that is to be done before it reads the next. On
    both sides the decoder and the encoder have threads of their own.
    """

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        super().__init__(settings, data_root)
        folder = data_root / ('baseline' if baseline else 'ours')
        self.video, self.out = folder / 'video.mp4', folder / 'tracked'
        there_and_back = itertools.cycle([*self.frames, *reversed(self.frames)])
        write_video(self.video, itertools.islice(there_and_back, settings.frames))
        self.track = self._one_after_another if baseline else self._side_by_side
        self.repeat()

    def _side_by_side(self) -> None:
        x, y, w, h = (float(value) for value in self.init_bbox_xywh)
        start = TargetBox(0, 0.0, 'target', (x, y, w, h), 1.0)
        track_file(self.model, open_frames(self.video), [start], self.out)

    def _one_after_another(self) -> None:
        images, shown = itertools.tee(iter_frames(self.video))
        tracked = iter_track(self.model, images, self.init_bbox_xywh)
        size_wh = self.settings.frame_size
        with VideoWriter(self.out / 'track.mp4', size_wh, DEFAULT_FPS) as writer:
            for index, (state, _) in enumerate(tracked):
                boxes = {'target': state.bbox_xywh}
                drawn = draw_boxes(next(shown), boxes, score=state.score, scale=1)
                writer.write(drawn, index / DEFAULT_FPS)

    def repeat(self) -> Repeat:
        """Take the video through once; all frames count alike."""
        start = time.perf_counter()
        self.track()
        mean = (time.perf_counter() - start) / self.settings.frames
        return Repeat([mean] * self.settings.frames, None)

    def finish(self) -> dict[str, Any]:
        """The way that was taken."""
        baseline = self.track == self._one_after_another
        return dict(way='one after another' if baseline else 'side by side')
