"""Pictures for videos that the tests make, and ways to damage files."""

import cv2
import numpy as np

SIZE_WH = (96, 64)


def picture(index, size_wh=SIZE_WH):
    """A smooth image whose red tells its number, and whose corner tells what is up."""
    width, height = size_wh
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 4 * index
    image[..., 2] = np.linspace(20, 120, width)
    image[: height // 2, : width // 2, 1] = 200
    return image


def number_of(image):
    """The number of a picture, from any corner but the first."""
    height, width = image.shape[:2]
    return round(float(image[height // 2 + 4 :, width // 2 + 4 :, 0].mean()) / 4)


def noise(index):
    """A picture that takes bytes to encode."""
    random = np.random.default_rng(index)
    grain = random.integers(0, 80, (*SIZE_WH[::-1], 3), dtype=np.uint8)
    return cv2.add(picture(0), grain)


def zero(path, start, stop):
    """Zero a part of a file, from one fraction of its length to another."""
    with open(path, 'r+b') as file:
        size = file.seek(0, 2)
        file.seek(int(start * size))
        file.write(bytes(int(stop * size) - int(start * size)))


def cut(path, part):
    """Cut a file off."""
    with open(path, 'r+b') as file:
        file.truncate(int(part * file.seek(0, 2)))
