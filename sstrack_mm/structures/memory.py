"""Which frames serve as templates, and the crops kept for them."""

from dataclasses import dataclass, field
from typing import Any


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


def steady_frame(memory_size: int) -> int:
    """The first frame from which on the number of templates stays."""
    return 2 * memory_size


def num_steady_templates(memory_size: int) -> int:
    """T from that frame on."""
    return len(template_indices(steady_frame(memory_size), memory_size))


@dataclass
class TemplateMemory:
    """uint8 template crops by frame, of one video.

    The templates are wanted from ever later frames, so the past thins out: a crop is
    dropped as soon as no later frame can ask for it. What is left still grows with the
    video. A budget bounds it: when it is full, every second crop goes, and from then on
    only frames at twice the stride are kept. A template comes then from the kept frame
    nearest to the wanted one; until then nothing differs.

    Attributes:
        size: n, how many templates are wanted.
        budget: The most crops to keep, at least ``2 * size + 1``; None keeps all that
            may be asked for.
        stride: The frames kept are its multiples.
        crops: (3, h, w) uint8 RGB crops by frame, in order: tensors or arrays.
    """

    size: int
    budget: int | None = None
    stride: int = 1
    crops: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f'memory_size must be positive, but got {self.size}')
        if self.budget is not None and self.budget < 2 * self.size + 1:
            raise ValueError(
                f'memory_budget must be None or at least {2 * self.size + 1} for '
                f'memory_size={self.size}, but got {self.budget}'
            )

    def add(self, frame_id: int, crop: Any) -> None:
        """Keep a frame's crop, and drop those that no later frame can ask for.

        Args:
            frame_id: The frame the crop was cut from; frames are added in order.
            crop: (3, h, w) uint8.
        """
        if frame_id > 0 and self.size == 1:
            return  # the first frame alone is ever asked for
        if frame_id % self.stride == 0:
            self.crops[frame_id] = crop
        # The indices only grow: all frames but 0 before the next frame's second index
        # are done with. That bound moves by one frame at most.
        done = (frame_id + 1) // self.size // 2 - self.stride
        if done > 0:
            self.crops.pop(done, None)
        if self.budget is not None and len(self.crops) > self.budget:
            self.stride *= 2
            self.crops = {i: c for i, c in self.crops.items() if i % self.stride == 0}

    def templates(self, frame_id: int) -> list[Any]:
        """The T crops that are the templates of a frame (from 1)."""
        return [self.crops[i] for i in self._kept_indices(frame_id)]

    def num_templates(self, frame_id: int) -> int:
        """T, how many templates a frame (from 1) has."""
        return len(template_indices(frame_id, self.size))

    def _kept_indices(self, frame_id: int) -> list[int]:
        wanted = template_indices(frame_id, self.size)
        if self.stride == 1:
            return wanted
        half = self.stride // 2
        return [(i + half) // self.stride * self.stride for i in wanted]
