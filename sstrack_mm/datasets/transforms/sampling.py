"""Which frames make a clip; no pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.errors import DataError


@TRANSFORMS.register_module()
class SampleSelfSupervisedClip(BaseTransform):
    """Choose the labelled frame, and later ones to track through.

    The labelled frame is the first of the video, with the only box that is used of it.
    Of a video without a box (NaN) any frame may be the first of the clip. A video with
    fewer later frames than are asked for repeats some; an image (a video of one frame)
    is repeated as a clip.

    Required Keys: rng, videos (of each: video, frame_paths, init_xywh)

    Added Keys: frame_ids (list[int], the labelled frame first), frame_paths,
    bboxes_xywh ((K, 4) float64, NaN where the box is not known), roles (positions in
    the clip of the ``template``, ``search`` and ``view`` frames, and of the last one, the
    ``neighbour``, where one is asked for), synthetic (bool)

    Args:
        num_search: Frames to track through; without any, the target is looked for with
            the template of the labelled frame itself.
        num_views: Grounding views of the labelled frame.
        max_gap: How many frames after the labelled one they may lie.
        synthesis_prob: Probability that the clip gets its target from another video.
        neighbour_gap: How many frames after the first one the neighbour lies that a
            proposer of its box compares it with; 0 for no neighbour.
    """

    def __init__(
        self,
        num_search: int = 3,
        num_views: int = 2,
        max_gap: int = 400,
        synthesis_prob: float = 0.5,
        neighbour_gap: int = 0,
    ) -> None:
        if not 0 <= synthesis_prob <= 1:
            raise ValueError(
                f'synthesis_prob must be in [0, 1], but got {synthesis_prob}'
            )
        if min(num_search + 1, num_views, max_gap, neighbour_gap + 1) < 1:
            raise ValueError(
                f'num_views and max_gap must be positive, but got {num_views} and '
                f'{max_gap}; num_search and neighbour_gap must not be negative, but got '
                f'{num_search} and {neighbour_gap}'
            )
        self.num_search = num_search
        self.num_views = num_views
        self.max_gap = max_gap
        self.synthesis_prob = synthesis_prob
        self.neighbour_gap = neighbour_gap

    def transform(self, results: dict) -> dict:
        """Choose the frames."""
        rng, video = results['rng'], results['videos'][0]
        num_frames, first = len(video['frame_paths']), 0
        if np.isnan(video['init_xywh']).any():
            first = int(rng.integers(max(num_frames - self.neighbour_gap, 1)))
        last = min(num_frames - 1, first + self.max_gap)
        later = draw_sorted(
            rng, np.arange(min(first + 1, last), last + 1), self.num_search
        )
        frame_ids = [first, *later]
        roles = dict(
            template=[0],
            search=list(range(1, len(frame_ids))),
            view=[0] * self.num_views,
        )
        if self.neighbour_gap:
            roles['neighbour'] = [len(frame_ids)]
            frame_ids.append(min(first + self.neighbour_gap, num_frames - 1))
        bboxes_xywh = np.full((len(frame_ids), 4), np.nan)
        bboxes_xywh[0] = video['init_xywh']
        return results | dict(
            frame_ids=frame_ids,
            frame_paths=[video['frame_paths'][i] for i in frame_ids],
            bboxes_xywh=bboxes_xywh,
            roles=roles,
            synthetic=bool(rng.random() < self.synthesis_prob),
        )


@TRANSFORMS.register_module()
class SampleSupervisedClip(BaseTransform):
    """Choose labelled templates, and later labelled views (as ODTrack does).

    Required Keys: rng, videos (of the first also: gt_xywh, visible)

    Added Keys: as :class:`SampleSelfSupervisedClip`; there are no search frames, and
    the clip is never a synthesised one

    Args:
        num_templates: Frames that serve as templates.
        num_views: Later frames in which the target is to be found.
        max_gap: Span of the templates, and of the views after the last of them.
    """

    def __init__(
        self, num_templates: int = 3, num_views: int = 2, max_gap: int = 400
    ) -> None:
        if min(num_templates, num_views, max_gap) < 1:
            raise ValueError(
                'num_templates, num_views and max_gap must be positive, but '
                f'got {num_templates}, {num_views} and {max_gap}'
            )
        self.num_templates = num_templates
        self.num_views = num_views
        self.max_gap = max_gap

    def transform(self, results: dict) -> dict:
        """Choose the frames."""
        rng, video = results['rng'], results['videos'][0]
        gt_xywh, num_frames = video['gt_xywh'], len(video['frame_paths'])
        if len(gt_xywh) != num_frames:
            raise DataError(
                f'{video["video"]}: {len(gt_xywh)} boxes for {num_frames} '
                'frames; supervised training needs boxes of all frames'
            )
        valid = np.isfinite(gt_xywh).all(axis=1) & (gt_xywh[:, 2:] > 0).all(axis=1)
        usable = np.flatnonzero(video['visible'] & valid)
        if len(usable) == 0:
            raise DataError(f'{video["video"]}: no frame in which the target is visible')
        # The last template leaves a later frame for the views where there is one.
        last = usable[rng.integers(max(len(usable) - 1, 1))]
        past = usable[(usable <= last) & (usable >= last - self.max_gap)]
        future = usable[(usable > last) & (usable <= last + self.max_gap)]
        templates = draw_sorted(rng, past, self.num_templates - 1) + [int(last)]
        views = draw_sorted(rng, future if len(future) else usable[-1:], self.num_views)
        frame_ids = sorted(templates) + views
        num_templates = len(templates)
        return results | dict(
            frame_ids=frame_ids,
            frame_paths=[video['frame_paths'][i] for i in frame_ids],
            bboxes_xywh=gt_xywh[frame_ids].astype(float),
            roles=dict(
                template=list(range(num_templates)),
                search=[],
                view=list(range(num_templates, len(frame_ids))),
            ),
            synthetic=False,
        )


def draw_sorted(
    rng: np.random.Generator, choices: Sequence[int] | np.ndarray, number: int
) -> list[int]:
    """Draw numbers in ascending order, repeating some only where there are too few.

    Args:
        rng: Source of randomness.
        choices: (N,) what to draw from.
        number: How many to draw.
    """
    options: dict[str, Any] = dict(replace=len(choices) < number)
    return sorted(int(i) for i in rng.choice(choices, number, **options))
