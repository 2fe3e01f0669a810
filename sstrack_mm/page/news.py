"""What a page is to be told, until it is sent."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from sstrack_mm.page.targets import Found, Target

Message = dict[str, Any]


class News:
    """Messages for a page, and the newest picture. Any thread may leave or take them.

    Attributes:
        lock: Of the messages; whoever changes what they tell of holds it meanwhile.
        on_news: Called when there are messages; from any thread.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.on_news: Callable[[], None] = lambda: None
        self._messages: list[Message] = []
        self._picture: tuple[int, np.ndarray] | None = None

    def tell(self, message: Message) -> None:
        """Leave a message; rows that follow rows are one with them."""
        with self.lock:
            last = self._messages[-1] if self._messages else None
            if message['type'] == 'rows' and last and last['type'] == 'rows':
                last['rows'] += message['rows']
            else:
                self._messages.append(message)
        self.on_news()

    def take(self) -> list[Message]:
        """The messages since the last time."""
        with self.lock:
            messages, self._messages = self._messages, []
            return messages

    def show(self, frame: int, image_rgb: np.ndarray) -> None:
        """Leave a frame that was tracked, in place of the one before."""
        with self.lock:
            self._picture = frame, image_rgb

    def take_picture(self) -> tuple[int, np.ndarray] | None:
        """The newest frame that was tracked, with its number; None where it is old."""
        with self.lock:
            picture, self._picture = self._picture, None
            return picture


def describe_target(number: int, target: Target) -> Message:
    """All that is known of a target."""
    rows = [describe_box(number, frame, found) for frame, found in target]
    return {'type': 'target', 'target': number, 'name': target.name, 'rows': rows}


def describe_box(number: int, frame: int, found: Found) -> list[Any]:
    """Target, frame, x, y, w, h, confidence, state and whether a person drew it."""
    box = [round(value, 2) for value in found.bbox_xywh]
    return [number, frame, *box, round(found.confidence, 4), found.state, found.by_person]
