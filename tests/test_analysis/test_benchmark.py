"""The benchmark, with both sides in this process."""

import json
import sys

import pytest

from sstrack_mm.analysis import benchmark
from sstrack_mm.analysis.benchmark import (
    check_settings,
    format_table,
    run_benchmark,
    summarize,
)
from sstrack_mm.analysis.pipeline import FileSide
from sstrack_mm.analysis.settings import Settings
from sstrack_mm.analysis.side import Repeat
from sstrack_mm.errors import DataError

NETWORK_KEYS = {
    'repeats',
    'spread',
    'ms',
    'dtype',
    'flops',
    'flops_per_second',
    'matmul_flops_per_second',
    'mfu',
    'parameters',
    'peak_memory',
}


class LocalObject:
    """Stands in for an object in another process."""

    def __init__(self, factory, *args):
        self.made = factory(*args)

    def wait(self):
        pass

    def call(self, method):
        return getattr(self.made, method)()

    def close(self):
        pass


@pytest.fixture
def settings(root, tiny_options, monkeypatch):
    """Makes the settings of a small measurement; its sides run in this process."""
    monkeypatch.setattr(benchmark, 'RemoteObject', LocalObject)

    def make(mode, config='sstrack_b256.py', **changes):
        options = tiny_options | {'train_dataloader.num_workers': 0}
        options = options if config == 'sstrack_b256.py' else {}
        return Settings(
            config=str(root / 'configs' / config),
            mode=mode,
            cfg_options=options,
            repeats=2,
            frames=2,
            frame_size=(96, 80),
            **changes,
        )

    return make


def check_network_report(report, rate_key, clips):
    for side in ('ours', 'baseline'):
        numbers = report[side]
        assert NETWORK_KEYS | {rate_key} <= set(numbers)
        assert len(numbers['repeats']) == 2 and min(numbers['repeats']) > 0
        assert 0 < numbers['ms']['p50'] <= numbers['ms']['p95']
        achieved = numbers['flops'] / clips * numbers[rate_key]
        assert numbers['flops_per_second'] == pytest.approx(achieved)
        assert numbers['mfu'] == pytest.approx(
            achieved / numbers['matmul_flops_per_second']
        )
    for key in ('flops', 'parameters'):
        assert report['ours'][key] == report['baseline'][key] > 0
    assert report['ratio'] == {
        key: report['ours'][key] / report['baseline'][key] for key in report['ratio']
    }
    table = format_table(report)
    for word in ('ours', 'baseline', 'ratio', 'peak memory (MB)'):
        assert word in table
    json.dumps(report)


def test_track(settings):
    report = run_benchmark(settings('track'), baseline=True)
    check_network_report(report, 'fps', 1)
    assert set(report['ratio']) == {'fps'}
    assert set(report['ours']['stages_ms']) == {
        'decode',
        'crop',
        'network',
        'memory',
        'post-processing',
    }
    assert min(report['ours']['stages_ms'].values()) > 0


def test_track_several_targets(settings):
    single, several = (
        run_benchmark(settings('track', dtype='bfloat16', targets=targets))['ours']
        for targets in (1, 2)
    )
    assert several['flops'] == 2 * single['flops'] and single['dtype'] == 'bfloat16'
    assert several['target_frames_per_second'] == 2 * several['fps']


@pytest.mark.parametrize('dtype', ['float32', 'int8'])
def test_track_under_onnx_runtime(settings, dtype):
    """The baseline stays PyTorch's; int8 has no matrix products to compare with."""
    report = run_benchmark(
        settings('track', engine='onnxruntime', dtype=dtype), baseline=True
    )
    ours, baseline = report['ours'], report['baseline']
    assert ours['dtype'] == dtype and ours['flops'] == baseline['flops']
    assert ('mfu' in ours) == (dtype == 'float32') and 'mfu' in baseline
    assert 'peak_memory' not in ours  # exporting in the same process hides it
    assert set(ours['stages_ms']) == set(baseline['stages_ms'])
    assert min(ours['stages_ms'].values()) > 0


