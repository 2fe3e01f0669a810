"""Clocks and scales: matrix-product rate, peak memory, time by stage."""

import platform
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import timm
import torch

from sstrack_mm.version import __version__

_SAMPLING_SECONDS = 0.002


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all it was given."""
    if device.type != 'cpu':
        getattr(torch, device.type).synchronize(device)


def matmul_rate(device: torch.device, dtype: torch.dtype, seconds: float = 0.2) -> float:
    """FLOP/s of square matrix products: what the device reaches at its best.

    Args:
        device: Where.
        dtype: Of the matrices.
        seconds: For how long, after a first product.

    Returns:
        float: The best of the products' rates.
    """
    size = 2048 if device.type == 'cpu' else 8192
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    matrix @ matrix
    best, end = float('inf'), time.perf_counter() + seconds
    while best == float('inf') or time.perf_counter() < end:
        synchronize(device)
        start = time.perf_counter()
        matrix @ matrix
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


class PeakMemory:
    """Most bytes in use at a time, above those in use when this was made.

    It counts while it is entered as a context, which it can be several times. On CUDA it
    asks the allocator. Elsewhere it samples the memory of the process (RSS) in a
    thread, so only one side may run in a process.

    Args:
        device: Whose memory.

    Attributes:
        peak: Bytes above the start.
    """

    def __init__(self, device: torch.device) -> None:
        self.peak = 0
        self._device = device
        self._process = psutil.Process()
        self._start = self._in_use()

    def _in_use(self) -> int:
        if self._device.type == 'cuda':
            return torch.cuda.memory_allocated(self._device)
        return self._process.memory_info().rss

    def __enter__(self) -> 'PeakMemory':
        if self._device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._device.type == 'cuda':
            self._update(torch.cuda.max_memory_allocated(self._device))
        else:
            self._stop.set()
            self._thread.join()
            self._update(self._in_use())

    def _sample(self) -> None:
        while not self._stop.wait(_SAMPLING_SECONDS):
            self._update(self._in_use())

    def _update(self, in_use: int) -> None:
        self.peak = max(self.peak, in_use - self._start)


class StageClock:
    """Adds up the time spent in some methods of some objects.

    Args:
        device: It is waited for after each call, so that its work counts there.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def watch(self, stage: str, owner: Any, *methods: str) -> Iterator[None]:
        """Count what an object's methods take towards a stage, while in this context."""
        originals = {method: getattr(owner, method) for method in methods}
        for method, original in originals.items():
            setattr(owner, method, self._timed(stage, original))
        try:
            yield
        finally:
            for method, original in originals.items():
                setattr(owner, method, original)

    def _timed(self, stage: str, function: Callable) -> Callable:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **kwargs)
            synchronize(self.device)
            self.seconds[stage] += time.perf_counter() - start
            return result

        return timed


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the 95th percentile, in milliseconds."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return dict(p50=float(p50), p95=float(p95))


def spread(values: Sequence[float]) -> float:
    """How far apart repeats are: the largest less the least, over the median."""
    return float((max(values) - min(values)) / np.median(values))


def describe_machine(device: torch.device) -> dict[str, Any]:
    """The device, the number of threads and the versions that a figure belongs to."""
    versions = dict(
        python=platform.python_version(),
        sstrack_mm=__version__,
        torch=torch.__version__,  # with the build's CUDA
        timm=timm.__version__,
        numpy=np.__version__,
        opencv=cv2.__version__,
    )
    return dict(
        device=torch.cuda.get_device_name(device) if device.type == 'cuda' else _cpu(),
        threads=torch.get_num_threads(),
        platform=platform.platform(),
        versions=versions,
        date=time.strftime('%Y-%m-%d'),
    )


def _cpu() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(':')[1].strip() for line in lines if 'model name' in line]
    return names[0] if names else platform.processor() or platform.machine()
