_base_ = './sstrack_tiny_synthetic.py'
video_root = '{{$SSTRACK_VIDEO_ROOT:data/videos}}'

model = dict(train_cfg=dict(cycle_weight=0.5))
train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=1, num_views=2, max_gap=60, synthesis_prob=0.5, neighbour_gap=4),
    dict(type='LoadClip'),
    dict(type='ProposeTarget', proposer=dict(type='MotionProposer')),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(type='VideoFolder', data_root=video_root, split='train')],
        pipeline=train_pipeline))
custom_hooks = [
    dict(type='LabelFreeHook',
         videos=dict(
             type='VideoFolder', data_root=video_root, split='val', max_side=320),
         proposer=dict(type='MotionProposer'))
]
