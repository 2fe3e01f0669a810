"""Train the small network on one's own folders; of each video the first box alone."""

_base_ = '../../configs/sstrack_tiny_synthetic.py'

train_dataloader = dict(
    dataset=dict(datasets=[dict(type='FolderSequences', data_root='data/mine')])
)
