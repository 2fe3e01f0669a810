# LaSOT, GOT-10k without the videos of VOT, COCO and TrackingNet, drawn from alike.
_base_ = './clips.py'

train_dataloader = dict(dataset=dict(datasets=_base_.four_datasets))
