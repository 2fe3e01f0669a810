"""Serves a tracker of this project to the vot-toolkit, over TraX on standard input.

``trackers.ini`` names this module, and the toolkit starts it; README.md tells how. The
environment says what to serve (relative paths are looked for in the repository):

    SSTRACK_CONFIG        configuration file
    SSTRACK_CHECKPOINT    weights; without them the network has random ones
    SSTRACK_CFG_OPTIONS   settings to override, KEY=VALUE ... as for tools/test.py
    SSTRACK_DEVICE        default: cuda:0 if there is one, else cpu
"""

import os
from pathlib import Path

import numpy as np
import torch
from trax import Image, Rectangle, Region, Server, TraxStatus

import sstrack_mm  # noqa: F401  (before mmtrack: stands in for missing operators)
from sstrack_mm.apis import Tracker, init_model
from sstrack_mm.command_line import run_command
from sstrack_mm.command_options import parse_options
from sstrack_mm.errors import DataError
from sstrack_mm.frames import read_image

ROOT = Path(__file__).resolve().parents[2]
FORMATS = [Region.RECTANGLE, Region.POLYGON, Region.MASK]


def find_file(variable: str) -> str | None:
    """The file that an environment variable names; None where it is not set.

    Raises:
        DataError: There is no such file.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    path = ROOT / value
    if not path.is_file():
        raise DataError(f'{variable}={value}: no such file ({path})')
    return str(path)


def load_model() -> Tracker:
    """The model that the environment asks for.

    Raises:
        DataError: The environment names no configuration, or a file that is missing.
    """
    config_file = find_file('SSTRACK_CONFIG')
    if config_file is None:
        raise DataError(
            'SSTRACK_CONFIG is not set: name a configuration file in the environment, '
            'or in trackers.ini as env_sstrack_config'
        )
    options = parse_options(os.environ.get('SSTRACK_CFG_OPTIONS', '').split())
    torch.manual_seed(0)  # random weights, if any, are the same in every process
    device = os.environ.get('SSTRACK_DEVICE') or None
    return init_model(config_file, find_file('SSTRACK_CHECKPOINT'), device, options)


def region_box(region: Region) -> np.ndarray:
    """The axis-aligned box of a region.

    Args:
        region: A rectangle, a polygon, or a mask.

    Returns:
        np.ndarray: (4,) float64 ``x, y, w, h`` in image pixels.

    Raises:
        DataError: The mask is empty.
    """
    if region.type == Region.RECTANGLE:
        return np.array(region.bounds(), dtype=np.float64)
    if region.type == Region.POLYGON:
        corners = np.array(list(region), dtype=np.float64)
        return np.concatenate([corners.min(axis=0), np.ptp(corners, axis=0)])
    pixels = np.argwhere(region.array())[:, ::-1]  # (N, 2) x, y
    if not len(pixels):
        raise DataError('the mask to start from is empty')
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return np.concatenate([low + region.offset(), high - low + 1]).astype(np.float64)


def serve(model: Tracker) -> None:
    """Answer requests until the client quits.

    A target starts in any frame; the answer has its given region there, and in all
    later frames its box, with its score as ``confidence``.
    """
    states: list = []
    with Server(FORMATS, [Image.PATH], multiobject=True) as server:
        while True:
            request = server.wait()
            if request.type in (TraxStatus.QUIT, TraxStatus.ERROR):
                return
            if request.type == TraxStatus.INITIALIZE:
                states = []
            frame = read_image(request.image['color'].path())
            answer = []
            for place, state in enumerate(states):
                states[place] = state = model.track_step(frame, state)
                box = Rectangle.create(*state.bbox_xywh.tolist())
                answer.append((box, dict(confidence=state.score)))
            for region, _ in request.objects or []:
                states.append(model.init_state(frame, region_box(region)))
                answer.append((region, dict(confidence=states[-1].score)))
            server.status(answer)


if __name__ == '__main__':
    run_command(lambda: serve(load_model()))
