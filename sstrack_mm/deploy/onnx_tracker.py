"""Tracks with a network that ``tools/export_onnx.py`` wrote, under ONNX Runtime."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import (
    check_first_box,
    check_image,
    crop_target,
    update_box,
)
from sstrack_mm.structures.memory import TemplateMemory

METADATA_KEY = 'sstrack_mm.test_cfg'
_NOT_A_MODEL = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)


@dataclass
class OnnxTrackState:
    """All that tracking one target of one video needs from the past.

    Attributes:
        bbox_xywh: (4,) float64 last box, in image pixels.
        memory: The template crops, (3, h, w) uint8.
        query: (1, 1, C) float32 track query of the last frame; zeros before the first.
        frame_id: Number of the last frame, from 0.
    """

    bbox_xywh: np.ndarray
    memory: TemplateMemory
    query: np.ndarray
    frame_id: int = 0


class OnnxTracker:
    """A tracker whose network is an ONNX file.

    It tracks as the model does that was exported, and takes that model's place in
    :func:`~sstrack_mm.apis.track_video` and :func:`~sstrack_mm.apis.iter_track`. By
    itself it needs numpy, OpenCV and ONNX Runtime, and nothing else.

    Args:
        path: The file.
        providers: ONNX Runtime's execution providers, best first.
        num_threads: Of the CPU provider; 0 takes every core.

    Raises:
        DataError: The file is missing, or was not written by ``tools/export_onnx.py``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        providers: Sequence[str] = ('CPUExecutionProvider',),
        num_threads: int = 0,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        try:
            self.session = onnxruntime.InferenceSession(
                path, options, providers=list(providers)
            )
        except ort_errors.NoSuchFile:
            raise DataError(f'{path}: no such file') from None
        except _NOT_A_MODEL as error:
            raise DataError(
                f'{path}: cannot be read as an ONNX model ({error})'
            ) from None
        metadata = self.session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise DataError(
                f'{path}: an ONNX model, but no tracker; '
                'write one with tools/export_onnx.py'
            )
        self.test_cfg = json.loads(metadata[METADATA_KEY])
        shapes = {node.name: node.shape for node in self.session.get_inputs()}
        self.template_size: int = shapes['templates'][-1]
        self.search_size: int = shapes['search'][-1]
        self.query_shape: list[int] = shapes['query']

    def init_state(self, image: np.ndarray, bbox_xywh: np.ndarray) -> OnnxTrackState:
        """Start to track a target.

        Args:
            image: (H, W, 3) uint8 RGB, the first frame.
            bbox_xywh: (4,) the target's box in image pixels.

        Returns:
            OnnxTrackState: To hand to :meth:`track_step` with the next frame.

        Raises:
            ValueError: The image is not (H, W, 3) uint8.
            DataError: The box has no area inside the image.
        """
        bbox_xywh = np.asarray(bbox_xywh, float)
        check_image(image)
        check_first_box(image, bbox_xywh)
        memory = TemplateMemory(
            self.test_cfg['memory_size'], self.test_cfg['memory_budget']
        )
        memory.add(0, self._cut_template(image, bbox_xywh))
        return OnnxTrackState(bbox_xywh, memory, np.zeros(self.query_shape, np.float32))

    def track_step(
        self, image: np.ndarray, state: OnnxTrackState
    ) -> tuple[OnnxTrackState, float]:
        """Track the target into the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            state: Of the frame before. Its memory passes on to the new state, so it
                must not be used again.

        Returns:
            tuple[OnnxTrackState, float]: The new state, whose ``bbox_xywh`` is the
            result, and the score in [0, 1].
        """
        check_image(image)
        frame_id, last_xywh = state.frame_id + 1, state.bbox_xywh
        crop, resize_factor = crop_target(
            image, last_xywh, self.test_cfg['search_factor'], self.search_size
        )
        found, query = self.session.run(
            ['found', 'next_query'],
            dict(
                templates=np.stack(state.memory.templates(frame_id))[None],
                search=crop.transpose(2, 0, 1)[None],
                query=state.query,
            ),
        )
        *bbox, score = found[0].tolist()
        bbox_xywh = update_box(
            bbox,
            last_xywh,
            resize_factor,
            self.search_size,
            self.test_cfg['size_lr'],
            (image.shape[1], image.shape[0]),
        )
        state.memory.add(frame_id, self._cut_template(image, bbox_xywh))
        return OnnxTrackState(bbox_xywh, state.memory, query, frame_id), score

    def track_batch(
        self, images: Sequence[np.ndarray], states: Sequence[OnnxTrackState]
    ) -> tuple[list[OnnxTrackState], list[float]]:
        """Track several targets, one after the other; see :meth:`track_step`."""
        stepped = [
            self.track_step(image, state)
            for image, state in zip(images, states, strict=True)
        ]
        return [state for state, _ in stepped], [score for _, score in stepped]

    def _cut_template(self, image: np.ndarray, bbox_xywh: np.ndarray) -> np.ndarray:
        """(3, h, w) uint8 crop around a box."""
        crop, _ = crop_target(
            image, bbox_xywh, self.test_cfg['template_factor'], self.template_size
        )
        return crop.transpose(2, 0, 1)
