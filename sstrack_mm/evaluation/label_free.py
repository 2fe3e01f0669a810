"""Measures of a tracker that need no label: how well it finds its way back, and whether
its features and boxes say anything at all."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sstrack_mm.datasets.transforms.loading import Place, read_frames
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.metrics import overlaps

if TYPE_CHECKING:
    from sstrack_mm.models.trackers.one_stream import OneStreamTracker

logger = logging.getLogger(__name__)


class Clip(NamedTuple):
    """A part of a video with a first box that somebody proposed.

    Attributes:
        frames: (H, W, 3) uint8 RGB.
        bbox_xywh: (4,) the first box, in pixels.
        offset: (2,) by how many sides of the target the search on the way back starts
            beside it, in x and y.
    """

    frames: list[np.ndarray]
    bbox_xywh: np.ndarray
    offset: np.ndarray


@dataclasses.dataclass
class LabelFree:
    """What :func:`measure` found.

    Attributes:
        overlap: Of the first box with the one that is found again on the way back, mean
            over the clips, 0 to 1.
        entropy: Of the score maps as distributions, over that of a flat one, 0 to 1.
        feature_std: Of the track queries, scaled to length 1, over the clips: 0 where
            all are the same, near 1 where they have nothing in common.
        effective_rank: Number of directions in which the track queries differ.
        box_std: Of the predicted place and size in the search window, over the clips, in
            sides of the target.
        moved: Share of the way back to the target that was gone, median, 0 for boxes
            that stay where the search starts, 1 where they return.
    """

    overlap: float
    entropy: float
    feature_std: float
    effective_rank: float
    box_std: float
    moved: float

    def as_dict(self) -> dict[str, float]:
        """The measures by name."""
        return dataclasses.asdict(self)


def draw_clips(
    dataset: Any, proposer: Any, num_clips: int, length: int, stride: int, seed: int = 0
) -> list[Clip]:
    """Draw clips from videos without labels, the same ones every time.

    Those that cannot be read, or whose frames differ in size, are left out.

    Args:
        dataset: A reader such as :class:`~sstrack_mm.datasets.VideoFolder`.
        proposer: Names the first boxes, see :mod:`sstrack_mm.datasets.proposals`.
        num_clips: How many.
        length: Frames of a clip.
        stride: From frame to frame of a clip, in frames of the video; less in short ones.
        seed: Of the choice.

    Raises:
        DataError: In ten times as many places there are not as many clips.
    """
    clips: list[Clip] = []
    unread = ''
    for number in range(10 * num_clips):
        rng = np.random.default_rng([seed, number])
        try:
            chosen, frames = _read_clip(dataset, rng, length, stride)
        except DataError as error:
            logger.warning('%s; drawing another clip', f'{error}')
            unread = f', or they cannot be read (the last one: {error})'
            continue
        if len(frames) < 2 or len({frame.shape for frame in frames}) > 1:
            continue
        bbox_xywh = proposer.propose(rng, frames[:2], chosen[:2])
        if bbox_xywh is None:
            continue
        angle = rng.uniform(0, 2 * np.pi)
        offset = rng.uniform(0.5, 1.0) * np.array([np.cos(angle), np.sin(angle)])
        clips.append(Clip(frames, bbox_xywh, offset))
        if len(clips) == num_clips:
            return clips
    raise DataError(
        f'only {len(clips)} of {num_clips} clips to measure on were found: '
        f'{type(proposer).__name__} names no box in most places of these videos{unread}. '
        'Take other videos, fewer clips (num_clips), or another proposer (PatchProposer)'
    )


def _read_clip(
    dataset: Any, rng: np.random.Generator, length: int, stride: int
) -> tuple[list[Place], list[np.ndarray]]:
    """The places of a clip and its frames."""
    places = dataset.clip_source(int(rng.integers(len(dataset))))['frame_paths']
    step = max(1, min(stride, (len(places) - 1) // max(length - 1, 1)))
    first = int(rng.integers(max(len(places) - step * (length - 1), 1)))
    stop = min(first + step * length, len(places))
    chosen = [places[i] for i in range(first, stop, step)]
    images = read_frames(chosen)
    return chosen, [images[place] for place in chosen]


class Trace(NamedTuple):
    """How one clip was tracked.

    Attributes:
        bboxes_xywh: (N, 4) boxes on the way forward, in pixels; the first is given.
        overlap: Of the first box with the one that was found again.
        entropy: Mean of the score maps, see :func:`map_entropy`.
        query: (C,) the last track query.
        box: (4,) centre in the search window, width and height of the box that was
            found again, in sides of the target.
        moved: Share of the way back to the target that was gone.
    """

    bboxes_xywh: np.ndarray
    overlap: float
    entropy: float
    query: np.ndarray
    box: np.ndarray
    moved: float


@torch.no_grad()
def trace_clips(model: 'OneStreamTracker', clips: Sequence[Clip]) -> list[Trace]:
    """Track each clip forward, then look for the first box again in its first frame.

    On the way back the target is known by what was tracked last, and the search starts
    beside the first box: a tracker that stays where it is does not return.

    Args:
        model: The tracker; its mode is left as it was.
        clips: Of :func:`draw_clips`.
    """
    training = model.training
    model.eval()
    try:
        return [_trace_clip(model, clip) for clip in clips]
    finally:
        model.train(training)


def measure(model: 'OneStreamTracker', clips: Sequence[Clip]) -> LabelFree:
    """Trace the clips (:func:`trace_clips`), and summarise how they were tracked."""
    traces = trace_clips(model, clips)
    queries = np.stack([trace.query for trace in traces])
    return LabelFree(
        overlap=float(np.mean([trace.overlap for trace in traces])),
        entropy=float(np.mean([trace.entropy for trace in traces])),
        feature_std=feature_std(queries),
        effective_rank=effective_rank(queries),
        box_std=float(np.stack([trace.box for trace in traces]).std(axis=0).mean()),
        moved=float(np.median([trace.moved for trace in traces])),
    )


def _trace_clip(model: 'OneStreamTracker', clip: Clip) -> Trace:
    """Trace one clip."""
    state = model.init_state(clip.frames[0], clip.bbox_xywh)
    bboxes_xywh = [state.bbox_xywh]
    side = np.sqrt(clip.bbox_xywh[2:].prod())
    shift = clip.offset * side
    start_xywh = clip.bbox_xywh + np.concatenate([shift, [0, 0]])
    with _recorded(model) as record:
        for frame in clip.frames[1:]:
            state = model.track_step(frame, state)
            bboxes_xywh.append(state.bbox_xywh)
        back = model.init_state(clip.frames[-1], state.bbox_xywh)
        back = dataclasses.replace(back, bbox_xywh=start_xywh)
        found = model.track_step(clip.frames[0], back).bbox_xywh
    way = found[:2] + found[2:] / 2 - (start_xywh[:2] + start_xywh[2:] / 2)
    return Trace(
        np.stack(bboxes_xywh),
        float(overlaps(found[None], clip.bbox_xywh[None])[0]),
        float(np.mean([map_entropy(one) for one in record['score_map']])),
        record['query'][-1].float().cpu().numpy(),
        np.concatenate([way, found[2:]]) / side,
        float(-way @ shift / (shift @ shift)),
    )


@contextmanager
def _recorded(model: 'OneStreamTracker') -> Iterator[dict[str, list[Tensor]]]:
    """The score maps and track queries of all passes of the network meanwhile."""
    record: dict[str, list[Tensor]] = dict(score_map=[], query=[])
    hooks = [
        model.head.register_forward_hook(
            lambda _, args, maps: record['score_map'].append(maps['score_map'][0])
        ),
        model.backbone.register_forward_hook(
            lambda _, args, output: record['query'].append(output.query[0, 0])
        ),
    ]
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


def map_entropy(score_map: Tensor) -> float:
    """Entropy of a (1, F, F) map of scores, normalised to sum 1, over log F²: 0 to 1."""
    share = score_map.double().flatten()
    share = share / share.sum()
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return float(entropy / np.log(len(share)))


def feature_std(features: np.ndarray) -> float:
    """See :class:`LabelFree`.

    Args:
        features: (N, C).
    """
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    return float(np.sqrt(unit.var(axis=0).sum()))


def effective_rank(features: np.ndarray) -> float:
    """Exponential of the entropy of the singular values' shares (Roy & Vetterli, 2007).

    Args:
        features: (N, C); their mean is taken away first. All the same: 0.
    """
    values = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    if values.max() < 1e-6 * max(np.abs(features).max(), 1e-12):
        return 0.0
    share = values[values > 0] / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
