# What the parts of sstrack-tiny's training are worth, at a small budget: 6,400 clips of
# its first stage. $SSTRACK_BANK names the bank, ${SSTRACK_BANK}_procedural one without
# footage:
# python tools/analysis_tools/ablate.py configs/studies/ingredients.py \
#     --out work_dirs/parts
config = 'configs/sstrack_tiny_128.py'
videos = dict(videos=1, test_videos=40, frames=60, seed=7)
seeds = (0, )

options = [
    'train_cfg.max_epochs=1', 'param_scheduler.0.end=20',
    'default_hooks.checkpoint.max_keep_ckpts=1'
]
_dataset = 'train_dataloader.dataset'
# The first is what the others are compared with.
variants = {
    'all': dict(),
    'no finer score map': dict(options=['model.head.fine_channels=0']),
    'neither it nor the convolutional stem': dict(
        options=['model.head.fine_channels=0', 'model.backbone.stem=patch']),
    'no look-alikes or strangers': dict(options=[f'{_dataset}.with_others=False']),
    'no movement of the camera': dict(options=[f'{_dataset}.max_gap=0']),
    'no real pictures':
    dict(options=[
        'train_dataloader.dataset.bank={{$SSTRACK_BANK:data/bank}}_procedural'
    ]),
    'pasted targets alone': dict(options=[f'{_dataset}.sources.still=0',
                                          f'{_dataset}.sources.tracked=0']),
    'no change of size': dict(options=[f'{_dataset}.pipeline.3.before.0.scale_jitter=0']),
    'no contrastive loss': dict(options=['model.loss_contrastive=None']),
}
