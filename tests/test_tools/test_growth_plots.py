"""The plots of how cost and memory grow."""

import sys

import cv2
import pytest

from sstrack_mm.analysis import benchmark
from sstrack_mm.errors import DataError


@pytest.fixture
def call(load_tool, monkeypatch):
    """Runs a plotting command in this process."""

    def call(name, *args):
        tool = load_tool(f'analysis_tools/{name}')
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        tool.main()

    return call


class TestCost:
    @pytest.fixture
    def config(self, root):
        return root / 'configs' / 'sstrack_t256.py'

    def test_one_thing_at_a_time(self, call, config, tmp_path, capsys, monkeypatch):
        measured = []

        def run_benchmark(settings):
            measured.append(settings)
            return dict(
                ours=dict(fps=4.0 * len(measured), flops=7e9, stages_ms=dict(crop=0.5))
            )

        monkeypatch.setattr(benchmark, 'run_benchmark', run_benchmark)
        call(
            'plot_cost.py',
            *(config, tmp_path / 'cost.png', '--device', 'cpu', '--dtype', 'bfloat16'),
            *('--cfg-options', 'model.backbone.keep_ratio=0.5'),
        )
        assert cv2.imread(str(tmp_path / 'cost.png')) is not None
        rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines()]
        rows = [[cell.strip() for cell in row] for row in rows if len(row) == 5][2:]
        assert len(rows) == len(measured) == 19
        assert rows[0] == ['templates', '1', '250.0', '7.0', '0.50']
        assert rows[5] == ['targets', '1', f'{1000 / 24:.1f}', '7.0', '0.50']
        assert {row[0]: row[1] for row in rows} == {
            'templates': '9',
            'targets': '16',
            'search size (pixels)': '384',
            'frame (megapixels)': '8.2944',
        }
        usual = dict(targets=1, frame_size=(1280, 720))
        for settings, (varied, *_) in zip(measured, rows, strict=True):
            assert settings.dtype == 'bfloat16' and settings.mode == 'track'
            assert settings.cfg_options['model.backbone.keep_ratio'] == 0.5
            for key, value in usual.items():
                if key[:5] != varied[:5]:
                    assert getattr(settings, key) == value
            assert len(settings.cfg_options) == {'t': 1, 's': 3, 'f': 1}[varied[0]] + (
                varied == 'templates'
            )

    def test_what_goes_wrong(self, call, config, tmp_path):
        with pytest.raises(DataError, match='device nowhere cannot be used here'):
            call('plot_cost.py', config, tmp_path / 'cost.png', '--device', 'nowhere')

    def test_no_picture(self, call, config, tmp_path, capsys):
        with pytest.raises(SystemExit):
            call('plot_cost.py', config, tmp_path / 'cost.xyz')
        assert 'cost.xyz: its name must end in .png' in capsys.readouterr().err


def test_memory(call, tmp_path, capsys):
    """Of 500 frames the exact mode keeps the first, and those from the 83rd on."""
    path = tmp_path / 'memory.png'
    call('plot_memory.py', path, '--frames', 500, '--budget', 8)
    assert cv2.imread(str(path)) is not None
    shown = capsys.readouterr().out
    assert 'memory_budget=8: 0.4 MB (8 crops) at most' in shown
    assert 'exact: 20.5 MB (418 crops) at most' in shown and f'wrote {path}' in shown
