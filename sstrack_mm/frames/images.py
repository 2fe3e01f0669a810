"""Image files and folders of them."""

import os
import re
from collections.abc import Iterable, Iterator, Sized
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sstrack_mm.errors import DataError
from sstrack_mm.frames.source import FrameReader, Reading

FilePath = str | os.PathLike[str]

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
"""Of the files that count as the frames of a folder."""

MAX_PIXELS = 1 << 28
"""Of an image; a larger one is refused before memory is taken for it."""

_DIGITS = re.compile(r'(\d+)')
_JPEG, _PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 ... SOF15


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sort key under which ``2.jpg`` comes before ``10.jpg``."""
    # re.split puts the groups of digits at the odd places.
    return [
        (int(part) if place % 2 else 0, part)
        for place, part in enumerate(_DIGITS.split(name))
    ]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of a dataset's: systems leave it everywhere.

    That is ``.DS_Store``, ``._NAME`` and ``__MACOSX`` (macOS), ``@eaDir`` (Synology),
    ``$RECYCLE.BIN`` (Windows), ``lost+found``.
    """
    return name.startswith(('.', '@', '$')) or name in ('__MACOSX', 'lost+found')


def list_frames(folder: FilePath) -> list[str]:
    """Names of the images in ``folder``, in natural order, hidden ones left out.

    Raises:
        DataError: The folder is missing, cannot be read or holds no image.
    """
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f'{folder}: no such folder of frames') from None
    except OSError as error:
        raise DataError(f'{folder}: {error.strerror}') from None
    frames = [
        name
        for name in names
        if name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)
    ]
    if not frames:
        raise DataError(
            f'{folder}: no frames in this folder; expected images '
            f'({", ".join(IMAGE_SUFFIXES)})'
        )
    return sorted(frames, key=natural_key)


def read_image(
    path: FilePath, orient: bool = True, value_range: tuple[float, float] | None = None
) -> np.ndarray:
    """Read an image file.

    Args:
        path: The file.
        orient: Turn the image as its EXIF orientation says; False for boxes that were
            drawn on its raw pixels.
        value_range: What is black and what is white in an image of more than 8 bits,
            such as a thermal one; without it, such an image is refused.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file is missing, damaged, larger than :data:`MAX_PIXELS`, or no
            image; or it has more than 8 bits and no ``value_range`` is given.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f'{path}: cannot be read as an image ({error.strerror})'
        ) from None
    return decode_image(data, str(path), orient, value_range)


def decode_image(
    data: bytes,
    name: str,
    orient: bool = True,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Decode what an image file holds; as :func:`read_image`.

    Args:
        data: The content of the file.
        name: For messages.
        orient: See :func:`read_image`.
        value_range: See :func:`read_image`.
    """
    image = _decode(data, name, orient)
    if image.dtype != np.uint8:
        image = to_8_bits(image, value_range, name)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def to_8_bits(
    image: np.ndarray, value_range: tuple[float, float] | None, name: str
) -> np.ndarray:
    """Scale an image so that a range of its values becomes 0 to 255.

    Args:
        image: Of any shape and number type.
        value_range: What becomes 0 and what becomes 255; values beyond are clipped.
        name: Of the image, for messages.

    Returns:
        np.ndarray: The same shape, uint8.

    Raises:
        DataError: There is no range, or it is empty.
    """
    if value_range is None:
        raise DataError(
            f'{name}: its values are {image.dtype}, here {image.min():g} to '
            f'{image.max():g}; say which range is to become black to white: '
            'value_range=(LOW, HIGH), --value-range LOW HIGH'
        )
    low, high = value_range
    if not low < high:
        raise DataError(f'value_range=({low:g}, {high:g}): LOW must be below HIGH')
    scaled = (image.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def check_image(image: object, name: str) -> np.ndarray:
    """Make sure that a frame from a caller is an image.

    Args:
        image: What was given.
        name: Of the frame, for messages.

    Returns:
        np.ndarray: (H, W, 3) uint8, contiguous.

    Raises:
        DataError: It is anything else.
    """
    if not isinstance(image, np.ndarray):
        given = f'a {type(image).__name__}'
    elif image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        given = f'a {image.dtype} array of shape {image.shape}'
    elif not image.size:
        given = f'an empty array of shape {image.shape}'
    else:
        return np.ascontiguousarray(image)
    raise DataError(f'{name}: a frame is an (H, W, 3) uint8 array, not {given}')


def _decode(data: bytes, name: str, orient: bool) -> np.ndarray:
    """Decode an image file to (H, W, 3) BGR of the file's number type."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if not orient:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    _check_size(name, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise DataError(f'{name}: cannot be read as an image (is it complete?)')
    return image


def _check_size(name: str, data: bytes) -> None:
    """Raise DataError if an image says that it is too large."""
    if data.startswith(_JPEG):
        width, height = _jpeg_size(data)
    elif data.startswith(_PNG):
        width, height = (int.from_bytes(data[i : i + 4], 'big') for i in (16, 20))
    else:
        try:
            with Image.open(BytesIO(data)) as image:
                width, height = image.size
        except Image.DecompressionBombError as error:
            raise DataError(f'{name}: too large an image: {error}') from None
        except (OSError, ValueError, SyntaxError):
            return  # OpenCV knows other formats, and has a bound of its own.
    if width * height > MAX_PIXELS:
        raise DataError(
            f'{name}: an image of {width}x{height} pixels; at most {MAX_PIXELS} are taken'
        )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a JPEG file; 0 where it does not say."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            height, width = (
                int.from_bytes(data[at + i : at + i + 2], 'big') for i in (5, 7)
            )
            return width, height
        # 0xFF may be repeated before a marker.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return 0, 0


class ImageFrames(FrameReader):
    """The frames of a list of image files, or of images in memory.

    Args:
        name: For messages.
        images: Files, or (H, W, 3) uint8 RGB arrays; asked for one by one.
        fps: Frames a second, which images do not tell.
        orient: See :func:`read_image`.
        value_range: See :func:`read_image`.
        scale: Scale images of another size than the first to that.

    Raises:
        DataError: There are no images, or none that can be read.
    """

    def __init__(
        self,
        name: str,
        images: Iterable[FilePath | np.ndarray],
        fps: float = 25,
        orient: bool = True,
        value_range: tuple[float, float] | None = None,
        scale: bool = True,
    ) -> None:
        super().__init__(name)
        self._images = images
        self._scale = scale
        self._read_image = partial(read_image, orient=orient, value_range=value_range)
        self.fps = fps
        self._interval_s = 1 / fps
        if isinstance(images, Sized):
            self.num_frames = len(images)
            self.duration_s = len(images) / fps
        self._look_ahead()

    def _read(self) -> Iterator[Reading]:
        for index, image in enumerate(self._images):
            time_s = index * self._interval_s
            if not isinstance(image, (str, os.PathLike)):
                decoded = check_image(image, f'frame {index}')
            else:
                try:
                    decoded = self._read_image(image)
                except DataError as error:
                    yield Reading(time_s, None, f'{error}')
                    continue
            yield Reading(
                time_s, self._scale_to_first(decoded) if self._scale else decoded
            )
