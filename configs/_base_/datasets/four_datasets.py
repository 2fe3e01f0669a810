# LaSOT, GOT-10k without the videos of VOT, COCO and TrackingNet, 1:1:1:1.
_base_ = './clips.py'

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(type='LaSOTSequences',
                 data_root=f'{_base_.data_root}/lasot', split='train'),
            dict(type='GOT10kSequences',
                 data_root=f'{_base_.data_root}/got10k', split='train',
                 split_file='got10k_vot_train_split.txt'),
            dict(type='COCOSequences',
                 data_root=f'{_base_.data_root}/coco', split='train2017'),
            dict(type='TrackingNetSequences',
                 data_root=f'{_base_.data_root}/trackingnet', split='train'),
        ],
        weights=[1, 1, 1, 1]))
