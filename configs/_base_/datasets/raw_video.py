# Raw video without any label: the files under $SSTRACK_VIDEO_ROOT. Where no first box is
# proposed, a shape cut out of another video is the target; on procedural video nothing
# learned better than from such clips alone (docs/unlabelled.md).
video_root = '{{$SSTRACK_VIDEO_ROOT:data/videos}}'
raw_videos = dict(type='VideoFolder', data_root=video_root, split='train')
propose_target = dict(type='ProposeTarget', proposer=dict(type='PasteProposer'))
compose_target = dict(type='ComposeTarget')

# Measured after each epoch on about every tenth video, which is not trained on.
custom_hooks = [
    dict(type='LabelFreeHook',
         videos=dict(
             type='VideoFolder', data_root=video_root, split='val', max_side=640),
         proposer=dict(type='MotionProposer'))
]
