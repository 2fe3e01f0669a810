# Clips of raw video.
_base_ = ['./clips.py', './raw_video.py']

train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=3, num_views=2, max_gap=100, synthesis_prob=0.5, neighbour_gap=4),
    dict(type='LoadClip'),
    _base_.propose_target,
    _base_.compose_target,
    *_base_.train_pipeline[3:],
]
train_dataloader = dict(
    dataset=dict(datasets=[_base_.raw_videos], pipeline=train_pipeline))
