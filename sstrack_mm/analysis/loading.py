"""The side of the benchmark that loads training clips."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner

from sstrack_mm.analysis.measure import StageClock
from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import Repeat, load_config

_NUM_CLIPS = 20


class DataSide:
    """Reads batches from the configured loader."""

    def __init__(self, settings: Settings, data_root: Path, baseline: bool) -> None:
        loader_cfg = load_config(settings, data_root).train_dataloader
        # Far more than the workers can have ready before the clock starts.
        num_batches = max(8, 4 * loader_cfg.num_workers)
        loader_cfg.sampler.samples_per_epoch = settings.batch_size * num_batches
        loader_cfg.batch_size = settings.batch_size
        self.loader = Runner.build_dataloader(loader_cfg, seed=0)
        self.repeat()  # the workers start

    def repeat(self) -> Repeat:
        """Read all batches."""
        seconds, start = [], time.perf_counter()
        for _ in self.loader:
            now = time.perf_counter()
            seconds.append(now - start)
            start = now
        return Repeat(seconds, None)

    def finish(self) -> dict[str, Any]:
        """Milliseconds a clip of each transform, in one process."""
        dataset = self.loader.dataset
        clock = StageClock(torch.device('cpu'))
        with ExitStack() as stack:
            for transform in dataset.pipeline.transforms:
                name = type(transform).__name__
                stack.enter_context(clock.watch(name, transform, 'transform'))
            for i in range(_NUM_CLIPS):
                dataset[(1, 0, i)]
        return dict(
            workers=self.loader.num_workers,
            stages_ms={
                stage: 1000 * seconds / _NUM_CLIPS
                for stage, seconds in clock.seconds.items()
            },
        )
