"""Draws boxes on frames, and puts frames side by side."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

BOX_COLORS: tuple[Color, ...] = (
    (255, 225, 77),
    (255, 90, 54),
    (61, 183, 255),
    (0, 214, 143),
    (232, 120, 214),
    (255, 255, 255),
)
"""RGB, told apart by the colour-blind and on most pictures; the true box is first."""

_MIN_SIDE = 320  # Pixels of the short side below which a frame is enlarged.
_SUBPIXEL_BITS = 4


def draw_boxes(
    frame_rgb: np.ndarray,
    boxes: Mapping[str, np.ndarray],
    colors: Sequence[Color] = BOX_COLORS,
    score: float | None = None,
    frame_id: int | None = None,
    scale: float | None = None,
    legend: bool = True,
) -> np.ndarray:
    """Draw boxes on a copy of a frame.

    Args:
        frame_rgb: (H, W, 3) uint8 RGB.
        boxes: By name, (4,) ``x, y, w, h`` in image pixels. A box that has a NaN or no
            area is not drawn.
        colors: RGB of each box in turn, from the start again where there are more.
        score: The tracker's confidence, to be written on the frame.
        frame_id: The number of the frame, to be written on it.
        scale: Factor that the frame is resized by before it is drawn on; default: the
            smallest whole number that makes its short side readable (320 pixels).
        legend: Write the names of the boxes on the frame.

    Returns:
        np.ndarray: (scale * H, scale * W, 3) uint8 RGB.
    """
    height, width = frame_rgb.shape[:2]
    if scale is None:
        scale = max(1, -(-_MIN_SIDE // min(height, width)))
    canvas = _resize(frame_rgb, scale)
    named_colors = {name: colors[place % len(colors)] for place, name in enumerate(boxes)}
    notes = []
    if frame_id is not None:
        notes.append(f'frame {frame_id}')
    if score is not None:
        notes.append(f'score {score:.2f}')
    # The boxes last: the panel must not hide one.
    canvas = _write_panel(canvas, named_colors if legend else {}, '   '.join(notes))
    thickness = max(2, round(min(canvas.shape[:2]) / 240))
    for name, bbox_xywh in boxes.items():
        _draw_box(
            canvas,
            np.asarray(bbox_xywh, dtype=np.float64) * scale,
            named_colors[name],
            thickness,
        )
    return canvas


def _resize(frame_rgb: np.ndarray, scale: float) -> np.ndarray:
    """A resized copy of a frame, of at least one pixel a side."""
    height, width = frame_rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return frame_rgb.copy()
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(frame_rgb, size, interpolation=interpolation)


def _draw_box(
    canvas: np.ndarray, bbox_xywh: np.ndarray, color: Color, thickness: int
) -> None:
    """Draw a box in place, with a dark rim that sets it off from a bright picture."""
    if not np.isfinite(bbox_xywh).all() or (bbox_xywh[2:] <= 0).any():
        return
    x, y, w, h = bbox_xywh
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    # OpenCV overflows on boxes far outside.
    size = np.array(canvas.shape[1::-1])
    points = (corners.clip(-size, 2 * size) * 2**_SUBPIXEL_BITS).round().astype(int)
    for line_color, width in (((0, 0, 0), thickness + 2), (color, thickness)):
        cv2.polylines(
            canvas,
            [points.astype(np.int32)],
            True,
            line_color,
            width,
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font; made once for each size, as it is slow to load."""
    return ImageFont.load_default(size)


def _write_panel(canvas: np.ndarray, names: Mapping[str, Color], note: str) -> np.ndarray:
    """Write names with a patch of their colour, and a note, into the upper left."""
    lines = [*names.items(), *([(note, None)] if note else [])]
    if not lines:
        return canvas
    text_size = max(11, round(min(canvas.shape[:2]) / 26))
    font, row = _font(text_size), round(text_size * 1.5)
    indents = [text_size * (2.6 if color else 1) for _, color in lines]
    ends = [
        indent + font.getlength(text)
        for indent, (text, _) in zip(indents, lines, strict=True)
    ]

    image = Image.fromarray(canvas)
    brush = ImageDraw.Draw(image, 'RGBA')
    brush.rectangle(
        (0, 0, max(ends) + text_size, row * (len(lines) + 0.5)), fill=(0, 0, 0, 150)
    )
    for place, (indent, (text, color)) in enumerate(zip(indents, lines, strict=True)):
        middle = row * (place + 0.75)
        if color:
            brush.rectangle(
                (
                    text_size,
                    middle - text_size * 0.12,
                    2 * text_size,
                    middle + text_size * 0.12,
                ),
                fill=color,
            )
        brush.text((indent, middle), text, fill='white', font=font, anchor='lm')
    return np.array(image)


def filmstrip(
    frames: Iterable[np.ndarray], height: int = 240, gap: int = 4
) -> np.ndarray:
    """Put frames side by side.

    Args:
        frames: (H, W, 3) uint8 RGB; sizes may differ.
        height: Height that they are resized to, in pixels.
        gap: White pixels between them.

    Returns:
        np.ndarray: (height, total width, 3) uint8 RGB.
    """
    strip: list[np.ndarray] = []
    for frame in frames:
        if strip:
            strip.append(np.full((height, gap, 3), 255, dtype=np.uint8))
        strip.append(_resize(frame, height / len(frame)))
    return np.concatenate(strip, axis=1)
