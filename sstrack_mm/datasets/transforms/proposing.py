"""First boxes for clips that have none."""

from mmcv.transforms import BaseTransform
from mmtrack.registry import TASK_UTILS, TRANSFORMS


@TRANSFORMS.register_module()
class ProposeTarget(BaseTransform):
    """Ask a proposer for the first box of a clip; without one, it is composed.

    Clips that are to be synthesised need no box, those that have one keep it.

    Required Keys: rng, frames, frame_ids, frame_paths, bboxes_xywh, roles, synthetic

    Modified Keys: bboxes_xywh, synthetic (True where nothing was proposed), frames,
    frame_ids, frame_paths, roles (without the ``neighbour``)

    Args:
        proposer: Config of one of :mod:`sstrack_mm.datasets.proposals`.
    """

    def __init__(self, proposer: dict) -> None:
        self.proposer = TASK_UTILS.build(proposer)

    def transform(self, results: dict) -> dict:
        """Find the box."""
        results = dict(results, roles=dict(results['roles']))
        places = [0, *results['roles'].pop('neighbour', [])]
        bboxes_xywh = results['bboxes_xywh'].copy()
        if not results['synthetic'] and not bboxes_xywh[0, 2] > 0:
            bbox_xywh = self.proposer.propose(
                results['rng'],
                [results['frames'][i] for i in places],
                [results['frame_paths'][i] for i in places],
            )
            if bbox_xywh is None:
                results['synthetic'] = True
            else:
                bboxes_xywh[0] = bbox_xywh
        results['bboxes_xywh'] = bboxes_xywh
        for key in ('bboxes_xywh', 'frames', 'frame_ids', 'frame_paths'):
            results[key] = results[key][: len(bboxes_xywh) - len(places) + 1]
        return results
