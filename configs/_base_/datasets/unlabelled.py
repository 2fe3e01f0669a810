# Raw video without any label: the files under $SSTRACK_VIDEO_ROOT. What moves against
# the camera is the target; where nothing does, a patch of another video is pasted.
_base_ = './clips.py'
video_root = '{{$SSTRACK_VIDEO_ROOT:data/videos}}'

train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=3, num_views=2, max_gap=100, synthesis_prob=0.5, neighbour_gap=4),
    dict(type='LoadClip'),
    dict(type='ProposeTarget', proposer=dict(type='MotionProposer')),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(type='VideoFolder', data_root=video_root, split='train')],
        pipeline=train_pipeline))

# Measured after each epoch on every tenth video, which is not trained on.
custom_hooks = [
    dict(type='LabelFreeHook',
         videos=dict(
             type='VideoFolder', data_root=video_root, split='val', max_side=640),
         proposer=dict(type='MotionProposer'))
]
