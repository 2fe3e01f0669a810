"""Watching a run without labels."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from sstrack_mm.engine.hooks import CollapseError, LabelFreeHook, label_free_hook
from sstrack_mm.evaluation.label_free import LabelFree, effective_rank, feature_std

HEALTHY = dict(
    overlap=0.5, entropy=0.8, feature_std=0.4, effective_rank=9.0, box_std=0.3, moved=0.6
)


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """Runs the hook over epochs with these measures; returns it and what was saved."""

    def watch(*measures, **arguments):
        hook, saved = LabelFreeHook(videos={}, **arguments), []
        hook.clips, left = [], iter(measures)
        monkeypatch.setattr(
            label_free_hook, 'measure', lambda *args: LabelFree(**HEALTHY | next(left))
        )
        runner = SimpleNamespace(
            model=None,
            epoch=0,
            iter=0,
            rank=0,
            work_dir=str(tmp_path),
            train_dataloader=[0] * 3,
            message_hub=SimpleNamespace(log_scalars={}),
            visualizer=SimpleNamespace(add_scalars=lambda *args, **kwargs: None),
            logger=SimpleNamespace(info=lambda *args: None),
            save_checkpoint=lambda folder, name, **kwargs: saved.append(
                (name, kwargs['meta']['epoch'])
            ),
        )
        for runner.epoch in range(len(measures)):
            hook.after_train_epoch(runner)
        return hook, saved

    return watch


def test_best_weights_and_files(watch, tmp_path):
    measures = [dict(overlap=value) for value in (0.2, 0.4, 0.3, 0.5)]
    _, saved = watch(*measures)
    assert saved == [('best_label_free.pth', epoch) for epoch in (1, 2, 4)]
    rows = json.loads((tmp_path / 'label_free.json').read_text())
    assert [row['overlap'] for row in rows] == [0.2, 0.4, 0.3, 0.5]
    assert [row['epoch'] for row in rows] == [1, 2, 3, 4]
    assert (tmp_path / 'label_free.png').stat().st_size > 1000


@pytest.mark.parametrize(
    ('measures', 'message'),
    [
        (dict(feature_std=0.001), 'the features are constant .*loss_contrastive'),
        (dict(effective_rank=1.1), 'the features are constant'),
        (dict(box_std=0.001), 'the boxes are constant .*synthesis_prob'),
        (dict(moved=0.001), 'everything is at the centre .*center_jitter'),
    ],
)
def test_alarms(watch, monkeypatch, measures, message):
    monkeypatch.setattr(label_free_hook, 'plot_training', lambda *args: None)
    with pytest.raises(CollapseError, match=f'epoch 3: {message}'):
        watch(measures, measures, measures)
    watch(measures, measures, {}, measures, measures)  # it recovered
    watch(*[measures] * 5, patience=0)


def test_alarm_after_resuming(watch, tmp_path, monkeypatch):
    """What looked collapsed before counts."""
    watch({}, dict(moved=0), dict(moved=0))
    for name in ('draw_clips', 'plot_training'):
        monkeypatch.setattr(label_free_hook, name, lambda *args: None)
    for registry in ('DATASETS', 'TASK_UTILS'):
        anything = SimpleNamespace(build=lambda cfg: None)
        monkeypatch.setattr(label_free_hook, registry, anything)
    for epoch, suspicions in ((1, 0), (2, 1), (3, 2)):
        hook = LabelFreeHook(videos={})
        hook.before_train(SimpleNamespace(work_dir=str(tmp_path), epoch=epoch))
        assert hook.suspicions == suspicions


def test_processes_decide_alike(watch, monkeypatch):
    """By what the first of them measured."""

    def receive(data):
        data[0] = LabelFree(**HEALTHY | dict(overlap=0.5))

    monkeypatch.setattr(label_free_hook, 'broadcast_object_list', receive)
    hook, saved = watch(dict(overlap=0.4), dict(overlap=0.6))
    assert [row['overlap'] for row in hook.history] == [0.5, 0.5] and len(saved) == 1


@pytest.mark.parametrize('num_clips', [2, 3, 4])
def test_few_clips(watch, num_clips):
    """Features that have nothing in common raise no alarm."""
    features = np.random.default_rng(0).normal(size=(num_clips, 64))
    measures = dict(
        feature_std=feature_std(features), effective_rank=effective_rank(features)
    )
    hook, _ = watch(*[measures] * 3, num_clips=num_clips)
    assert hook.suspicions == 0


def test_adapters_are_merged_where_weights_are_handed_on(build_tracker, tracker_cfg):
    """A run that goes on keeps its own; so does a model that has none."""
    backbone = tracker_cfg['backbone'] | dict(init_cfg=None)
    hook, plain = LabelFreeHook(videos={}), build_tracker()
    for lora in (None, dict(rank=2)):
        model = build_tracker(backbone=backbone, lora=lora)
        runner, weights = SimpleNamespace(model=model), model.state_dict()
        going_on = dict(state_dict=weights, optimizer={})
        hook.before_save_checkpoint(runner, going_on)
        assert going_on['state_dict'] is weights
        handed_on = dict(state_dict=weights)
        hook.before_save_checkpoint(runner, handed_on)
        assert (handed_on['state_dict'] is weights) == (lora is None)
        plain.load_state_dict(handed_on['state_dict'])


def test_arguments():
    with pytest.raises(ValueError, match='got 1, 8 and 1'):
        LabelFreeHook(videos={}, num_clips=1)
