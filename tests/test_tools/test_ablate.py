"""Ablations: what a study may say, what is compared, and a whole one, shortened."""

import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.report import Report

STUDY = """
config = 'configs/sstrack_tiny_synthetic.py'
videos = dict(videos=2, test_videos=2, frames=5, size=(96, 64))
seeds = (3,)
options = [
    'train_cfg.max_epochs=1', 'train_dataloader.sampler.samples_per_epoch=4',
    'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0'
]
variants = {
    'one-way': dict(options=['train_dataloader.dataset.pipeline.0.num_search=0']),
    'memory of 1': dict(test_options=['model.test_cfg.memory_size=1']),
}
"""


@pytest.fixture(scope='module')
def ablate(load_tool):
    return load_tool('analysis_tools/ablate.py')


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / 'study.py'
    path.write_text(STUDY)
    return path


def make_report(*aucs):
    aucs = np.array(aucs, float)
    return Report('pysot', ('a', 'b'), dict(auc=aucs), np.ones(2), {})


class TestStudy:
    def test_options_of_all_come_first(self, ablate, study_file):
        study = ablate.read_study(str(study_file))
        one_way = study.variants['one-way']
        assert one_way.config == 'configs/sstrack_tiny_synthetic.py'
        assert one_way.options[0] == 'train_cfg.max_epochs=1'
        assert one_way.options[-1].endswith('num_search=0')
        memory = study.variants['memory of 1']
        assert memory.options == one_way.options  # it has its weights
        assert memory.test_options == ('model.test_cfg.memory_size=1',)

    @pytest.mark.parametrize('name', ['claims', 'proposals', 'ingredients'])
    def test_ours(self, ablate, root, name):
        study = ablate.read_study(str(root / 'configs' / 'studies' / f'{name}.py'))
        assert study.seeds
        for variant in study.variants.values():
            assert (root / variant.config).is_file()

    def test_missing(self, ablate, study_file):
        study_file.write_text(STUDY.replace('seeds = (3,)', ''))
        with pytest.raises(DataError, match='needs seeds, too'):
            ablate.read_study(str(study_file))

    def test_unknown_key(self, ablate, study_file):
        study_file.write_text(STUDY.replace('test_options', 'test_option'))
        with pytest.raises(DataError, match='memory of 1.*test_option.*the keys are'):
            ablate.read_study(str(study_file))


class TestTable:
    def test_difference_of_the_means_over_seeds(self, ablate):
        table = ablate.make_table(
            {
                'first': [make_report(10, 30), make_report(20, 40)],
                'second': [make_report(12, 32), make_report(22, 42)],
            }
        )
        assert '| 25.0' in table
        assert '| 22.0 32.0' in table
        assert '+2.0 (+2.0 to +2.0)' in table

    def test_only_seeds_that_both_have(self, ablate):
        """In the middle of a study the first has one seed more."""
        table = ablate.make_table(
            {
                'first': [make_report(10, 30), make_report(90, 90)],
                'second': [make_report(10, 30)],
            }
        )
        assert '+0.0 (+0.0 to +0.0)' in table

    def test_mean(self, ablate):
        mean = ablate.mean_report([make_report(10, 30), make_report(20, 50)])
        assert mean.values['auc'].tolist() == [15, 40]
        assert mean.names == ('a', 'b')


def test_a_study(run_tool, study_file, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    out = tmp_path / 'out'
    run = (run_tool, 'analysis_tools/ablate.py', study_file, '--out', out)
    first = run[0](*run[1:])
    assert first.returncode == 0, first.stderr + first.stdout
    table = (out / 'table.md').read_text()
    assert table in first.stdout
    assert 'one-way' in table and 'memory of 1' in table
    assert (out / 'memory_of_1' / 'seed_3' / 'tracked').is_dir()
    assert not (out / 'memory_of_1' / 'seed_3' / 'train.log').exists()

    logs = [path.stat().st_mtime_ns for path in sorted(out.rglob('*.log'))]
    again = run[0](*run[1:])
    assert 'trained in' not in again.stdout and table in again.stdout
    assert [path.stat().st_mtime_ns for path in sorted(out.rglob('*.log'))] == logs

    study_file.write_text(STUDY.replace('samples_per_epoch=4', 'samples_per_epoch=6'))
    changed = run[0](*run[1:])
    assert changed.returncode == 1
    assert 'trained.txt: it was done with other options' in changed.stderr


def test_a_failed_command_is_named(run_tool, study_file, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    study_file.write_text(STUDY.replace('frames=5', 'frames=0'))
    result = run_tool('analysis_tools/ablate.py', study_file, '--out', tmp_path / 'out')
    assert result.returncode == 1
    assert 'got10k.log: the command failed' in result.stderr
