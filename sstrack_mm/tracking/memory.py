"""Which frames serve as templates, and the crops kept for them."""

from dataclasses import dataclass, field
from typing import Any

from sstrack_mm.errors import DataError


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
    """uint8 template crops of one video, numbered as they are added, from 0.

    Frame t is the next one to be added. The templates are wanted from ever later frames,
    so the past thins out: a crop is dropped as soon as no later frame can ask for it.
    What is left still grows with the video. A budget bounds it: when it is full, every
    second crop goes, and from then on only frames at twice the stride are kept. A
    template comes then from the kept frame nearest to the wanted one; until then nothing
    differs.

    Attributes:
        size: n, how many templates are wanted.
        budget: The most crops to keep, at least ``2 * size + 1``; None keeps all that
            may be asked for.
        stride: The frames kept are its multiples.
        crops: (3, h, w) uint8 RGB crops by frame, in order: tensors or arrays.
        num_added: t, how many frames were added.

    Raises:
        DataError: The size or the budget makes no sense.
    """

    size: int
    budget: int | None = None
    stride: int = 1
    crops: dict[int, Any] = field(default_factory=dict)
    num_added: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 1:
            raise DataError(
                f'memory_size must be a positive whole number, but got {self.size!r}'
            )
        least = 2 * self.size + 1
        if self.budget is None:
            return
        if not isinstance(self.budget, int) or self.budget < least:
            raise DataError(
                f'memory_budget must be None or at least {least} for '
                f'memory_size={self.size}, but got {self.budget!r}'
            )

    def add(self, crop: Any) -> None:
        """Keep the crop of the next frame; drop those that no later one can ask for.

        Args:
            crop: (3, h, w) uint8.
        """
        frame = self.num_added
        self.num_added += 1
        if frame > 0 and self.size == 1:
            return  # the first frame alone is ever asked for
        if frame % self.stride == 0:
            self.crops[frame] = crop
        # The indices only grow: all frames but 0 before the next frame's second index
        # are done with. That bound moves by one frame at most.
        done = (frame + 1) // self.size // 2 - self.stride
        if done > 0:
            self.crops.pop(done, None)
        if self.budget is not None and len(self.crops) > self.budget:
            self.stride *= 2
            self.crops = {i: c for i, c in self.crops.items() if i % self.stride == 0}

    def templates(self) -> list[Any]:
        """The T crops that are the templates of the next frame."""
        wanted = template_indices(self.num_added, self.size)
        half = self.stride // 2
        return [self.crops[(i + half) // self.stride * self.stride] for i in wanted]

    @property
    def first(self) -> Any:
        """The crop of the first frame, whose box is known."""
        return self.crops[0]

    @property
    def num_templates(self) -> int:
        """int: T, how many templates the next frame has."""
        return len(template_indices(self.num_added, self.size))
