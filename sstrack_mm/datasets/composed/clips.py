"""Training clips composed of real and procedural frames and of sprites over them."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmtrack.registry import DATASETS
from torch.utils.data import Dataset

from sstrack_mm.datasets.clip_dataset import Ticket
from sstrack_mm.datasets.composed.bank import POSE_FRAMES, Tracks
from sstrack_mm.datasets.composed.layers import Course, Layer, bent, cut_out
from sstrack_mm.datasets.composed.scene import (
    LEAST_SIDE,
    Sprites,
    cut_sprites,
    draw_place,
    lay_others,
    lay_target,
    occlude,
)
from sstrack_mm.datasets.synthetic.sprites import random_outline
from sstrack_mm.errors import DataError

# A template and two views.
_NUM_FRAMES = 3

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
        with_others: Whether there are look-alikes and strangers beside the target.
        bend_prob: How often a sprite is deformed anew in each frame.
    """

    def __init__(
        self,
        bank: str,
        pipeline: Sequence[dict],
        sources: Mapping[str, float] | None = None,
        max_gap: int = 60,
        with_others: bool = True,
        bend_prob: float = 0.5,
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
        # Of a bank without footage, the procedural videos take its place.
        real = [name for name in names if not name.startswith('procedural')]
        self._real = real or names
        lengths = np.sqrt([len(self._videos[name]) for name in self._real])
        self._real_weights = lengths / lengths.sum()
        self._tracks = [Tracks.load(path) for path in sorted(folder.glob('tracks*.npz'))]
        self._stills = np.load(folder / 'stills.npy', mmap_mode='r')
        self._actors = np.load(folder / 'actors.npy', mmap_mode='r')
        self._max_gap, self._with_others = max_gap, with_others
        self._bend_prob = bend_prob
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
            if (bboxes_xywh[:, 2:] >= LEAST_SIDE).all():
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
        draw_sprites = partial(self._draw_sprites, rng)
        return frames, lay_target(rng, frames, draw_sprites, self._with_others)

    def _draw_still(self, rng: np.random.Generator) -> Clip:
        """A part of a real frame, which is then seen from elsewhere."""
        video = self._draw_video(rng)
        frame = np.ascontiguousarray(video[rng.integers(len(video))])
        size_wh = frame.shape[1::-1]
        bbox = draw_place(rng, frame, (14, 0.33 * min(size_wh))).astype(float)
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

    def _draw_sprites(self, rng: np.random.Generator) -> Sprites:
        """A sprite for each frame, and those of a neighbour that looks much like it."""
        sprites, twins = self._draw_rigid(rng)
        if rng.random() < self._bend_prob:
            strength = rng.uniform(0.02, 0.1)
            sprites = [bent(rng, sprite, strength) for sprite in sprites]
        return sprites, twins

    def _draw_rigid(self, rng: np.random.Generator) -> Sprites:
        if rng.random() < 0.45:
            actor = self._actors[rng.integers(len(self._actors))]
            poses = rng.integers(len(POSE_FRAMES), size=_NUM_FRAMES)
            return [actor[pose] for pose in poses], None
        video = self._draw_video(rng)
        first = int(rng.integers(len(video)))
        late = rng.integers(0, rng.choice([1, 1, 3]), size=_NUM_FRAMES)
        return cut_sprites(
            rng, [video[i] for i in (first + late).clip(0, len(video) - 1)]
        )

    def _dress(
        self,
        rng: np.random.Generator,
        frames: list[np.ndarray],
        bboxes_xywh: np.ndarray,
        lookalikes: float = 0.5,
    ) -> Clip:
        """Lay others over frames whose target is part of the picture."""
        if (bboxes_xywh[:, 2:] < LEAST_SIDE).any():
            return frames, bboxes_xywh
        course = _course_of(bboxes_xywh)
        front: list[Layer] = []
        draw_sprites = partial(self._draw_sprites, rng)
        if rng.random() < lookalikes and self._with_others:
            bbox = bboxes_xywh[0].astype(int)
            wh = np.array(frames[0].shape[1::-1])
            inside = (bbox[:2] >= 2).all() and (bbox[:2] + bbox[2:] <= wh - 2).all()
            own = (
                [cut_out(frames[0], bbox, random_outline(rng), 0.5)] * _NUM_FRAMES
                if inside
                else draw_sprites()[0]
            )
            front = lay_others(rng, course, frames, own, None, draw_sprites)
        occlude(rng, frames, course, front, draw_sprites)
        return frames, bboxes_xywh


def _course_of(bboxes_xywh: np.ndarray) -> Course:
    """The course of a target whose boxes are known."""
    size = np.sqrt(bboxes_xywh[:, 2:].prod(axis=1))
    still = np.zeros(len(size))
    centers = bboxes_xywh[:, :2] + bboxes_xywh[:, 2:] / 2
    return Course(centers, size, still, still + 1)
