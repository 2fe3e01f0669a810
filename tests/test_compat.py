"""What stands between the package and the versions of its libraries."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from sstrack_mm import compat


def test_import_is_light():
    """And after it, mmtrack's import of compiled operators works."""
    code = (
        'import sstrack_mm, sys; assert "torch" not in sys.modules; '
        'from mmcv.ops import RoIPool; import mmcv.ops.nms'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


class TestMissingOps:
    @pytest.fixture
    def without_stand_in(self, monkeypatch):
        """As in a fresh process."""
        monkeypatch.setattr(
            sys,
            'meta_path',
            [
                finder
                for finder in sys.meta_path
                if not isinstance(finder, compat._MissingOpsFinder)
            ],
        )

    def test_operators_say_what_to_install(self):
        ops = compat._MissingOps('mmcv.ops')
        for operator in (ops.RoIPool, ops.nms):
            with pytest.raises(
                ImportError,
                match=rf'{operator.__name__} is a compiled '
                r'operator.*install the full mmcv',
            ):
                operator(1)
        assert ops.RoIPool is ops.RoIPool

    def test_no_magic(self):
        """What Python itself looks for is not there."""
        assert not hasattr(compat._MissingOps('mmcv.ops'), '__wrapped__')

    def test_installed_once(self, without_stand_in, monkeypatch, caplog):
        monkeypatch.setattr(compat, 'mmcv_lacks_ops', lambda: True)
        number = len(sys.meta_path)
        with caplog.at_level('INFO', 'sstrack_mm'):
            assert compat.install_mmcv_ops_stand_in()
            assert compat.install_mmcv_ops_stand_in()
        assert len(sys.meta_path) == number + 1
        assert len(caplog.records) == 1 and 'stand-in for mmcv.ops' in caplog.text

    def test_full_mmcv_is_left_alone(self, without_stand_in, monkeypatch):
        monkeypatch.setattr(compat, 'mmcv_lacks_ops', lambda: False)
        assert not compat.install_mmcv_ops_stand_in()
        assert not any(
            isinstance(finder, compat._MissingOpsFinder) for finder in sys.meta_path
        )

    @pytest.mark.parametrize(
        'files, expected',
        [(['__init__.py'], True), (['__init__.py', '_ext.cpython-311.so'], False)],
    )
    def test_operators_are_looked_for(self, tmp_path, monkeypatch, files, expected):
        for name in files:
            (tmp_path / name).touch()
        spec = importlib.machinery.ModuleSpec(
            'mmcv', None, origin=str(tmp_path / '__init__.py')
        )
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec)
        assert compat.mmcv_lacks_ops() is expected

    def test_no_mmcv(self, monkeypatch):
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
        assert not compat.mmcv_lacks_ops()


class Foreign:
    """Asks the reader of a checkpoint to call something."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class TestCheckpoints:
    @pytest.fixture
    def reload(self, tmp_path):
        """Saves an object and loads it as mmengine does."""
        compat.allow_checkpoint_globals()

        def reload(value):
            torch.save(value, tmp_path / 'checkpoint.pth')
            return torch.load(tmp_path / 'checkpoint.pth')

        return reload

    def test_history_of_scalars(self, reload):
        history = HistoryBuffer()
        for value in (1.0, 2.0, 4):
            history.update(value)
        loaded = reload(
            dict(
                log_scalars=dict(loss=history),
                runtime_info=dict(best=np.float64(0.5), iter=3),
            )
        )
        assert loaded['runtime_info'] == dict(best=0.5, iter=3)
        loss = loaded['log_scalars']['loss']
        assert loss.mean() == pytest.approx(7 / 3) and loss.statistics('current') == 4

    def test_nothing_else(self, reload, tmp_path):
        for foreign in (
            Foreign(os.mkdir, str(tmp_path / 'made')),
            Foreign(getattr, HistoryBuffer, '__init__'),
            Foreign(getattr, torch.Tensor, 'max'),
        ):
            with pytest.raises(Exception, match='not .*loaded|Weights only load failed'):
                reload(foreign)
        assert not (tmp_path / 'made').exists()


class TestProcessGroup:
    @pytest.fixture
    def started(self, monkeypatch):
        """The backends of the groups that were started."""
        backends = []
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        monkeypatch.setattr(torch.distributed, 'init_process_group', backends.append)
        return backends

    def test_none(self, started):
        compat.init_process_group_without_cuda('none')
        assert started == []

    def test_with_cuda(self, started, monkeypatch):
        """mmengine starts it."""
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
        compat.init_process_group_without_cuda('pytorch')
        assert started == []

    def test_torchrun(self, started):
        compat.init_process_group_without_cuda('pytorch')
        assert started == ['gloo']

    def test_slurm(self, started, monkeypatch):
        slurm = dict(SLURM_PROCID='3', SLURM_NTASKS='8', SLURM_LOCALID='1')
        monkeypatch.setattr(os, 'environ', slurm)
        compat.init_process_group_without_cuda('slurm')
        assert started == ['gloo']
        told = [slurm[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')]
        assert told == ['3', '8', '1']
