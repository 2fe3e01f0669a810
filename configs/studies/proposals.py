# Where the first box comes from in video without labels:
# python tools/analysis_tools/ablate.py configs/studies/proposals.py --out work_dirs/study
config = 'configs/sstrack_tiny_unlabelled.py'
videos = dict(videos=240, test_videos=60, frames=30)
seeds = (0, 1, 2)

options = ['default_hooks.checkpoint.max_keep_ckpts=1']
_unlabelled = ['custom_hooks=[]']  # nothing is measured on the way
_proposer = 'train_dataloader.dataset.pipeline.2.proposer.type'
_motion = [*_unlabelled, f'{_proposer}=MotionProposer']
# The first is what the others are compared with.
variants = {
    'first box given': dict(config='configs/sstrack_tiny_synthetic.py'),
    'paste': dict(options=_unlabelled),
    'motion': dict(options=_motion),
    'motion, no cycle weight': dict(
        options=[*_motion, 'model.train_cfg.cycle_weight=0']),
    'patch': dict(options=[*_unlabelled, f'{_proposer}=PatchProposer']),
    'features': dict(options=[*_unlabelled, f'{_proposer}=FeaturesProposer']),
    'file': dict(
        options=[*_unlabelled, f'{_proposer}=FileProposer'], footage='got10k/train'),
}
