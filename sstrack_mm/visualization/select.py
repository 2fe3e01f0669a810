"""Lets a person draw boxes in a window."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from sstrack_mm.errors import DataError

_MAX_SIDE = 1000  # of the window, in pixels
_MIN_SIDE = 3  # of a box in the window: less is a click

BoxXYWH = tuple[float, float, float, float]


@dataclass
class Drawing:
    """Boxes that are drawn by dragging, in the pixels of the image.

    Attributes:
        scale: Pixels of the window in one of the image.
        boxes_xywh: Those that are done.
    """

    scale: float
    boxes_xywh: list[BoxXYWH] = field(default_factory=list)
    _start: tuple[float, float] | None = None

    def press(self, x: float, y: float) -> None:
        """Begin a box at a place of the window."""
        self._start = x, y

    def drag(self, x: float, y: float) -> BoxXYWH | None:
        """The box so far, in pixels of the window; None where none is begun."""
        if self._start is None:
            return None
        (left, right), (top, bottom) = (
            sorted(ends) for ends in zip(self._start, (x, y), strict=True)
        )
        return left, top, right - left, bottom - top

    def release(self, x: float, y: float) -> bool:
        """End a box; return whether it is one."""
        box, self._start = self.drag(x, y), None
        if box is None or min(box[2:]) < _MIN_SIDE:
            return False
        left, top, width, height = (value / self.scale for value in box)
        self.boxes_xywh.append((left, top, width, height))
        return True


def select_boxes(image_rgb: np.ndarray) -> list[BoxXYWH]:
    """Let a person draw boxes: drag for a box, Backspace takes one back, Enter is done.

    Args:
        image_rgb: (H, W, 3) uint8.

    Returns:
        list[BoxXYWH]: ``x, y, w, h`` of each, in pixels of the image.

    Raises:
        DataError: There is no screen, or nothing was drawn.
    """
    try:
        import tkinter
    except ImportError:
        raise DataError(
            'Python has no tkinter to draw in a window with (Debian: apt install '
            'python3-tk); give --box X Y W H, or use demo/page.py in a browser'
        ) from None
    try:
        window = tkinter.Tk()
    except tkinter.TclError as error:
        raise DataError(
            f'there is no screen to draw on ({error}); give --box X Y W H, or use '
            'demo/page.py in a browser'
        ) from None
    height, width = image_rgb.shape[:2]
    drawing = Drawing(min(1.0, _MAX_SIDE / max(height, width)))
    _show(window, image_rgb, drawing)
    window.mainloop()
    if not drawing.boxes_xywh:
        raise DataError('no box was drawn')
    return drawing.boxes_xywh


def _show(window: Any, image_rgb: np.ndarray, drawing: Drawing) -> None:
    """Fill the window, and connect mouse and keys with the drawing."""
    from tkinter import Canvas

    from PIL import ImageTk

    height, width = image_rgb.shape[:2]
    size = round(width * drawing.scale), round(height * drawing.scale)
    window.title('Drag for a box; Backspace: take back; Enter: done')
    canvas = Canvas(window, width=size[0], height=size[1], highlightthickness=0)
    canvas.pack()
    picture = ImageTk.PhotoImage(Image.fromarray(image_rgb).resize(size))
    canvas.create_image(0, 0, image=picture, anchor='nw')
    setattr(canvas, 'picture', picture)  # noqa: B010  (Tk does not keep it)
    shown: list[int] = []

    def press(event: Any) -> None:
        drawing.press(event.x, event.y)
        place = event.x, event.y, event.x, event.y
        shown.append(canvas.create_rectangle(*place, outline='#ffe14d', width=2))

    def drag(event: Any) -> None:
        if (box := drawing.drag(event.x, event.y)) is not None:
            x, y, w, h = box
            canvas.coords(shown[-1], x, y, x + w, y + h)

    def release(event: Any) -> None:
        if not drawing.release(event.x, event.y):
            canvas.delete(shown.pop())

    def take_back(event: Any) -> None:
        if drawing.boxes_xywh:
            drawing.boxes_xywh.pop()
            canvas.delete(shown.pop())

    for name, handler in (
        ('<ButtonPress-1>', press),
        ('<B1-Motion>', drag),
        ('<ButtonRelease-1>', release),
    ):
        canvas.bind(name, handler)
    window.bind('<BackSpace>', take_back)
    window.bind('<Return>', lambda event: window.destroy())