def test_onnx_is_optional(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sstrack_mm.analysis.onnx_tracking', None)
    assert 'ours' in run_benchmark(settings('track'))
    with pytest.raises(DataError, match=r'pip install -r requirements/optional\.txt'):
        run_benchmark(settings('track', engine='onnxruntime'))


def test_pipeline(settings):
    report = run_benchmark(settings('pipeline'), baseline=True)
    assert report['ours']['path'] == 'track_video'
    assert report['baseline']['path'] == 'inference_sot'
    assert len(report['ours']['repeats']) == 2
    assert report['ratio']['fps'] == report['ours']['fps'] / report['baseline']['fps']


def test_file(settings, monkeypatch):
    runs, plain = [], FileSide._one_after_another
    monkeypatch.setattr(FileSide, '_one_after_another', lambda s: runs.append(plain(s)))
    report = run_benchmark(settings('file'), baseline=True)
    assert report['ours']['way'] == 'side by side'
    assert report['baseline']['way'] == 'one after another'
    assert len(runs) == 3  # to warm up, and two repeats
    assert report['ratio']['fps'] == pytest.approx(
        report['ours']['fps'] / report['baseline']['fps']
    )


def test_train(settings):
    """Also memory templates at known boxes, and the template kept on the way back."""
    settings = settings('train', config='sstrack_tiny_synthetic.py', batch_size=2)
    report = run_benchmark(settings, baseline=True)
    check_network_report(report, 'clips_per_second', 2)
    assert set(report['ratio']) == {'clips_per_second', 'peak_memory'}
    ours, baseline = report['ours'], report['baseline']
    assert ours['first_loss'] == pytest.approx(baseline['first_loss'], rel=1e-4)
    # Weights, gradients and AdamW's two moments, of the parameters that have gradients.
    assert ours['persistent_memory'] == baseline['persistent_memory']
    assert 12 < ours['persistent_memory'] / ours['parameters'] <= 16.1


def test_data(settings):
    report = run_benchmark(settings('data'))
    assert report['ours']['clips_per_second'] > 0 and report['ours']['workers'] == 0
    assert 'LoadClip' in report['ours']['stages_ms'] and 'ratio' not in report
    assert 'LoadClip (ms)' in format_table(report)


def test_summarize():
    repeats = [Repeat([0.1, 0.3], 100.0), Repeat([0.4, 0.4], 300.0)]
    summary = summarize(
        Settings('x.py', 'train', batch_size=4), 'ours', repeats, dict(flops=40)
    )
    assert summary['repeats'] == pytest.approx([20, 10])
    assert summary['clips_per_second'] == pytest.approx(15)
    assert summary['spread'] == pytest.approx(10 / 15)
    assert summary['ms']['p50'] == pytest.approx(350)
    assert summary['flops_per_second'] == pytest.approx(40 / 4 * 15)
    assert summary['mfu'] == pytest.approx(150 / 200)


@pytest.mark.parametrize(
    'changes, baseline, message',
    [
        (dict(mode='data'), True, 'no baseline'),
        (dict(frames=0), False, 'frames must be positive, but got 0'),
        (dict(keep_ratio=1.5), False, 'keep_ratio must be in .* 1.5'),
        (dict(mode='train', dtype='float16'), False, 'float16 needs a CUDA device'),
        (dict(dtype='int8'), False, "pytorch is measured in .*, but got 'int8'"),
        (
            dict(engine='onnxruntime', dtype='bfloat16'),
            False,
            "onnxruntime is measured in .*, but got 'bfloat16'",
        ),
        (dict(mode='train', engine='onnxruntime'), False, 'in mode track on the cpu'),
        (dict(engine='onnxruntime', compile=True), False, 'compile has no part'),
        (dict(device='nowhere'), False, "'nowhere' does not work here"),
        (dict(device='meta:x'), False, "'meta:x' does not work here"),
    ],
)
def test_bad_settings(changes, baseline, message):
    with pytest.raises(DataError, match=message):
        check_settings(Settings('x.py', **dict(mode='track') | changes), baseline)


def test_no_baseline_of_other_trackers(settings):
    settings = settings('track')
    settings.cfg_options['model.type'] = 'OtherTracker'
    with pytest.raises(DataError, match='not of OtherTracker'):
        LocalObject(benchmark.TrackSide, settings, benchmark.Path('.'), True)
