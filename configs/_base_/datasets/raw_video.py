# Raw video without any label: the files under $SSTRACK_VIDEO_ROOT. What moves against
# the camera is the target; where nothing does, a patch of another video is pasted.
video_root = '{{$SSTRACK_VIDEO_ROOT:data/videos}}'
raw_videos = dict(type='VideoFolder', data_root=video_root, split='train')
propose_target = dict(type='ProposeTarget', proposer=dict(type='MotionProposer'))

# Measured after each epoch on every tenth video, which is not trained on.
custom_hooks = [
    dict(type='LabelFreeHook',
         videos=dict(
             type='VideoFolder', data_root=video_root, split='val', max_side=640),
         proposer=dict(type='MotionProposer'))
]
