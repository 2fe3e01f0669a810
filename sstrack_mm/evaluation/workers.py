"""The processes that track sequences: this one, or several side by side."""

import contextlib
import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import RunFolder
from sstrack_mm.structures.track_result import ResetResult, TrackResult

TrackFn = Callable[[list[str], Any], TrackResult | ResetResult]
"""Tracks a target: from the frames' files and what it is told of the target."""


class Job(NamedTuple):
    """A sequence to track, and what the tracker is told of the target.

    That is its first box, (4,) ``x, y, w, h``: other true boxes do not leave the dataset,
    but where failures restart the tracker.
    """

    name: str
    frame_paths: list[str]
    told: Any


class Outcome(NamedTuple):
    """What became of a job; ``error`` is a traceback, or None where it went well."""

    name: str
    num_frames: int
    error: str | None = None


def track_here(
    track_fn_factory: Callable[[], TrackFn], folder: RunFolder, jobs: list[Job]
) -> Iterator[Outcome]:
    """Track sequences in this process, one after the other."""
    if jobs:
        track_fn = track_fn_factory()
        for job in jobs:
            yield track_job(track_fn, folder, job)


def track_job(track_fn: TrackFn, folder: RunFolder, job: Job) -> Outcome:
    """Track one sequence and put its result, or why it has none, on disk.

    Raises:
        FullDiskError: The disk is full.
    """
    num_frames = len(job.frame_paths)
    try:
        result = track_fn(job.frame_paths, job.told)
        result.check(num_frames)
    except Exception:
        # Whatever is wrong with one sequence must not cost the others.
        error = traceback.format_exc()
        folder.write_failure(job.name, error)
        return Outcome(job.name, num_frames, error)
    folder.write(job.name, result)
    return Outcome(job.name, num_frames)


def track_in_workers(
    track_fn_factory: Callable[[], TrackFn],
    folder: RunFolder,
    jobs: list[Job],
    workers: int,
) -> Iterator[Outcome]:
    """Track sequences in several processes, each with a tracker of its own.

    A process that dies (killed for lack of memory, say) fails the sequence it was at;
    another takes its place.

    Raises:
        FullDiskError: The disk is full.
        DataError: A process could not make its tracker, as of weights that do not fit.
        RuntimeError: It could not for another reason.
    """
    waiting = deque(jobs)
    busy: dict[Connection, tuple[BaseProcess, Job]] = {}
    try:
        while waiting or busy:
            new_workers = [
                _start_worker(track_fn_factory, folder)
                for _ in range(min(workers - len(busy), len(waiting)))
            ]
            for link, process in new_workers:
                busy[link] = process, _give(link, waiting)
            for link in set(busy).intersection(wait(list(busy))):
                process, job = busy.pop(link)
                outcome = _receive(link, process, job, folder)
                if process.is_alive() and waiting:
                    busy[link] = process, _give(link, waiting)
                else:
                    link.close()  # The worker reads the end of its jobs.
                    process.join()
                yield outcome
    finally:
        for process, _ in busy.values():
            process.terminate()
            process.join()


def _start_worker(
    track_fn_factory: Callable[[], TrackFn], folder: RunFolder
) -> tuple[Connection, BaseProcess]:
    # Spawned, since a forked process cannot use CUDA.
    context = multiprocessing.get_context('spawn')
    link, worker_link = context.Pipe()
    process = context.Process(
        target=_work, args=(worker_link, track_fn_factory, folder), daemon=True
    )
    process.start()
    # With the other end open here too, a dead worker would not be noticed.
    worker_link.close()
    return link, process


def _give(link: Connection, waiting: deque[Job]) -> Job:
    """Hand the next job to a worker."""
    job = waiting.popleft()
    # The death of a worker is noticed, and its job failed, where its answer is read.
    with contextlib.suppress(BrokenPipeError):
        link.send(job)
    return job


def _receive(
    link: Connection, process: BaseProcess, job: Job, folder: RunFolder
) -> Outcome:
    """The outcome of a job from its worker, or of the worker's death."""
    try:
        message = link.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        error = (
            f'the worker process died (exit code {process.exitcode}; -9 means it '
            'was killed, often for lack of memory)'
        )
        folder.write_failure(job.name, error)
        return Outcome(job.name, len(job.frame_paths), error)
    if isinstance(message, Exception):
        raise message
    return message


def _work(
    link: Connection, track_fn_factory: Callable[[], TrackFn], folder: RunFolder
) -> None:
    """Track what comes through the link, until it ends."""
    # Ctrl-C reaches all processes; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        track_fn = track_fn_factory()
        while True:
            link.send(track_job(track_fn, folder, link.recv()))
    except (EOFError, ConnectionError):
        return  # There are no more jobs, or the first process is gone.
    except DataError as error:  # of the weights, say, or a full disk
        link.send(error)
    except Exception:
        link.send(RuntimeError(f'a worker could not go on:\n{traceback.format_exc()}'))
