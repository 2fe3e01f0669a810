"""From collated uint8 crops to normalised, augmented network inputs on the device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmtrack.registry import MODELS
from mmtrack.structures import TrackDataSample
from torch import Tensor


@MODELS.register_module()
class SSTrackDataPreprocessor(BaseDataPreprocessor):
    """Stacks, augments and normalises on the device.

    In training it turns ``template``, ``search`` and ``grounding`` crops into float
    tensors, and pads the whole frames that memory crops will be cut from. At test time
    frames pass as they are: the tracker cuts them first.

    Args:
        mean: Of the RGB channels in [0, 1].
        std: Of the RGB channels in [0, 1].
        brightness: Crops are multiplied by a factor drawn from 1 +- this.
        flip_prob: Probability that a crop is mirrored, each on its own.
        non_blocking: Copy to the device without waiting, as pinned memory allows.
    """

    def __init__(
        self,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        brightness: float = 0.2,
        flip_prob: float = 0.5,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        if not 0 <= brightness < 1:
            raise ValueError(f'brightness must be in [0, 1), but got {brightness}')
        if not 0 <= flip_prob <= 1:
            raise ValueError(f'flip_prob must be in [0, 1], but got {flip_prob}')
        self.brightness = brightness
        self.flip_prob = flip_prob
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``, a dict of lists of B uint8 tensors, and ``data_samples``.
                Training: ``template`` (T, 3, h, w), ``grounding`` (V, 3, H, W), and of
                unlabelled video also ``search`` (S, 3, H, W) and ``frames``
                (S, 3, Hi, Wi), RGB. Testing: ``img`` (1, 3, Hi, Wi), BGR.
            training: Whether to augment.

        Returns:
            dict: ``inputs`` with stacked tensors, batch first. In training they also
            hold ``grounding_bboxes`` (B, V, 4), xyxy norm, flipped with their views;
            and of unlabelled video ``image_wh`` (B, 2), the sizes of the frames before
            padding, ``search_bboxes`` (B, S, 4), xyxy norm, and ``search_known``
            (B, S), 1 where a box is known, else 0, as is the box.
        """
        data = self.cast_data(data)
        inputs, data_samples = data['inputs'], data['data_samples']
        if 'template' not in inputs:
            inputs = {key: torch.stack(list(value)) for key, value in inputs.items()}
            return dict(inputs=inputs, data_samples=data_samples)
        batch: dict[str, Any] = dict(
            template=self.prepare_crops(torch.stack(inputs['template']), training)[0]
        )
        bboxes = torch.stack([sample.gt_instances.bboxes for sample in data_samples])
        batch['grounding'], batch['grounding_bboxes'] = self.prepare_crops(
            torch.stack(inputs['grounding']), training, bboxes
        )
        if 'search' in inputs:
            batch['search'] = self.normalize(torch.stack(inputs['search']))
            batch['frames'], batch['image_wh'] = self._pad_frames(inputs['frames'])
            batch['search_bboxes'], batch['search_known'] = self._known_boxes(
                batch['search'], data_samples
            )
        return dict(inputs=batch, data_samples=data_samples)

    def normalize(self, images: Tensor) -> Tensor:
        """(..., 3, H, W) uint8 RGB to normalised float32."""
        return (images.float() / 255 - self.mean) / self.std

    def prepare_crops(
        self, crops: Tensor, training: bool, bboxes_xyxy_norm: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Augment (when training) and normalise target crops.

        Args:
            crops: (B, N, 3, H, W) uint8 RGB.
            training: Whether to change the brightness and to flip.
            bboxes_xyxy_norm: (B, N, 4) boxes in the crops, or None.

        Returns:
            tuple[Tensor, Tensor | None]: (B, N, 3, H, W) float32 and the boxes.
        """
        if not training or (self.brightness == 0 and self.flip_prob == 0):
            return self.normalize(crops), bboxes_xyxy_norm
        shape = (*crops.shape[:2], 1, 1, 1)
        factor = 1 + self.brightness * (2 * torch.rand(shape, device=crops.device) - 1)
        images = (crops.float() / 255 * factor).clamp(max=1)
        images = (images - self.mean) / self.std
        flip = torch.rand(shape, device=crops.device) < self.flip_prob
        images = torch.where(flip, images.flip(-1), images)
        if bboxes_xyxy_norm is not None:
            x1, y1, x2, y2 = bboxes_xyxy_norm.unbind(-1)
            flipped = torch.stack([1 - x2, y1, 1 - x1, y2], dim=-1)
            bboxes_xyxy_norm = torch.where(flip[..., 0, 0], flipped, bboxes_xyxy_norm)
        return images, bboxes_xyxy_norm

    @staticmethod
    def _known_boxes(
        search: Tensor, data_samples: list[TrackDataSample]
    ) -> tuple[Tensor, Tensor]:
        """(B, S, 4) boxes of (B, S, ...) search frames, and (B, S) whether known.

        They are known in synthesised clips.
        """
        bboxes = search.new_zeros(*search.shape[:2], 4)
        known = search.new_zeros(search.shape[:2])
        for i, sample in enumerate(data_samples):
            if 'search_instances' in sample:
                bboxes[i], known[i] = sample.search_instances.bboxes, 1
        return bboxes, known

    @staticmethod
    def _pad_frames(frames: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Stack (S, 3, Hi, Wi) frames as (B, S, 3, H, W), padded right and bottom.

        In memory the channels are last, as in the frames that :class:`PackClip` packs.
        """
        wh = torch.tensor([[clip.shape[-1], clip.shape[-2]] for clip in frames])
        width, height = wh.amax(dim=0).tolist()
        padded = frames[0].new_zeros(len(frames), len(frames[0]), height, width, 3)
        padded = padded.permute(0, 1, 4, 2, 3)
        for row, clip in zip(padded, frames, strict=True):
            row[..., : clip.shape[-2], : clip.shape[-1]] = clip
        return padded, wh.to(padded.device)
