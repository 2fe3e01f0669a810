"""Which frames serve as templates, and the crops kept for them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


def template_indices(frame_id: int, memory_size: int) -> list[int]:
    """The frames whose crops are the templates of a frame.

    Args:
        frame_id: t, the frame to track in, from 1.
        memory_size: n, how many templates are wanted.

    Returns:
        list[int]: Sorted frames before t without repeats. All of them while
        ``t <= n``, then the first and one from the middle of each n-th of the past.
    """
    if memory_size == 1:
        return [0]
    if frame_id <= memory_size:
        return list(range(frame_id))
    step = frame_id // memory_size
    return sorted({0} | {step // 2 + k * step for k in range(memory_size)})


@dataclass
class TemplateMemory:
    """uint8 template crops by frame, of one video.

    Attributes:
        size: n, how many templates are wanted.
        crops: (3, h, w) uint8 RGB crops on the device, by frame.
    """

    size: int
    crops: dict[int, Tensor] = field(default_factory=dict)

    def add(self, frame_id: int, crop: Tensor) -> None:
        """Keep a frame's crop, and drop those that no later frame can ask for.

        Args:
            frame_id: The frame the crop was cut from; frames are added in order.
            crop: (3, h, w) uint8.
        """
        if frame_id > 0 and self.size == 1:
            return  # the first frame alone is ever asked for
        self.crops[frame_id] = crop
        # The indices only grow: all frames but 0 before the next frame's second index
        # are done with. That bound moves by one frame at most.
        done = (frame_id + 1) // self.size // 2 - 1
        if done > 0:
            self.crops.pop(done, None)

    def templates(self, frame_id: int) -> Tensor:
        """The (T, 3, h, w) uint8 templates of a frame (from 1)."""
        return torch.stack([self.crops[i] for i in template_indices(frame_id, self.size)])
