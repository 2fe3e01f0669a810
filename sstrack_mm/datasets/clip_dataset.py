"""Training clips drawn from several readers, and the sampler that numbers them."""

import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.dataset import Compose
from mmengine.dist import get_dist_info
from mmtrack.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import Dataset, Sampler

from sstrack_mm.datasets.sequence_dataset import SequenceDataset
from sstrack_mm.datasets.shards.reader import ShardedVideos
from sstrack_mm.errors import DataError

logger = logging.getLogger(__name__)

Ticket = tuple[int, int, int]
Reader = SequenceDataset | ShardedVideos


@DATASETS.register_module()
class ClipDataset(Dataset):
    """Draws a video and a donor video, and runs the pipeline on the two.

    Everything random in a clip comes from one generator, seeded by the clip's ticket
    ``(seed, epoch, number)``. So the clips depend neither on the number of workers nor
    on what was drawn before.

    Args:
        datasets: Configs of the readers
            (:class:`~sstrack_mm.datasets.sequence_dataset.SequenceDataset`).
        pipeline: Configs of the transforms. The first one gets ``rng``
            (:class:`numpy.random.Generator`), ``epoch`` (from 0) and ``videos``, the two
            drawn videos.
        weights: How often each reader is drawn from, relative to the others; None
            draws from all alike.
        labels: ``'first'``: a video comes with its first box alone, the others are not
            even read. ``'all'``: with ``gt_xywh`` and ``visible`` of every frame, for
            supervised training.
        max_bad_in_a_row: How many unusable samples are replaced before giving up.
        max_bad: How many unusable samples each worker replaces in all.
    """

    def __init__(
        self,
        datasets: Sequence[dict],
        pipeline: Sequence[dict],
        weights: Sequence[float] | None = None,
        labels: str = 'first',
        max_bad_in_a_row: int = 10,
        max_bad: int = 1000,
    ) -> None:
        if labels not in ('first', 'all'):
            raise ValueError(f"labels must be 'first' or 'all', but got {labels!r}")
        self.datasets: list[Reader] = [DATASETS.build(cfg) for cfg in datasets]
        weights = [1.0] * len(self.datasets) if weights is None else list(weights)
        if (
            len(weights) != len(self.datasets)
            or min(weights, default=0) < 0
            or sum(weights) <= 0
        ):
            raise ValueError(
                f'weights must be {len(self.datasets)} numbers that are not '
                f'negative, not all 0, but got {weights}'
            )
        self.probabilities = np.array(weights) / sum(weights)
        self.pipeline = Compose(pipeline)
        self.labels = labels
        self.max_bad_in_a_row = max_bad_in_a_row
        self.max_bad = max_bad
        self.num_bad = 0

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)

    def __getitem__(self, ticket: Ticket) -> dict:
        """Make the clip of a ticket.

        Raises:
            DataError: Too many samples were unusable; the message names the last one.
        """
        for attempt in range(self.max_bad_in_a_row):
            try:
                return self._draw(ticket, attempt)
            except DataError as error:
                self.num_bad += 1
                last_error = error
                logger.warning(
                    'clip %s, attempt %d: %s; drawing another one',
                    ticket,
                    attempt + 1,
                    f'{error}',
                )
                if self.num_bad > self.max_bad:
                    raise DataError(
                        f'{self.num_bad} unusable samples in this worker '
                        f'(max_bad={self.max_bad}); the last one: {error}'
                    ) from error
        raise DataError(
            f'{self.max_bad_in_a_row} unusable samples in a row '
            f'(max_bad_in_a_row); the last one: {last_error}'
        ) from last_error

    def _draw(self, ticket: Ticket, attempt: int) -> dict:
        rng = np.random.default_rng([*ticket, attempt])
        dataset = self.datasets[rng.choice(len(self.datasets), p=self.probabilities)]
        window = range(len(dataset))
        if isinstance(dataset, ShardedVideos) and attempt == 0:  # else it may be broken
            window = dataset.window(ticket)
        place = int(rng.integers(len(window)))
        donor = place
        if len(window) > 1:
            donor = (place + 1 + int(rng.integers(len(window) - 1))) % len(window)
        videos = [self._read(dataset, window[place]), dataset.clip_source(window[donor])]
        return self.pipeline(dict(rng=rng, epoch=ticket[1], videos=videos))

    def _read(self, dataset: Reader, index: int) -> dict:
        video = dataset.clip_source(index)
        if self.labels == 'all':
            sequence = dataset.sequence(index)
            video.update(gt_xywh=sequence.gt_xywh, visible=sequence.visible)
        return video


@DATA_SAMPLERS.register_module()
class ClipSampler(Sampler):
    """Numbers the clips of an epoch and deals them out to the ranks.

    The clips of an epoch are the same whatever the number of ranks; each rank gets
    every ``world_size``-th of them. The clips that all ranks together have had of an
    epoch are therefore its first ones, and their count says where to go on, on any
    number of ranks (:class:`~sstrack_mm.engine.hooks.training_hooks.ClipPositionHook`).

    Args:
        dataset: A :class:`ClipDataset`.
        samples_per_epoch: Clips of all ranks together; rounded up to fill them.
        seed: The same on every rank.

    Attributes:
        start: How many clips of the epoch are left out, the first ones.
    """

    def __init__(
        self, dataset: ClipDataset, samples_per_epoch: int, seed: int | None = 0
    ) -> None:
        if samples_per_epoch < 1:
            raise ValueError(
                f'samples_per_epoch must be positive, but got {samples_per_epoch}'
            )
        self.rank, self.world_size = get_dist_info()
        self.samples_per_epoch = samples_per_epoch
        self.seed = 0 if seed is None else seed
        self.epoch = 0
        self.start = 0

    def __iter__(self) -> Iterator[Ticket]:
        first = self.start + self.rank
        for i in range(len(self)):
            yield self.seed, self.epoch, first + i * self.world_size

    def __len__(self) -> int:
        return math.ceil(max(self.samples_per_epoch - self.start, 0) / self.world_size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the clips of another epoch, without its first ``start``."""
        self.epoch, self.start = epoch, start
