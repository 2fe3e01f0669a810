"""Cut a target out of another video, transform it, paste it: its boxes come for free."""

from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.datasets.transforms.loading import read_frames
from sstrack_mm.errors import DataError


@dataclass(frozen=True)
class PasteChange:
    """How a patch may change before it is pasted.

    Attributes:
        scale: Each axis is scaled by a factor in 1 +- this.
        shear_prob: Probability of a horizontal shear.
        shear: Largest shear, columns a row.
        blur_prob: Probability of motion blur; never together with occlusion.
        blur_sizes: Least and largest side of the blur's kernel, in pixels.
        occlusion_prob: Probability that a block is blacked out.
        occlusion_area: Least and largest share of the patch that is.
        flip_prob: Probability of a horizontal flip.
    """

    scale: float = 0.0
    shear_prob: float = 0.0
    shear: float = 0.2
    blur_prob: float = 0.0
    blur_sizes: tuple[int, int] = (5, 45)
    occlusion_prob: float = 0.0
    occlusion_area: tuple[float, float] = (0.25, 0.35)
    flip_prob: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.scale < 1:
            raise ValueError(f'scale must be in [0, 1), but got {self.scale}')
        if self.blur_prob + self.occlusion_prob > 1:
            raise ValueError(
                'blur_prob and occlusion_prob exclude each other, so their sum must not '
                f'exceed 1, but got {self.blur_prob} and {self.occlusion_prob}'
            )


@TRANSFORMS.register_module()
class PasteTarget(BaseTransform):
    """Make a synthesised clip: paste the donor video's target into every frame.

    Clips that are not marked ``synthetic`` pass unchanged.

    Required Keys: rng, videos, frames, bboxes_xywh, roles, synthetic

    Modified Keys: frames, bboxes_xywh (all known in a synthesised clip)

    Args:
        min_size: Least side of the patch, in pixels.
        template_change: Arguments of :class:`PasteChange` for the labelled frame.
        search_change: Arguments of :class:`PasteChange` for the other frames.
    """

    def __init__(
        self,
        min_size: int = 10,
        template_change: dict | None = None,
        search_change: dict | None = None,
    ) -> None:
        self.min_size = min_size
        self.template_change = PasteChange(**(template_change or {}))
        self.search_change = PasteChange(**(search_change or {}))

    def transform(self, results: dict) -> dict:
        """Paste the target."""
        if not results['synthetic']:
            return results
        rng, donor = results['rng'], results['videos'][1]
        patch = self._cut_donor(donor)
        frames, bboxes_xywh = [], []
        for position, frame in enumerate(results['frames']):
            searched = position in results['roles']['search']
            change = self.search_change if searched else self.template_change
            changed, mask = change_patch(patch, change, rng, self.min_size)
            frame, bbox_xywh = paste(frame, changed, mask, rng)
            frames.append(frame)
            bboxes_xywh.append(bbox_xywh)
        return results | dict(frames=frames, bboxes_xywh=np.array(bboxes_xywh, float))

    def _cut_donor(self, donor: dict) -> np.ndarray:
        """Cut the donor's target out of its first frame."""
        place, bbox_xywh = donor['frame_paths'][0], donor['init_xywh']
        if np.isnan(bbox_xywh).any():
            raise DataError(
                f'{place}: it has no first box to cut a target out of; ComposeTarget, '
                'in place of PasteTarget in the pipeline, needs none'
            )
        image = read_frames([place])[place]
        return cut_patch(image, bbox_xywh, self.min_size, place)


def cut_patch(
    image: np.ndarray, bbox_xywh: np.ndarray, min_size: int, place: object
) -> np.ndarray:
    """Cut a box out of an image, enlarged to ``min_size`` pixels a side.

    Args:
        image: (H, W, 3) uint8.
        bbox_xywh: (4,) in pixels.
        min_size: Least side of the patch, in pixels.
        place: Where the image came from, for messages.

    Returns:
        np.ndarray: (h, w, 3) uint8 RGB.

    Raises:
        DataError: The box lies outside the image.
    """
    x, y, w, h = bbox_xywh
    x1, y1 = max(int(x), 0), max(int(y), 0)
    patch = image[y1 : max(int(np.ceil(y + h)), 0), x1 : max(int(np.ceil(x + w)), 0)]
    if patch.size == 0:
        raise DataError(
            f'{place}: its box xywh=({x:g}, {y:g}, {w:g}, {h:g}) lies outside '
            f'the {image.shape[1]}x{image.shape[0]} image'
        )
    height, width = np.maximum(patch.shape[:2], min_size)
    return cv2.resize(patch, (int(width), int(height)))


