# GOT-10k's training videos alone, with one label each.
_base_ = './clips.py'

train_dataloader = dict(
    dataset=dict(datasets=[
        dict(type='GOT10kSequences',
             data_root=f'{_base_.data_root}/got10k', split='train')
    ]))
