"""What stands between the package and the versions of its libraries."""

import importlib
import os
import subprocess
import sys
import warnings

import pytest
import torch
from mmengine.logging import MMLogger

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


def test_what_a_user_can_do_nothing_about(tmp_path, capsys, monkeypatch):
    """It is in the log file, and not on the screen."""
    monkeypatch.setattr(MMLogger, 'callHandlers', MMLogger.callHandlers)
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        compat.quieten()
        with warnings.catch_warnings(record=True) as shown:
            warnings.warn(
                'Unnecessary conv bias before batch/instance norm', stacklevel=1
            )
            warnings.warn('pay attention', stacklevel=1)
    assert [str(each.message) for each in shown] == ['pay attention']
    logger = MMLogger('quiet', log_file=str(tmp_path / 'run.log'))
    logger.warning('"FileClient" will be deprecated in future.')
    logger.info('Config:\n' + 'key = 1\n' * 9)
    logger.info('Epoch(train) [1][4/4]')
    logger.error('lines:\n' + 'worth reading\n' * 9)
    on_screen = capsys.readouterr().out
    assert 'Epoch(train)' in on_screen and on_screen.count('worth reading') == 9
    assert 'FileClient' not in on_screen and 'key' not in on_screen
    assert (tmp_path / 'run.log').read_text().count('key = 1') == 9
