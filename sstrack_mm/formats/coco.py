"""COCO for video, as mmtrack and TAO read it."""

import json
from collections.abc import Iterable
from pathlib import Path

from sstrack_mm.disk import write_atomically
from sstrack_mm.structures.target_box import LOST, TargetBox, VideoFacts, by_target


def write_coco(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write videos, images, tracks and annotations; lost targets are left out.

    Images and tracks are numbered from 1, ``frame_id`` from 0.
    """
    width, height = video.size_wh
    size = dict(width=width, height=height)
    targets = by_target(boxes)
    annotations = [
        dict(
            image_id=box.frame + 1,
            video_id=1,
            track_id=track,
            instance_id=track,
            category_id=1,
            bbox=list(box.bbox_xywh),
            area=box.bbox_xywh[2] * box.bbox_xywh[3],
            iscrowd=0,
            score=box.score,
            occluded=box.state != 'TRACKED',
        )
        for track, target in enumerate(targets.values(), start=1)
        for box in target
        if box.state != LOST
    ]
    content = dict(
        videos=[dict(id=1, name=video.name, fps=video.fps, **size)],
        images=[
            dict(
                id=frame + 1,
                video_id=1,
                frame_id=frame,
                file_name=f'{video.name}/{frame:06d}.jpg',
                **size,
            )
            for frame in range(video.num_frames)
        ],
        tracks=[
            dict(id=track, video_id=1, category_id=1, name=name)
            for track, name in enumerate(targets, start=1)
        ],
        annotations=[dict(id=i, **entry) for i, entry in enumerate(annotations, start=1)],
        categories=[dict(id=1, name='target')],
    )
    write_atomically(path, json.dumps(content, ensure_ascii=False))
