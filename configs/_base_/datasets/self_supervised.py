# Self-supervised clips for SSTrack-B256.
# `train_dataloader.dataset.datasets` is left to the files that inherit this one.
data_root = '{{$SSTRACK_DATA_ROOT:data}}'
videos = dict(
    lasot=dict(type='LaSOTSequences', data_root=f'{data_root}/lasot', split='train'),
    got10k=dict(
        type='GOT10kSequences', data_root=f'{data_root}/got10k', split='train'),
    got10k_without_vot=dict(
        type='GOT10kSequences', data_root=f'{data_root}/got10k', split='train',
        split_file='got10k_vot_train_split.txt'),
    coco=dict(type='COCOSequences', data_root=f'{data_root}/coco', split='train2017'),
    trackingnet=dict(
        type='TrackingNetSequences', data_root=f'{data_root}/trackingnet',
        split='train'))
four_datasets = [
    videos['lasot'], videos['got10k_without_vot'], videos['coco'],
    videos['trackingnet']
]

train_pipeline = [
    dict(type='SampleSelfSupervisedClip',
         num_search=3, num_views=2, max_gap=400, synthesis_prob=0.5),
    dict(type='LoadClip'),
    dict(type='PasteTarget',
         min_size=10,
         template_change=dict(scale=0.1, shear_prob=0.1, shear=0.2),
         search_change=dict(
             scale=0.25, shear_prob=0.5, shear=0.2,
             blur_prob=0.18, blur_sizes=(5, 45),
             occlusion_prob=0.1, occlusion_area=(0.25, 0.35),
             flip_prob=0.3)),
    dict(type='GrayscaleClip', prob=0.05),
    dict(type='FlipClip', prob=0.5),
    dict(type='CropClip',
         template_factor=2.0, template_size=128,
         view_factor=4.0, search_size=256,
         center_jitter=3.0, scale_jitter=0.5),
    dict(type='PackClip'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='ClipSampler', samples_per_epoch=10000),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ClipDataset', datasets=[], pipeline=train_pipeline))
auto_scale_lr = dict(enable=False, base_batch_size=64)
