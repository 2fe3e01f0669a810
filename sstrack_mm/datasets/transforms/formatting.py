"""Packs a clip for the model."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmtrack.registry import TRANSFORMS
from mmtrack.structures import TrackDataSample
from torch import Tensor


@TRANSFORMS.register_module()
class PackClip(BaseTransform):
    """Turn a clip into tensors and a data sample.

    Required Keys: videos, frames, frame_ids, bboxes_xywh, roles, synthetic, template,
    view, view_bboxes_xywh_norm, search (if there are search frames)

    The result holds ``inputs``, uint8 RGB tensors: ``template`` (T, 3, h, w) and
    ``grounding`` (V, 3, H, W), and of clips with search frames ``search``
    (S, 3, H, W) and ``frames`` (S, 3, Hi, Wi), the same frames in full; and
    ``data_samples``, a :class:`TrackDataSample` with ``gt_instances.bboxes`` (V, 4)
    xyxy norm, of synthesised clips ``search_instances.bboxes`` (S, 4) xyxy norm, and
    the clip's identity as ``video``, ``frame_ids`` and ``synthetic``.
    """

    def transform(self, results: dict) -> dict:
        """Pack the clip."""
        search_ids = results['roles']['search']
        inputs = dict(
            template=to_tensor(results['template']), grounding=to_tensor(results['view'])
        )
        sample = TrackDataSample(
            metainfo=dict(
                video=results['videos'][0]['video'],
                frame_ids=results['frame_ids'],
                synthetic=results['synthetic'],
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=to_xyxy(results['view_bboxes_xywh_norm'])
        )
        if search_ids:
            inputs['search'] = to_tensor(results['search'])
            # Whole frames stay in the order of the file's pixels: (S, Hi, Wi, 3).
            frames = np.stack([results['frames'][i] for i in search_ids])
            inputs['frames'] = torch.from_numpy(frames).permute(0, 3, 1, 2)
        if search_ids and results['synthetic']:
            long_side = max(results['frames'][search_ids[0]].shape[:2])
            sample.search_instances = InstanceData(
                bboxes=to_xyxy(results['bboxes_xywh'][search_ids] / long_side)
            )
        return dict(inputs=inputs, data_samples=sample)


def to_tensor(images: np.ndarray) -> Tensor:
    """(N, H, W, 3) array to a contiguous (N, 3, H, W) tensor of the same type."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def to_xyxy(bboxes_xywh: np.ndarray) -> Tensor:
    """(N, 4) xywh array to an xyxy float32 tensor."""
    bboxes_xyxy = np.concatenate(
        [bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]], axis=1
    )
    return torch.from_numpy(bboxes_xyxy.astype(np.float32))
