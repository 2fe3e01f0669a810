"""The tracking step as an ONNX file."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from sstrack_mm.deploy.onnx_engine import METADATA_KEY, PRESENCE_KEY
from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.models.trackers.one_stream import OneStreamTracker
from sstrack_mm.models.trackers.torch_engine import TrackStep

INPUTS = ('templates', 'search', 'query')
OUTPUTS = ('found', 'next_query', 'anywhere', 'score_map', 'features')


def export_tracker(
    tracker: OneStreamTracker, path: Path, opset: int = 18, int8: bool = False
) -> None:
    """Write the network's step to a file.

    The file maps ``templates`` (1, T, 3, h, w) uint8 RGB, ``search`` (1, 3, H, W) uint8
    RGB and ``query`` (1, 1, C), zeros at the start of a video, to ``found`` (1, 5), the
    box cx, cy, w, h over the side of the search image with its score, and
    ``next_query`` (1, 1, C). The other outputs are the
    :class:`~sstrack_mm.tracking.engine.Evidence`. T is free; normalisation, candidate
    elimination and the window on the score map are inside. Its metadata holds the
    settings of tracking and, where there is one, the judge.

    Args:
        tracker: On the CPU, with its weights.
        path: The file to write.
        opset: Version of ONNX's operators.
        int8: Whether to store the weights of the transformer in 8 bits, and to round
            what they are multiplied with at run time.

    Raises:
        DataError: The exporter does not write this version.
    """
    with torch.no_grad():
        program: Any = torch.onnx.export(
            _WithEvidence(_float32_step(tracker)),
            _random_inputs(tracker, num_templates=2),
            input_names=INPUTS,
            output_names=OUTPUTS,
            opset_version=opset,
            dynamic_shapes=({1: torch.export.Dim('num_templates', max=1024)}, None, None),
            dynamo=True,
            verbose=False,
        )
    written = program.model.opset_imports['']
    if written != opset:
        raise DataError(f'opset {opset}: the exporter can write {written} instead')
    # Traces of the Python code, paths included: a third of a small file.
    ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props[METADATA_KEY] = json.dumps(asdict(tracker.settings))
    if tracker.judge is not None:
        program.model.metadata_props[PRESENCE_KEY] = json.dumps(tracker.judge.to_dict())
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, 'model.onnx')
        program.save(made)
        if int8:
            # Matrix products alone: ONNX Runtime's int8 convolutions are slow on CPUs.
            quantize_dynamic(
                made, made, op_types_to_quantize=['MatMul'], weight_type=QuantType.QInt8
            )
        write_atomically(path, made.read_bytes())


def difference_from_torch(tracker: OneStreamTracker, path: Path) -> dict[str, float]:
    """Run a file of :func:`export_tracker` and PyTorch on the same random input.

    Args:
        tracker: What was exported.
        path: The file.

    Returns:
        dict[str, float]: The largest difference in each output, with one template and
        with the most that tracking uses.
    """
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    step = _float32_step(tracker)
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for num_templates in (1, tracker.settings.memory_size + 1):
        inputs = _random_inputs(tracker, num_templates)
        with torch.no_grad():
            expected = step(*inputs, with_evidence=True)
        feed = {name: x.numpy() for name, x in zip(INPUTS, inputs, strict=True)}
        for name, actual, wanted in zip(
            OUTPUTS, session.run(OUTPUTS, feed), expected, strict=True
        ):
            difference = float(np.abs(actual - wanted.numpy()).max())
            worst[name] = max(worst[name], difference)
    return worst


class _WithEvidence(nn.Module):
    """The step with all that it can say."""

    def __init__(self, step: TrackStep) -> None:
        super().__init__()
        self.step = step

    def forward(
        self, templates: Tensor, search: Tensor, query: Tensor
    ) -> tuple[Tensor, ...]:
        """See :meth:`TrackStep.forward`."""
        return self.step(templates, search, query, True)


def _float32_step(tracker: OneStreamTracker) -> TrackStep:
    """The network's step, whatever type and compiler the tracker itself uses."""
    return TrackStep(tracker.backbone, tracker.head, tracker.data_preprocessor, 'float32')


def _random_inputs(tracker: OneStreamTracker, num_templates: int) -> tuple[Tensor, ...]:
    """Random ``templates``, ``search`` and ``query``, the same ones every time."""
    generator = torch.Generator().manual_seed(num_templates)

    def images(*shape: int) -> Tensor:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

    template, search = tracker.template_size, tracker.search_size
    return (
        images(1, num_templates, 3, template, template),
        images(1, 3, search, search),
        torch.randn(tracker.backbone.cls_token.shape, generator=generator),
    )
