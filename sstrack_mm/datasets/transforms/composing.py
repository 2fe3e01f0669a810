"""A target cut out of another video moves over the frames of a clip, among others."""

from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.datasets.composed.scene import (
    LEAST_SIDE,
    Sprites,
    cut_sprites,
    lay_target,
)
from sstrack_mm.datasets.transforms.loading import read_frames
from sstrack_mm.errors import DataError

MAX_TRIES = 10
PER_FRAME = ('frames', 'frame_ids', 'frame_paths')


@TRANSFORMS.register_module()
class ComposeTarget(BaseTransform):
    """Make a synthesised clip: a shape cut out of the donor video is the target.

    Where it was cut needs no box. It moves, turns and changes its size from frame to
    frame; look-alikes, strangers and what hides it for a part move beside it. See
    :func:`sstrack_mm.datasets.composed.scene.lay_target`. As its boxes are known in all
    frames, the views are not cut out of the template's frame but out of another one:
    the first frame's picture, with all that moves where it is last. Clips that are not
    marked ``synthetic`` pass unchanged.

    Required Keys: rng, videos, frames, frame_ids, frame_paths, bboxes_xywh, roles,
    synthetic

    Modified Keys: frames, frame_ids, frame_paths, bboxes_xywh, roles (of a synthesised
    clip, which has a frame more, and knows all boxes)
    """

    def transform(self, results: dict) -> dict:
        """Compose the clip."""
        if not results['synthetic']:
            return results
        rng, places = results['rng'], results['videos'][1]['frame_paths']
        place = places[rng.integers(len(places))]
        donor = read_frames([place])[place]
        clip = {key: [*results[key], results[key][0]] for key in PER_FRAME}
        last = len(clip['frames']) - 1

        def draw_sprites() -> Sprites:
            sprites, twins = cut_sprites(rng, [donor])  # they look the same in all
            return sprites * (last + 1), twins and twins * (last + 1)

        for _ in range(MAX_TRIES):
            frames = [frame.copy() for frame in clip['frames']]
            bboxes_xywh = lay_target(rng, frames, draw_sprites)
            if (bboxes_xywh[:, 2:] >= LEAST_SIDE).all():
                view = [last] * len(results['roles']['view'])
                return (
                    results
                    | clip
                    | dict(
                        frames=frames,
                        bboxes_xywh=bboxes_xywh,
                        roles=results['roles'] | dict(view=view),
                    )
                )
        height, width = frames[0].shape[:2]
        raise DataError(
            f'{place}: no place for a target in the {width}x{height} frames of a clip'
        )
