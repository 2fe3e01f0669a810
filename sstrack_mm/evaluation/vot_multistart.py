"""VOT's multi-start experiment, for stacks of the vot-toolkit.

VOT2020 to VOT2022 start a tracker at several anchor frames of each sequence, and let it
run from there forwards to the end, or backwards to the start. The toolkit's own
experiment of this kind cannot run a tracker in its versions 0.8 and 0.9 ("ObjectQuery.
state must be a Region"), though its analyses work. The stacks in ``tools/vot`` name the
class here instead; its results have the names and the format of the toolkit's.
"""

from collections.abc import Callable

from vot.dataset import Sequence
from vot.dataset.proxy import FrameMapSequence
from vot.experiment.multistart import MultiStartExperiment, find_anchors
from vot.region import Special
from vot.tracker import OnlineTrackerRuntime, Tracker, Trajectory


def anchor_runs(sequence: Sequence, anchor: str) -> dict[int, list[int]]:
    """The frames that are tracked from each anchor on, forward anchors first.

    Args:
        sequence: The sequence of N frames.
        anchor: Name of the value that is above 0 in frames to start forwards from,
            and below 0 in frames to start backwards from.

    Returns:
        dict[int, list[int]]: By anchor, the frames in the order of tracking, itself
        first.

    Raises:
        ValueError: The sequence has no anchor.
    """
    forward, backward = find_anchors(sequence, anchor)
    runs = {start: list(range(start, len(sequence))) for start in forward}
    runs |= {start: list(range(start, -1, -1)) for start in backward}
    if not runs:
        raise ValueError(f'{sequence.name}: no frame is an anchor ({anchor}.value)')
    return runs


class MultiStart(MultiStartExperiment):
    """The toolkit's experiment, by an execution that works; settings as there."""

    def execute(
        self,
        tracker: Tracker,
        sequence: Sequence,
        force: bool = False,
        callback: Callable[[float], None] | None = None,
    ) -> None:
        """Track from every anchor whose result is not there yet.

        Args:
            tracker: The tracker.
            sequence: The sequence.
            force: Track again what is there.
            callback: Is told the part that is done, after each run.
        """
        results = self.results(tracker, sequence)
        runs = anchor_runs(sequence, self.anchor)
        with self._get_runtime(tracker, sequence) as runtime:
            for number, (start, frames) in enumerate(runs.items(), start=1):
                name = f'{sequence.name}_{start:08d}'
                if force or not Trajectory.exists(results, name):
                    run = FrameMapSequence(sequence, frames)
                    self._track(runtime, run).write(results, name)
                if callback is not None:
                    callback(number / len(runs))

    def _track(self, runtime: OnlineTrackerRuntime, run: Sequence) -> Trajectory:
        """Track through frames, from the true region in the first."""
        trajectory = Trajectory(len(run))
        _, seconds = runtime.initialize(run.frame(0), [self._get_initialization(run, 0)])
        trajectory.set(0, Special(Trajectory.INITIALIZATION), dict(time=seconds))
        for place in range(1, len(run)):
            (status,), seconds = runtime.update(run.frame(place), [])
            trajectory.set(place, status.region, dict(time=seconds))
        return trajectory
