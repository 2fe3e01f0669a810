"""Tracks with a network that ``tools/export_onnx.py`` wrote, under ONNX Runtime."""

import json
import os
from collections.abc import Sequence

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from sstrack_mm.errors import DataError
from sstrack_mm.structures.crop import crop_target
from sstrack_mm.tracking.engine import Evidence, StepOutput
from sstrack_mm.tracking.online import OnlineTracker
from sstrack_mm.tracking.presence import PresenceModel
from sstrack_mm.tracking.settings import TrackSettings

METADATA_KEY = 'sstrack_mm.settings'
PRESENCE_KEY = 'sstrack_mm.presence'
_FOUND = ['found', 'next_query']
_EVIDENCE = ['anywhere', 'score_map', 'features']
_NOT_A_MODEL = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)


class OnnxTracker(OnlineTracker):
    """A tracker whose network is an ONNX file.

    It tracks as the model does that was exported, and takes that model's place in
    :func:`~sstrack_mm.apis.track_video` and :func:`~sstrack_mm.apis.iter_track`. By
    itself it needs numpy, OpenCV and ONNX Runtime, and nothing else.

    Args:
        path: The file.
        providers: ONNX Runtime's execution providers, best first.
        num_threads: Of the CPU provider; 0 takes every core.

    Raises:
        DataError: The file is missing, was not written by ``tools/export_onnx.py``, or
            holds settings that make no sense.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        providers: Sequence[str] = ('CPUExecutionProvider',),
        num_threads: int = 0,
    ) -> None:
        session = _open(path, providers, num_threads)
        settings = _read_settings(path, session)  # Before: it may be no tracker at all.
        super().__init__(OnnxEngine(session), settings, _read_presence(path, session))


class OnnxEngine:
    """The :class:`~sstrack_mm.tracking.engine.Engine` of an exported network.

    Frames are (H, W, 3) images as they come, crops (3, h, w) uint8 and queries
    (1, 1, C) float32 arrays.

    Args:
        session: Of a file that ``tools/export_onnx.py`` wrote.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        shapes = {node.name: node.shape for node in session.get_inputs()}
        self.template_size: int = shapes['templates'][-1]
        self.search_size: int = shapes['search'][-1]
        self._query_shape: list[int] = shapes['query']

    def zero_query(self) -> np.ndarray:
        """The (1, 1, C) track query that a video starts with."""
        return np.zeros(self._query_shape, np.float32)

    def load(self, image_rgb: np.ndarray) -> np.ndarray:
        """The image: nothing is to be done."""
        return image_rgb

    def cut_search(
        self,
        frames: Sequence[np.ndarray],
        bboxes_xywh: Sequence[np.ndarray],
        factor: float,
    ) -> list[np.ndarray]:
        """(3, H, W) uint8 search images of B targets."""
        return _cut(frames, bboxes_xywh, factor, self.search_size)

    def cut_templates(
        self,
        frames: Sequence[np.ndarray],
        bboxes_xywh: Sequence[np.ndarray],
        factor: float,
        shade: bool = False,
    ) -> list[np.ndarray]:
        """(3, h, w) uint8 templates of B targets."""
        return _cut(frames, bboxes_xywh, factor, self.template_size, shade)

    def step(
        self,
        templates: Sequence[Sequence[np.ndarray]],
        search: Sequence[np.ndarray],
        queries: Sequence[np.ndarray],
        with_evidence: bool = False,
    ) -> StepOutput:
        """Locate B targets, one after the other: the file takes one at a time."""
        names = [*_FOUND, *_EVIDENCE] if with_evidence else _FOUND
        runs = [
            self.session.run(
                names,
                dict(templates=np.stack(crops)[None], search=image[None], query=query),
            )
            for crops, image, query in zip(templates, search, queries, strict=True)
        ]
        founds, next_queries, *more = zip(*runs, strict=True)
        table = np.concatenate(founds).astype(np.float64)
        evidence = None
        if with_evidence:
            anywhere, score_maps, features = map(np.concatenate, more)
            anywhere = anywhere.astype(np.float64)
            numbers = np.concatenate(next_queries)[:, 0]
            evidence = Evidence(
                anywhere[:, :4], anywhere[:, 4], score_maps, features, numbers
            )
        return StepOutput(table[:, :4], table[:, 4], list(next_queries), evidence)


def _cut(
    frames: Sequence[np.ndarray],
    bboxes_xywh: Sequence[np.ndarray],
    factor: float,
    size: int,
    shade: bool = False,
) -> list[np.ndarray]:
    """(3, size, size) uint8 crops of B targets."""
    return [
        crop_target(frame, bbox_xywh, factor, size, shade)[0].transpose(2, 0, 1)
        for frame, bbox_xywh in zip(frames, bboxes_xywh, strict=True)
    ]


def _open(
    path: str | os.PathLike[str], providers: Sequence[str], num_threads: int
) -> onnxruntime.InferenceSession:
    """Open a file, or say what is wrong with it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=list(providers))
    except ort_errors.NoSuchFile:
        raise DataError(f'{path}: no such file') from None
    except _NOT_A_MODEL as error:
        raise DataError(f'{path}: cannot be read as an ONNX model ({error})') from None


def _read_settings(
    path: str | os.PathLike[str], session: onnxruntime.InferenceSession
) -> TrackSettings:
    """The settings in a file's metadata, checked."""
    metadata = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise DataError(
            f'{path}: an ONNX model, but no tracker of this version; '
            'write one with tools/export_onnx.py'
        )
    try:
        return TrackSettings.from_dict(json.loads(metadata[METADATA_KEY]))
    except DataError as error:
        raise DataError(f'{path}: {error}') from None


def _read_presence(
    path: str | os.PathLike[str], session: onnxruntime.InferenceSession
) -> PresenceModel | None:
    """The judge in a file's metadata; None where it has none."""
    text = session.get_modelmeta().custom_metadata_map.get(PRESENCE_KEY)
    if text is None:
        return None
    try:
        return PresenceModel.from_dict(json.loads(text))
    except DataError as error:
        raise DataError(f'{path}: {error}') from None
