"""mmengine's ``Runner.test()`` and ``tools/test.py`` give the same numbers."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmtrack.registry import MODELS

import sstrack_mm.models  # noqa: F401  (registers the classes)
from sstrack_mm.engine import SequenceMetric

pytestmark = pytest.mark.usefixtures('default_scope')


def test_runner_agrees_with_the_tool(
    root, run_tool, synthetic_root, tmp_path, monkeypatch
):
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(
        {
            'test_dataloader.dataset.split': 'train',
            'test_dataloader.dataset.indices': 2,
            'test_evaluator.groups': ['OPE', 'AO'],
            'work_dir': str(tmp_path / 'runner'),
            'load_from': str(tmp_path / 'weights.pth'),
        }
    )
    cfg.dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), cfg.load_from)
    cfg.model.backbone.init_cfg = None
    found = Runner.from_cfg(cfg).test()
    result = run_tool(
        'test.py',
        *(tmp_path / 'config.py', cfg.load_from, '--eval', 'OPE', 'AO'),
        *('--out', tmp_path / 'tool'),
    )
    assert result.returncode == 0, result.stderr
    reports = json.loads((tmp_path / 'tool' / 'metrics.json').read_text())
    expected = {
        name: reports[group]['metrics'][name]
        for group, names in (
            ('OPE', ('auc', 'op50', 'op75', 'precision', 'norm_precision')),
            ('AO', ('ao', 'sr50', 'sr75')),
        )
        for name in names
    }
    assert found == expected
    assert 0 < found['auc'] < 100


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(groups=['OPE', 'mAP']), r"some of \['OPE', 'AO'\], got \['OPE', 'mAP'\]"),
        (dict(groups=[]), r'got \[\]'),
        (dict(convention='otb'), "got 'otb'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceMetric(**arguments)
