"""The exported file computes what the network computes, whatever it is made of."""

import json
from dataclasses import asdict

import onnx
import pytest
import torch
from mmtrack.registry import MODELS

import sstrack_mm.models  # noqa: F401  (registers the classes)
from sstrack_mm.deploy.export import OUTPUTS, difference_from_torch, export_tracker
from sstrack_mm.deploy.onnx_engine import METADATA_KEY, OnnxTracker

ROUNDING = 1e-5  # measured: 4e-7
INT8_ROUNDING = 0.1  # measured: 0.03


@pytest.fixture
def build(tracker_cfg, corner_head_cfg):
    """Builds a small tracker with random weights and running statistics."""
    backbone = tracker_cfg['backbone'] | dict(depth=3, elimination_layers=(1,))
    variants = dict(
        corner_head=dict(
            backbone=backbone | dict(temporal_embed=False), head=corner_head_cfg
        ),
        conv_stem=dict(backbone=backbone | dict(stem='conv', keep_ratio=1.0)),
        bfloat16=dict(backbone=backbone, test_cfg=dict(dtype='bfloat16', memory_size=1)),
    )

    def build(variant):
        torch.manual_seed(0)
        tracker = MODELS.build(tracker_cfg | variants[variant])
        tracker.init_weights()
        for name, buffer in tracker.named_buffers():
            if name.endswith(('running_mean', 'running_var')):
                buffer.uniform_(0.5, 1.5)
        return tracker

    return build


class TestFile:
    @pytest.fixture(scope='class')
    @staticmethod
    def model(tiny_onnx):
        return onnx.load(tiny_onnx)

    def test_is_valid(self, model):
        onnx.checker.check_model(model, full_check=True)
        assert [opset.version for opset in model.opset_import if not opset.domain] == [18]

    def test_inputs_and_outputs(self, model):
        def shapes(values):
            return {
                value.name: [
                    dim.dim_param or dim.dim_value
                    for dim in value.type.tensor_type.shape.dim
                ]
                for value in values
            }

        assert shapes(model.graph.input) == dict(
            templates=[1, 'num_templates', 3, 128, 128],
            search=[1, 3, 256, 256],
            query=[1, 1, 48],
        )
        assert shapes(model.graph.output) == dict(
            found=[1, 5],
            next_query=[1, 1, 48],
            anywhere=[1, 5],
            score_map=[1, 16, 16],
            features=[1, 2, 48],
        )

    def test_metadata(self, model, tiny_model):
        assert [prop.key for prop in model.metadata_props] == [METADATA_KEY]
        assert json.loads(model.metadata_props[0].value) == asdict(tiny_model.settings)

    def test_names_no_source_file(self, tiny_onnx):
        assert b'.py' not in tiny_onnx.read_bytes()


class TestDifference:
    def test_tiny(self, tiny_model, tiny_onnx):
        differences = difference_from_torch(tiny_model, tiny_onnx)
        assert set(differences) == set(OUTPUTS)
        assert max(differences.values()) < ROUNDING

    @pytest.mark.parametrize('variant', ['corner_head', 'conv_stem', 'bfloat16'])
    def test_variants(self, build, variant, tmp_path):
        """Each of them, and no other network than the one exported."""
        tracker = build(variant)
        export_tracker(tracker, tmp_path / 'tracker.onnx')
        differences = difference_from_torch(tracker, tmp_path / 'tracker.onnx')
        assert max(differences.values()) < ROUNDING
        with torch.no_grad():
            tracker.backbone.blocks[0].attn.qkv.weight[0, 0] += 1
        differences = difference_from_torch(tracker, tmp_path / 'tracker.onnx')
        assert differences['next_query'] > 10 * ROUNDING

    def test_int8(self, build, tmp_path):
        """It rounds, and does nothing worse; the file still is a tracker's."""
        tracker = build('conv_stem')
        export_tracker(tracker, tmp_path / 'int8.onnx', int8=True)
        differences = difference_from_torch(tracker, tmp_path / 'int8.onnx')
        assert ROUNDING < max(differences.values()) < INT8_ROUNDING
        assert OnnxTracker(tmp_path / 'int8.onnx').engine.search_size == 64
        model = onnx.load(tmp_path / 'int8.onnx')
        assert sum(node.op_type == 'MatMulInteger' for node in model.graph.node) == 12
