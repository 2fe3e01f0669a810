"""The label-free measure beside the true AUC, over the checkpoints of a run."""

import json
import shutil
import sys

import numpy as np
import pytest

from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('analysis_tools/rank_checkpoints.py')


@pytest.fixture
def rank(tool, root, synthetic_root, trained, tmp_path, monkeypatch):
    """Ranks so many epochs of a run, of each the same weights, but one without them."""
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))

    def rank(num_epochs):
        rows = [dict(epoch=i, overlap=0.1 * i) for i in range(1, num_epochs + 2)]
        (tmp_path / 'label_free.json').write_text(json.dumps(rows))
        for row in rows[:-1]:
            shutil.copy(trained, tmp_path / f'epoch_{row["epoch"]}.pth')
        config = root / 'configs' / 'sstrack_tiny_synthetic.py'
        out = tmp_path / 'rank.json'
        words = ['rank_checkpoints.py', config, tmp_path, '--out', out]
        monkeypatch.setattr(sys, 'argv', list(map(str, words)))
        tool.main()
        return json.loads(out.read_text())

    return rank


class TestCorrelation:
    def test_value(self, tool):
        """1 - 6 sum(d^2) / (n (n^2 - 1)), here with one pair of ranks exchanged."""
        first = list(range(12))
        assert tool.rank_correlation(first, [x**3 for x in first]) == pytest.approx(
            (1, 1, 1)
        )
        assert tool.rank_correlation(first, [-x for x in first]) == pytest.approx(
            (-1, -1, -1)
        )
        second = [1, 0, *first[2:]]
        rho, low, high = tool.rank_correlation(first, second)
        assert rho == pytest.approx(1 - 6 * 2 / (12 * 143))
        assert low < rho <= high <= 1 + 1e-9

    def test_unrelated(self, tool):
        rng = np.random.default_rng(0)
        rho, low, high = tool.rank_correlation(*rng.normal(size=(2, 200)).tolist())
        assert low < 0 < high and abs(rho) < 0.2

    def test_nothing_to_rank(self, tool):
        with pytest.raises(DataError, match='all the same'):
            tool.rank_correlation([0.1, 0.2, 0.3], [50.0, 50.0, 50.0])


def test_run(rank, tool, monkeypatch, capsys):
    """Every checkpoint that is there is tracked with, the others are left out."""
    aucs = iter((10.0, 30.0, 20.0))
    evaluate = tool.evaluate_checkpoint
    tracked = []

    def vary(*args):
        tracked.append(evaluate(*args))
        return next(aucs)

    monkeypatch.setattr(tool, 'evaluate_checkpoint', vary)
    result = rank(3)
    assert len(set(tracked)) == 1 and 0 <= tracked[0] <= 100  # the weights are the same
    assert result['rho'] == pytest.approx(0.5)
    assert [row['auc'] for row in result['checkpoints']] == [10, 30, 20]
    assert [row['epoch'] for row in result['checkpoints']] == [1, 2, 3]
    assert "Spearman's rho 0.50" in capsys.readouterr().out


def test_too_few(rank):
    with pytest.raises(DataError, match='2 checkpoints; keep all .*max_keep_ckpts'):
        rank(2)


def test_no_measures(tool, root, synthetic_root, tmp_path, monkeypatch):
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    monkeypatch.setattr(sys, 'argv', ['rank', str(config), str(tmp_path)])
    with pytest.raises(DataError, match='label_free.json: there is none'):
        tool.main()


@pytest.mark.parametrize('text', ['', 'null', '{"epochs": 1}', '[{"epoch": 1}]', '[[]]'])
def test_measures_of_another_kind(tool, tmp_path, text):
    path = tmp_path / 'label_free.json'
    path.write_text(text)
    with pytest.raises(DataError, match=f'^{path}: expected a list of epochs'):
        tool.read_measured(path)
