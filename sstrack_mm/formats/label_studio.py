"""Label Studio's video rectangles."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sstrack_mm.disk import write_atomically
from sstrack_mm.errors import DataError
from sstrack_mm.structures.target_box import LOST, TargetBox, VideoFacts, by_target


def write_label_studio(path: Path, boxes: Iterable[TargetBox], video: VideoFacts) -> None:
    """Write a task with one prediction, for ``<VideoRectangle name="box"/>``.

    Boxes are in percent of the image, frames counted from 1. Every frame with the target
    is written, as imported interpolation is unreliable. Label Studio shows a box until
    the next one, or in its own frame alone where it is not ``enabled``: so is the last
    box before the target is lost or ends, and frames where it is lost have none.
    """
    result = [
        dict(
            id=f'target_{number}',
            type='videorectangle',
            from_name='box',
            to_name='video',
            value=dict(
                framesCount=video.num_frames,
                duration=video.num_frames / video.fps,
                sequence=_sequence([box for box in target if box.state != LOST], video),
                labels=['target'],
            ),
            meta=dict(text=[name]),
        )
        for number, (name, target) in enumerate(by_target(boxes).items(), start=1)
    ]
    task = dict(
        data=dict(video=video.name),
        predictions=[dict(model_version='sstrack_mm', result=result)],
    )
    write_atomically(path, json.dumps([task], ensure_ascii=False))


def read_label_studio(path: Path, size_wh: tuple[int, int]) -> Iterator[TargetBox]:
    """Read the boxes of all video rectangles of the first task.

    An annotation, which a person made, goes before a prediction.

    Args:
        path: The file.
        size_wh: Width and height of the video, which the file does not tell.

    Raises:
        DataError: The file cannot be read, or is something else.
    """
    try:
        tasks = json.loads(Path(path).read_text(encoding='utf-8-sig'))
        task = tasks[0] if isinstance(tasks, list) else tasks
        by_person = bool(task.get('annotations'))
        made = task.get('annotations') or task.get('predictions') or [{}]
        regions = [r for r in made[0]['result'] if r.get('type') == 'videorectangle']
        boxes = [
            _read_box(shape, _name_of(region, number), size_wh, by_person)
            for number, region in enumerate(regions, start=1)
            for shape in region['value']['sequence']
        ]
    except (
        *(OSError, ValueError, LookupError, TypeError, AttributeError),
        RecursionError,
    ) as error:
        raise DataError(f'{path}: cannot be read as Label Studio: {error!r}') from None
    yield from boxes


def _name_of(region: dict[str, Any], number: int) -> str:
    """The text that a region is given, as ours are, else its number."""
    text = region.get('meta', {}).get('text')
    return str(text[0]) if text else str(number)


def _read_box(
    shape: dict[str, Any], target: str, size_wh: tuple[int, int], by_person: bool
) -> TargetBox:
    width, height = size_wh
    parts = [shape['x'] * width, shape['y'] * height]
    parts += [shape['width'] * width, shape['height'] * height]
    values = dict(frame=shape['frame'] - 1, time_s=0.0, target=target)
    bbox_xywh = [part / 100 for part in parts]
    return TargetBox.from_dict({**values, 'bbox_xywh': bbox_xywh, 'by_person': by_person})


def _sequence(target: list[TargetBox], video: VideoFacts) -> list[dict[str, Any]]:
    width, height = video.size_wh
    followed = {box.frame - 1 for box in target}
    sequence = []
    for box in target:
        x, y, w, h = box.bbox_xywh
        place = dict(x=x / width, y=y / height, width=w / width, height=h / height)
        sequence.append(
            dict(
                {name: 100 * part for name, part in place.items()},
                frame=box.frame + 1,
                enabled=box.frame in followed,
                rotation=0,
                time=(box.frame + 1) / video.fps,
            )
        )
    return sequence
