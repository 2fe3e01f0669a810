"""Vary, jitter and crop the boxes of a clip; letterbox its search frames."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import boxes_to_crop, crop_full_frame, crop_target


@TRANSFORMS.register_module()
class VaryBoxes(BaseTransform):
    """Take boxes that are looser or tighter than those given, alike in all frames.

    Boxes of what was pasted are tight. Those that people draw hold a shadow, or no arms;
    what they are to hold is for the template to say, if it is shaded around its box.

    Required Keys: rng, bboxes_xywh

    Modified Keys: bboxes_xywh

    Args:
        scale: Each side is multiplied by ``exp(N(0, scale))``.
        shift: The centre moves by ``N(0, shift)`` sides, per axis.
    """

    def __init__(self, scale: float = 0.15, shift: float = 0.04) -> None:
        self.scale = scale
        self.shift = shift

    def transform(self, results: dict) -> dict:
        """Change the boxes."""
        growth = np.exp(results['rng'].normal(size=2) * self.scale)
        shift = results['rng'].normal(size=2) * self.shift
        xy, wh = np.split(results['bboxes_xywh'], 2, axis=1)
        xy = xy + (0.5 + shift - 0.5 * growth) * wh
        return results | dict(bboxes_xywh=np.concatenate([xy, growth * wh], axis=1))


@TRANSFORMS.register_module()
class CropClip(BaseTransform):
    """Cut templates and views around the target; letterbox the search frames.

    Required Keys: rng, frames, bboxes_xywh, roles

    Added Keys: template ((T, h, w, 3) uint8), view ((V, H, W, 3) uint8),
    view_bboxes_xywh_norm ((V, 4)), search ((S, H, W, 3) uint8; only if there are
    search frames)

    Args:
        template_factor: Side of a template's window over the size of the target.
        template_size: Side of a template, in pixels.
        view_factor: Side of a view's window over the size of the jittered target.
        search_size: Side of a view and of a search image, in pixels.
        center_jitter: A view's centre moves by up to half of this times the size of
            the jittered target, per axis. Below ``view_factor`` the target's centre
            stays inside.
        scale_jitter: A view's sides are multiplied by ``exp(N(0, scale_jitter))``.
        shade_context: Whether templates are shaded around their targets, see
            :func:`~sstrack_mm.structures.crop.crop_target`.
    """

    def __init__(
        self,
        template_factor: float = 2.0,
        template_size: int = 128,
        view_factor: float = 4.0,
        search_size: int = 256,
        center_jitter: float = 3.0,
        scale_jitter: float = 0.5,
        shade_context: bool = False,
    ) -> None:
        self.template_factor = template_factor
        self.template_size = template_size
        self.view_factor = view_factor
        self.search_size = search_size
        self.center_jitter = center_jitter
        self.scale_jitter = scale_jitter
        self.shade_context = shade_context

    def transform(self, results: dict) -> dict:
        """Cut the crops.

        Raises:
            DataError: The target's box is not known in a template or view.
        """
        frames, bboxes_xywh = results['frames'], results['bboxes_xywh']
        roles = results['roles']
        if np.isnan(bboxes_xywh[roles['template'] + roles['view']]).any():
            raise DataError(
                f'{results["videos"][0]["video"]}: it has no first box to start from; '
                'ProposeTarget, after LoadClip in the pipeline, finds one'
            )
        template = [
            crop_target(
                frames[i],
                bboxes_xywh[i],
                self.template_factor,
                self.template_size,
                self.shade_context,
            )[0]
            for i in roles['template']
        ]
        views = [
            self._cut_view(frames[i], bboxes_xywh[i], results['rng'])
            for i in roles['view']
        ]
        crops = dict(
            template=np.stack(template),
            view=np.stack([view for view, _ in views]),
            view_bboxes_xywh_norm=np.stack([bbox for _, bbox in views]),
        )
        if roles['search']:
            crops['search'] = np.stack(
                [crop_full_frame(frames[i], self.search_size)[0] for i in roles['search']]
            )
        return results | crops

    def _cut_view(
        self, frame: np.ndarray, bbox_xywh: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut around the jittered box, and map the true one into the crop."""
        jittered = self._jitter(bbox_xywh, rng)
        view, resize_factor = crop_target(
            frame, jittered, self.view_factor, self.search_size
        )
        return view, boxes_to_crop(bbox_xywh, jittered, resize_factor, self.search_size)

    def _jitter(self, bbox_xywh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        center = bbox_xywh[:2] + 0.5 * bbox_xywh[2:]
        wh = bbox_xywh[2:] * np.exp(rng.normal(size=2) * self.scale_jitter)
        center = center + (rng.random(2) - 0.5) * self.center_jitter * np.sqrt(wh.prod())
        return np.concatenate([center - 0.5 * wh, wh])
