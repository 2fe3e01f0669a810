# Raw video without any label: the files under $SSTRACK_VIDEO_ROOT. What moves against
# the camera is the target; where nothing does, a shape cut out of another video.
video_root = '{{$SSTRACK_VIDEO_ROOT:data/videos}}'
raw_videos = dict(type='VideoFolder', data_root=video_root, split='train')
propose_target = dict(type='ProposeTarget', proposer=dict(type='MotionProposer'))
compose_target = dict(type='ComposeTarget')

# Measured after each epoch on every tenth video, which is not trained on.
custom_hooks = [
    dict(type='LabelFreeHook',
         videos=dict(
             type='VideoFolder', data_root=video_root, split='val', max_side=640),
         proposer=dict(type='MotionProposer'))
]
