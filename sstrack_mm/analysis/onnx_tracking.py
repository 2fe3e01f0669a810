"""The side of the benchmark that tracks under ONNX Runtime, which is optional."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from sstrack_mm.analysis.tracking import TrackSide
from sstrack_mm.deploy.export import export_tracker
from sstrack_mm.deploy.onnx_engine import OnnxTracker


class OnnxTrackSide(TrackSide):
    """Tracks with the model as ``tools/export_onnx.py`` writes it."""

    def _make_tracker(self) -> OnnxTracker:
        self.model = self._build_model().eval()
        with TemporaryDirectory() as folder:
            path = Path(folder) / 'model.onnx'
            export_tracker(self.model, path, int8=self.settings.dtype == 'int8')
            return OnnxTracker(path, num_threads=torch.get_num_threads())

    def finish(self) -> dict[str, Any]:
        """As with PyTorch, but for the memory.

        Exporting leaves free memory behind, which ONNX Runtime then fills unseen.
        """
        summary = super().finish()
        del summary['peak_memory']
        return summary
