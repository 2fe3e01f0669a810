# GOT-10k's training videos alone, with one label each.
_base_ = './clips.py'

train_dataloader = dict(dataset=dict(datasets=[_base_.videos.got10k]))