def change_patch(
    patch: np.ndarray, change: PasteChange, rng: np.random.Generator, min_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Transform a patch at random.

    Args:
        patch: (h, w, 3) uint8.
        change: What may happen to it.
        rng: Source of randomness.
        min_size: Least side of the result, in pixels.

    Returns:
        tuple[np.ndarray, np.ndarray]: (h', w', 3) uint8 patch and (h', w') bool, the
        pixels to paste. The patch touches all four sides of its array.
    """
    sizes = np.array(patch.shape[1::-1]) * rng.uniform(
        1 - change.scale, 1 + change.scale, size=2
    )
    width, height = np.maximum(np.round(sizes), min_size).astype(int).tolist()
    patch = cv2.resize(patch, (width, height))
    effect = rng.random()
    if effect < change.blur_prob:
        patch = cv2.filter2D(
            patch,
            -1,
            cross_kernel(rng.integers(change.blur_sizes[0], change.blur_sizes[1] + 1)),
        )
    elif effect < change.blur_prob + change.occlusion_prob:
        patch = occlude(patch, rng.uniform(*change.occlusion_area), rng)
    if rng.random() < change.flip_prob:
        patch = patch[:, ::-1]
    mask = np.ones((height, width), np.uint8)
    if rng.random() < change.shear_prob:
        patch, mask = shear_patch(patch, mask, rng.uniform(-change.shear, change.shear))
    return patch, mask.astype(bool)


def cross_kernel(size: int | np.integer) -> np.ndarray:
    """A (size, size) float32 kernel that averages along its middle row and column."""
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = kernel[:, size // 2] = 1
    return kernel / kernel.sum()


def occlude(patch: np.ndarray, area: float, rng: np.random.Generator) -> np.ndarray:
    """Black out one block of the patch's shape.

    Args:
        patch: (h, w, 3) uint8 RGB.
        area: The block's share of the pixels, in [0, 1].
        rng: Source of randomness.

    Returns:
        np.ndarray: (h, w, 3) uint8, a copy.
    """
    height, width = patch.shape[:2]
    side = np.sqrt(area)
    block_h, block_w = round(height * side), round(width * side)
    y = rng.integers(height - block_h + 1)
    x = rng.integers(width - block_w + 1)
    patch = patch.copy()
    patch[y : y + block_h, x : x + block_w] = 0
    return patch


def shear_patch(
    patch: np.ndarray, mask: np.ndarray, shear: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move each row of a patch and its mask further than the last.

    Args:
        patch: (h, w, 3) uint8 RGB.
        mask: (h, w) uint8, 1 where the patch is.
        shear: By how many columns; to the left where it is negative.

    Returns:
        tuple[np.ndarray, np.ndarray]: (h, w', 3) uint8 patch and (h, w') uint8 mask,
        wide enough for both ends.
    """
    height, width = mask.shape
    extra = abs(shear) * (height - 1)
    matrix = np.array([[1, shear, max(0.0, -shear * (height - 1))], [0, 1, 0]])
    size = (width + int(extra), height)
    return (
        cv2.warpAffine(np.ascontiguousarray(patch), matrix, size),
        cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST),
    )


def paste(
    frame: np.ndarray, patch: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Paste a patch at a random place of a copy of the frame.

    A patch larger than the frame is shrunk into it.

    Args:
        frame: (H, W, 3) uint8 RGB.
        patch: (h, w, 3) uint8 RGB.
        mask: (h, w) bool, the pixels to paste.
        rng: Source of randomness.

    Returns:
        tuple[np.ndarray, tuple[int, int, int, int]]: (H, W, 3) uint8 frame and the xywh
        box of the paste, in whole pixels of the frame.
    """
    height, width = frame.shape[:2]
    shrink = min(width / mask.shape[1], height / mask.shape[0])
    if shrink < 1:
        size = (max(int(mask.shape[1] * shrink), 1), max(int(mask.shape[0] * shrink), 1))
        patch = cv2.resize(np.ascontiguousarray(patch), size)
        mask = (
            cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        )
    h, w = mask.shape
    x = int(rng.integers(width - w + 1))
    y = int(rng.integers(height - h + 1))
    frame = frame.copy()
    frame[y : y + h, x : x + w][mask] = patch[mask]
    return frame, (x, y, w, h)
