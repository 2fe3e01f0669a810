# The paper's central claims at small scale, on procedural video:
# python tools/analysis_tools/ablate.py configs/studies/claims.py --out work_dirs/claims
config = 'configs/sstrack_tiny_synthetic.py'
videos = dict(videos=240, test_videos=60, frames=30)
seeds = (0, 1, 2)

options = ['default_hooks.checkpoint.max_keep_ckpts=1']
_clip = 'train_dataloader.dataset.pipeline.0'
# The first is what the others are compared with.
variants = {
    'forward globally, backward locally': dict(),
    'one-way: the first frame alone': dict(options=[f'{_clip}.num_search=0']),
    'no contrastive loss': dict(options=['model.loss_contrastive=None']),
    'no synthesised clips': dict(options=[f'{_clip}.synthesis_prob=0']),
    'synthesised clips alone': dict(options=[f'{_clip}.synthesis_prob=1']),
    # The weights of the first, tracked with other settings.
    **{
        f'memory of {size}': dict(test_options=[f'model.test_cfg.memory_size={size}'])
        for size in (2, 3, 4)
    },
}
