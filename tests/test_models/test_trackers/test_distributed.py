"""Two processes give the gradients of one process with the whole batch."""

import copy

import torch
from mmengine.model import MMDistributedDataParallel
from mmtrack.registry import MODELS
from torch import distributed, nn

import sstrack_mm.models  # noqa: F401  (the spawned processes import this file alone)

NUM_RANKS = 2


def gradients(tracker_cfg, state_dict, clips, rank=None):
    """Gradients by name of a training step on some clips, and the losses' values.

    BatchNorm keeps its statistics, since those of half a batch are others.
    """
    tracker = MODELS.build(tracker_cfg)
    tracker.load_state_dict(state_dict)
    tracker.backbone.train_keep_ratio = 0.7
    for module in tracker.train().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    data = tracker.data_preprocessor(clips, training=True)
    model = tracker if rank is None else MMDistributedDataParallel(module=tracker)
    losses = model(**data, mode='loss')
    tracker.parse_losses(losses)[0].backward()
    return (
        {name: param.grad for name, param in tracker.named_parameters()},
        {name: float(loss) for name, loss in losses.items()},
    )


def run_rank(rank, folder, tracker_cfg, state_dict, clips):
    """What one process does with its share of the clips."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=NUM_RANKS
    )
    share = dict(
        inputs={key: value[rank::NUM_RANKS] for key, value in clips['inputs'].items()},
        data_samples=clips['data_samples'][rank::NUM_RANKS],
    )
    torch.save(gradients(tracker_cfg, state_dict, share, rank), f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


def test_gradients(build_tracker, tracker_cfg, make_clips, tmp_path):
    tracker_cfg['data_preprocessor'] = dict(
        type='SSTrackDataPreprocessor', brightness=0, flip_prob=0
    )
    clips = make_clips(
        sizes=((50, 70), (60, 40), (64, 64), (48, 90)), synthetic=(False,) * 4
    )
    # The ranks do not have the same number of peaks: one target's centre is outside.
    clips['data_samples'][1].gt_instances.bboxes[0] = torch.tensor([0.9, 0.4, 1.5, 0.6])
    state_dict = build_tracker().state_dict()
    # Boxes that lie in the image have features to compare.
    state_dict['head.offset_branch.4.weight'] *= 0.1
    state_dict['head.offset_branch.4.bias'] += 0.5
    expected, whole_losses = gradients(tracker_cfg, state_dict, copy.deepcopy(clips))
    assert whole_losses['loss_contrastive'] > 0
    torch.multiprocessing.spawn(
        run_rank, (str(tmp_path), tracker_cfg, state_dict, clips), nprocs=NUM_RANKS
    )

    (first, losses0), (second, losses1) = (
        torch.load(tmp_path / f'{rank}.pth') for rank in range(NUM_RANKS)
    )
    for name, gradient in expected.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(
            first[name],
            gradient,
            rtol=1e-3,
            atol=1e-5 * gradient.abs().max().item() + 1e-7,
            msg=lambda text, name=name: f'{name}: {text}',
        )
    # Every rank knows the contrastive loss of all; the means over the ranks are right.
    assert losses0['loss_contrastive'] == losses1['loss_contrastive']
    for name in ('loss_contrastive', 'loss_iou', 'loss_bbox', 'loss_score'):
        mean = torch.tensor((losses0[name] + losses1[name]) / 2)
        torch.testing.assert_close(
            mean, torch.tensor(whole_losses[name]), rtol=1e-4, atol=1e-6
        )
