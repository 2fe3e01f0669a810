"""Training clips composed of real and procedural frames and of sprites over them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmtrack.registry import DATASETS
from torch.utils.data import Dataset

from sstrack_mm.datasets.clip_dataset import Ticket
from sstrack_mm.datasets.composed.bank import POSE_FRAMES, Tracks
from sstrack_mm.datasets.composed.layers import (
    Course,
    Layer,
    cut_out,
    near,
    random_course,
    random_source_box,
    recoloured,
)
from sstrack_mm.datasets.synthetic.sprites import random_outline
from sstrack_mm.errors import DataError

# A template and two views.
_NUM_FRAMES = 3
_LEAST_SIDE = 6

Clip = tuple[list[np.ndarray], np.ndarray]


@DATASETS.register_module()
class ComposedClips(Dataset):
    """Composes a template frame and two later frames, with the target's boxes.

    No box was drawn by anyone: a target is a sprite that is laid over the frames
    (``pasted``), a part of a real frame that is then warped (``still``), or one whose
    boxes came with the video, as of procedural ones or of regions that a flow followed
    there and back (``tracked``). Look-alikes, strangers and occluders are laid over all
    of them. A clip depends on its ticket ``(seed, epoch, number)`` alone.

    Args:
        bank: Folder as :mod:`~sstrack_mm.datasets.composed.bank` writes it.
        pipeline: Configs of the transforms, from frames to tensors.
        sources: How often each kind of clip is drawn, relative to the others.
        max_gap: Frames between the template and the views, in the bank's videos.
    """

    def __init__(
        self,
        bank: str,
        pipeline: Sequence[dict],
        sources: Mapping[str, float] | None = None,
        max_gap: int = 60,
    ) -> None:
        folder = Path(bank)
        if not (folder / 'videos').is_dir():
            raise DataError(
                f'{folder} is no bank of frames; make one with '
                'tools/dataset_tools/make_bank.py'
            )
        sources = sources or dict(pasted=0.6, still=0.15, tracked=0.25)
        self._draws = [getattr(self, f'_draw_{name}') for name in sources]
        self._weights = np.array(list(sources.values())) / sum(sources.values())
        self._folder = folder
        names = sorted(path.stem for path in (folder / 'videos').glob('*.npy'))
        self._videos = {name: np.load(self._path(name), mmap_mode='r') for name in names}
        self._real = [name for name in names if not name.startswith('procedural')]
        lengths = np.sqrt([len(self._videos[name]) for name in self._real])
        self._real_weights = lengths / lengths.sum()
        self._tracks = [Tracks.load(path) for path in sorted(folder.glob('tracks*.npz'))]
        self._stills = np.load(folder / 'stills.npy', mmap_mode='r')
        self._actors = np.load(folder / 'actors.npy', mmap_mode='r')
        self._max_gap = max_gap
        self.pipeline = Compose(pipeline)

    def _path(self, name: str) -> Path:
        return self._folder / 'videos' / f'{name}.npy'

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, ticket: Ticket) -> dict:
        """Make the clip of a ticket."""
        rng = np.random.default_rng(ticket)
        while True:
            draw = self._draws[rng.choice(len(self._draws), p=self._weights)]
            frames, bboxes_xywh = draw(rng)
            if (bboxes_xywh[:, 2:] >= _LEAST_SIDE).all():
                break
        return self.pipeline(
            dict(
                rng=rng,
                epoch=ticket[1],
                videos=[dict(video=draw.__name__)],
                frames=frames,
                frame_ids=list(range(_NUM_FRAMES)),
                bboxes_xywh=bboxes_xywh,
                roles=dict(template=[0], search=[], view=[1, 2]),
                synthetic=True,
            )
        )

    # --- kinds of clips -------------------------------------------------------------

    def _draw_pasted(self, rng: np.random.Generator) -> Clip:
        """A sprite moves over a real or a procedural place."""
        frames = self._draw_place(rng)
        course = random_course(rng, frames[0].shape[1::-1], _NUM_FRAMES)
        sprites, twins = self._draw_sprites(rng)
        target = _layer(rng, sprites, course)
        front = self._draw_others(rng, course, frames, sprites, twins)
        bboxes = np.stack([target.draw(frame, i) for i, frame in enumerate(frames)])
        self._occlude(rng, frames, course, front)
        return frames, bboxes

    def _draw_still(self, rng: np.random.Generator) -> Clip:
        """A part of a real frame, which is then seen from elsewhere."""
        video = self._draw_video(rng)
        frame = np.ascontiguousarray(video[rng.integers(len(video))])
        size_wh = frame.shape[1::-1]
        boxes = [
            random_source_box(rng, size_wh, (14, 0.33 * min(size_wh))) for _ in range(3)
        ]
        # Of three places, the one with most to see.
        bbox = max(boxes, key=lambda box: _detail(frame, box)).astype(float)
        center = bbox[:2] + bbox[2:] / 2
        frames, bboxes = [frame.copy()], [bbox]
        for _ in range(_NUM_FRAMES - 1):
            affine = cv2.getRotationMatrix2D(
                center.tolist(), rng.normal(0, 7), np.exp(rng.normal(0, 0.25))
            )
            affine[:, 2] += rng.normal(0, 0.15, 2) * min(size_wh)
            scale = np.sqrt(np.linalg.det(affine[:, :2]))
            wh = bbox[2:] * scale
            xy = affine @ [*center, 1] - wh / 2
            low, high = xy.clip(0), np.minimum(xy + wh, size_wh)
            seen = (high - low).clip(0)
            if seen.prod() < 0.4 * wh.prod():
                seen = np.zeros(2)
            frames.append(cv2.warpAffine(frame, affine, size_wh))
            bboxes.append(np.concatenate([low, seen]))
        return self._dress(rng, frames, np.stack(bboxes))

    def _draw_tracked(self, rng: np.random.Generator) -> Clip:
        """A target of the bank whose boxes are known."""
        tracks = self._tracks[rng.integers(len(self._tracks))]
        index = rng.integers(len(tracks.videos))
        video, bboxes = self._videos[tracks.videos[index]], tracks.bboxes_xywh[index]
        seen = np.flatnonzero(np.isfinite(bboxes).all(axis=1))
        if len(seen) < _NUM_FRAMES:
            return [], np.zeros((_NUM_FRAMES, 4))
        first, second, third = rng.choice(seen, _NUM_FRAMES, replace=False)
        if rng.random() < 0.5:  # the last two frames follow each other closely
            place = np.searchsorted(seen, second)
            third = seen[min(place + rng.integers(1, 4), len(seen) - 1)]
        ids = [first, second, third]
        frames = [np.array(video[tracks.starts[index] + i]) for i in ids]
        return self._dress(rng, frames, bboxes[ids], lookalikes=0.2)

    # --- parts ----------------------------------------------------------------------

    def _draw_video(self, rng: np.random.Generator) -> np.ndarray:
        return self._videos[self._real[rng.choice(len(self._real), p=self._real_weights)]]

    def _draw_place(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Frames of a real video, or views of a procedural place: to be drawn into."""
        if rng.random() < 0.75:
            video = self._draw_video(rng)
            first = int(rng.integers(len(video)))
            second = first + int(rng.integers(-self._max_gap, self._max_gap + 1))
            ids = np.array([first, second, second + rng.integers(1, 4)])
            return [np.array(video[i]) for i in ids.clip(0, len(video) - 1)]
        place = self._stills[rng.integers(len(self._stills))]
        wh = np.array([320, 240])
        room = np.array(place.shape[1::-1]) - wh
        start = rng.integers(0, room)
        corners = start + np.cumsum(rng.normal(0, 15, (_NUM_FRAMES, 2)), axis=0)
        corners = corners.clip(0, room).astype(int)
        return [np.array(place[y : y + wh[1], x : x + wh[0]]) for x, y in corners]

    def _draw_sprites(
        self, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """A sprite for each frame, and those of a neighbour that looks much like it."""
        if rng.random() < 0.45:
            actor = self._actors[rng.integers(len(self._actors))]
            poses = rng.integers(len(POSE_FRAMES), size=_NUM_FRAMES)
            return [actor[pose] for pose in poses], None
        video = self._draw_video(rng)
        size_wh = video.shape[2:0:-1]
        first = int(rng.integers(len(video)))
        late = rng.integers(0, rng.choice([1, 1, 3]), size=_NUM_FRAMES)
        frames = [video[i] for i in (first + late).clip(0, len(video) - 1)]
        boxes = [
            random_source_box(rng, size_wh, (24, 0.5 * min(size_wh))) for _ in range(3)
        ]
        box = max(boxes, key=lambda box: _detail(frames[0], box))
        outline, softness = random_outline(rng), rng.choice([0.0, 0.5, 1.0])
        sprites = [cut_out(frame, box, outline, softness) for frame in frames]
        shift = rng.choice([-1, 1], 2) * rng.uniform(0.3, 1.5, 2) * box[2:]
        beside = box.copy()
        beside[:2] = np.clip(box[:2] + shift, 2, np.array(size_wh) - box[2:] - 2)
        if np.abs(beside[:2] - box[:2]).max() < 0.3 * box[2:].min():
            return sprites, None
        return sprites, [cut_out(frame, beside, outline, softness) for frame in frames]

    def _draw_others(
        self,
        rng: np.random.Generator,
        course: Course,
        frames: list[np.ndarray],
        sprites: list[np.ndarray],
        twins: list[np.ndarray] | None,
    ) -> list[Layer]:
        """Lay look-alikes and strangers over the frames; return those in front."""
        front = []
        for _ in range(rng.choice([0, 1, 2, 3, 4], p=[0.25, 0.25, 0.2, 0.2, 0.1])):
            kind = rng.random()
            if kind < 0.5:
                gain = np.exp(
                    rng.normal(0, rng.choice([0.2, 0.5])) + rng.normal(0, 0.3, 3)
                )
                other = recoloured(sprites, gain, bool(rng.random() < 0.5))
            elif kind < 0.75 and twins is not None:
                other = twins
            else:
                other = self._draw_sprites(rng)[0]
            way = near(rng, course, (0.8, 2.6), np.exp(rng.normal(0, 0.25)))
            layer = _layer(rng, other, way)
            if rng.random() < 0.3:
                front.append(layer)
                continue
            for i, frame in enumerate(frames):
                layer.draw(frame, i)
        return front

    def _occlude(
        self,
        rng: np.random.Generator,
        frames: list[np.ndarray],
        course: Course,
        front: list[Layer],
    ) -> None:
        """Hide a part of the target, in the views alone."""
        if rng.random() < 0.3:
            size = rng.uniform(0.35, 0.8)
            way = near(rng, course, (0.3 + 0.2 * size, 0.9), size)
            front = [*front, _layer(rng, self._draw_sprites(rng)[0], way)]
        for layer in front:
            for i, frame in enumerate(frames[1:], 1):
                layer.draw(frame, i)

    def _dress(
        self,
        rng: np.random.Generator,
        frames: list[np.ndarray],
        bboxes_xywh: np.ndarray,
        lookalikes: float = 0.5,
    ) -> Clip:
        """Lay others over frames whose target is part of the picture."""
        if (bboxes_xywh[:, 2:] < _LEAST_SIDE).any():
            return frames, bboxes_xywh
        course = _course_of(bboxes_xywh)
        front = []
        if rng.random() < lookalikes:
            bbox = bboxes_xywh[0].astype(int)
            wh = np.array(frames[0].shape[1::-1])
            inside = (bbox[:2] >= 2).all() and (bbox[:2] + bbox[2:] <= wh - 2).all()
            own = (
                [cut_out(frames[0], bbox, random_outline(rng), 0.5)] * _NUM_FRAMES
                if inside
                else self._draw_sprites(rng)[0]
            )
            front = self._draw_others(rng, course, frames, own, None)
        self._occlude(rng, frames, course, front)
        return frames, bboxes_xywh


def _layer(rng: np.random.Generator, sprites: list[np.ndarray], course: Course) -> Layer:
    """Let sprites follow a course, sometimes blurred."""
    alpha = sprites[0][..., 3] > 100
    rows, columns = alpha.any(axis=1).sum(), alpha.any(axis=0).sum()
    content_wh = np.array([max(columns, 4), max(rows, 4)])
    sprite_wh = np.array(sprites[0].shape[1::-1])
    blur = np.where(
        rng.random(_NUM_FRAMES) < 0.2, rng.uniform(0.5, 0.06 * course.size + 0.6), 0.0
    )
    return Layer(sprites, course.affines(content_wh, sprite_wh), blur)


def _course_of(bboxes_xywh: np.ndarray) -> Course:
    """The course of a target whose boxes are known."""
    size = np.sqrt(bboxes_xywh[:, 2:].prod(axis=1))
    still = np.zeros(len(size))
    centers = bboxes_xywh[:, :2] + bboxes_xywh[:, 2:] / 2
    return Course(centers, size, still, still + 1)


def _detail(frame: np.ndarray, bbox_xywh: np.ndarray) -> float:
    """How much there is to see in a box: the deviation of its pixels."""
    x, y, w, h = bbox_xywh.astype(int)
    return float(frame[y : y + h : 2, x : x + w : 2].std())
