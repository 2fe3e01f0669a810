"""What ``Runner.test()`` runs: whole sequences, evaluated as by ``tools/test.py``."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from mmtrack.registry import LOOPS, METRICS

from sstrack_mm.apis.video import track_video
from sstrack_mm.evaluation import METRIC_GROUPS, evaluate
from sstrack_mm.evaluation.conventions import CONVENTIONS, USUAL_CONVENTIONS
from sstrack_mm.evaluation.runner import first_box


@METRICS.register_module()
class SequenceMetric(BaseMetric):
    """The metrics of boxes of whole sequences.

    Args:
        groups: Of :data:`~sstrack_mm.evaluation.METRIC_GROUPS`: ``'OPE'``, ``'AO'``.
        convention: Evaluate under this one instead of the usual one of each group.
        collect_device: Where the results of several ranks are gathered.
        prefix: As :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(
        self,
        groups: Sequence[str] = ('OPE',),
        convention: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        if not groups or not set(groups) <= set(METRIC_GROUPS):
            raise ValueError(f'groups must be some of {[*METRIC_GROUPS]}, got {groups}')
        if convention not in (None, *CONVENTIONS):
            raise ValueError(
                f'convention must be None or one of {[*CONVENTIONS]}, got {convention!r}'
            )
        self.groups = groups
        self.convention = convention

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Note tracked sequences: of each, ``sequence`` and ``bboxes_xywh`` (N, 4)."""
        self.results += data_samples

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """The metrics of all sequences, in percent."""
        sequences = [result['sequence'] for result in results]
        bboxes_xywh = {each['sequence'].name: each['bboxes_xywh'] for each in results}
        values = {}
        for group in self.groups:
            convention = self.convention or USUAL_CONVENTIONS[group]
            report = evaluate(bboxes_xywh, sequences, convention)
            values.update({name: report.metrics[name] for name in METRIC_GROUPS[group]})
        return values


@LOOPS.register_module()
class SequenceTestLoop(BaseLoop):
    """Tracks each sequence of a dataset from its first box.

    Args:
        runner: The runner.
        dataloader: Of a :class:`~sstrack_mm.datasets.SequenceDataset`; its sampler deals
            the sequences out to the ranks.
        evaluator: Config of the metrics, :class:`SequenceMetric`.
    """

    def __init__(self, runner: Runner, dataloader: dict, evaluator: dict) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = runner.build_evaluator(evaluator)

    def run(self) -> dict[str, float]:
        """Track all sequences and return the metrics."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        model.eval()
        dataset = self.dataloader.dataset
        for idx in self.dataloader.sampler:
            sequence = dataset.sequence(idx)
            result = track_video(model, sequence.frame_paths, first_box(sequence))
            tracked = dict(sequence=sequence, bboxes_xywh=result.bboxes_xywh)
            self.evaluator.process(data_samples=[tracked])
        metrics = self.evaluator.evaluate(len(dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics
