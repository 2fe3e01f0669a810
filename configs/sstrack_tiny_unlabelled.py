_base_ = ['./sstrack_tiny_synthetic.py', './_base_/datasets/raw_video.py']

model = dict(train_cfg=dict(cycle_weight=0.5))
train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=1, num_views=2, max_gap=60, synthesis_prob=0.5, neighbour_gap=4),
    dict(type='LoadClip'),
    _base_.propose_target,
    _base_.compose_target,
    *_base_.train_pipeline[3:],
]
train_dataloader = dict(
    dataset=dict(datasets=[_base_.raw_videos], pipeline=train_pipeline))
