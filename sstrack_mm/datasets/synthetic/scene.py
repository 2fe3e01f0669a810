"""A video: a target, what resembles it, what hides it, a place, a camera."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from sstrack_mm.datasets.synthetic.absence import (
    Spell,
    cover_path,
    leave_image,
    plan_spells,
)
from sstrack_mm.datasets.synthetic.camera import Camera, smear
from sstrack_mm.datasets.synthetic.motion import (
    Track,
    confine,
    random_track,
    smooth_curve,
)
from sstrack_mm.datasets.synthetic.objects import Actor, Bone, random_actor
from sstrack_mm.datasets.synthetic.sprites import lay_over
from sstrack_mm.datasets.synthetic.textures import random_background

# The pixels of a sprite, and the x and y of its top-left corner in the image.
_Patch = tuple[np.ndarray, np.ndarray]
_POLE = (Bone((0, 0), (0.35, 4.0), hang=0.5),)
_BOARD = (Bone((0, 0), (1.0, 1.0), hang=0.5),)


class RenderedFrame(NamedTuple):
    """One frame and what is known about its target.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        target_mask: (H, W) bool, where the target is, hidden or not.
        visible_share: Which part of the target can be seen, 0..1: neither hidden nor
            outside the image.
    """

    image: np.ndarray
    target_mask: np.ndarray
    visible_share: float


@dataclass(frozen=True)
class Layer:
    """An object on its way through the video."""

    actor: Actor
    track: Track

    def render(self, t: int) -> _Patch:
        """Draw the object in frame t, alone."""
        return self.actor.render(self.track.affine(t), t)

    def expose(self, patch: _Patch, t: int, shutter: float) -> _Patch:
        """Blur what was drawn for frame t by the way it moves while light comes in."""
        pixels, corner_xy = patch
        way = shutter * self.track.velocity(t)
        room = int(np.ceil(np.hypot(*way)))
        pixels = cv2.copyMakeBorder(pixels, *[room] * 4, cv2.BORDER_CONSTANT)
        return smear(pixels, way), corner_xy - room


class Scene:
    """All that happens in one video, drawn from one source of randomness.

    Args:
        rng: The source of randomness.
        num_frames: Length T of the video.
        size_wh: Width and height of the image, pixels.
        absences: How often nothing of the target is seen for a while.

    Attributes:
        camera (Camera): What looks at it.
        target (Layer): What is to be tracked.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        num_frames: int,
        size_wh: tuple[int, int],
        absences: int = 0,
    ) -> None:
        self._size_wh = size_wh
        self._num_frames = num_frames
        # Target sizes are meant for images of 240 rows.
        smallest, largest = np.array([16, 110]) * min(size_wh) / 240
        smallest = max(smallest, 10)
        self._length = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
        self._scale_range = (
            max(0.55, 0.9 * smallest / self._length),
            min(1.7, 1.1 * largest / self._length),
        )
        self._sun = rng.uniform(0, 2 * np.pi)
        world_wh = (int(1.6 * size_wh[0]), int(1.6 * size_wh[1]))
        self.camera = Camera(rng, num_frames, size_wh, world_wh)
        background = random_background(rng, *world_wh[::-1])
        self.target = self._draw_target(rng, background)
        self._world = self._furnish(rng, background)
        others = self._draw_others(rng)
        number_behind = rng.integers(len(others) + 1)
        self._behind = others[:number_behind]
        # The first frame shows what is to be tracked, so nothing may hide it there.
        target = self.target.render(0)
        self._in_front = [
            layer
            for layer in others[number_behind:] + self._draw_occluders(rng)
            if self._masks(target, [layer.render(0)])[1] == 1
        ]
        if absences:  # drawn last, so that videos without any stay what they are
            for spell in plan_spells(rng, num_frames, absences):
                self._hide(rng, spell)

    def _draw_target(self, rng: np.random.Generator, background: np.ndarray) -> Layer:
        """Make the target; it starts inside the image and may leave it partly."""
        actor = random_actor(rng, self._length, self._sun)
        speed = self._length * rng.choice(
            [0.01, 0.04, 0.08, 0.16], p=[0.25, 0.35, 0.25, 0.15]
        )
        leaving = rng.choice([1.0, 0.5, -0.1], p=[0.5, 0.3, 0.2])
        longest = max(actor.render(np.eye(2, 3), 0)[0].shape[:2])
        margins = np.minimum(0.6 * longest, 0.45 * np.array(self._size_wh))
        track = self._wander(rng, speed, margins, 0.99 * leaving * margins)
        if rng.random() < 0.8:
            x, y = self.camera.to_world(track.xy[0], 0).astype(int).clip(0)
            side = int(self._length)
            actor = self._set_off(
                actor,
                background[max(0, y - side) : y + side, max(0, x - side) : x + side],
            )
        return Layer(actor, track)

    def _wander(
        self,
        rng: np.random.Generator,
        speed: float,
        margins: np.ndarray,
        limits: np.ndarray,
    ) -> Track:
        """Let something move about the image.

        Args:
            rng: The source of randomness.
            speed: Its usual speed along x and along y, pixels per frame.
            margins: (2,) how far from the sides of the image it starts at least.
            limits: (2,) how far from them it stays, less than the margins.
        """
        xy = np.stack(
            [
                confine(
                    rng.uniform(margin, side - margin),
                    speed * smooth_curve(rng, self._num_frames),
                    limit,
                    side - limit,
                )
                for side, margin, limit in zip(
                    self._size_wh, margins, limits, strict=True
                )
            ],
            axis=-1,
        )
        return random_track(rng, xy + self.camera.shake, self._scale_range)

    @staticmethod
    def _set_off(actor: Actor, around: np.ndarray) -> Actor:
        """Brighten or darken an object that is much like the picture around it."""
        patch, _ = actor.render(np.eye(2, 3), 0)
        own = patch[..., :3].sum(axis=(0, 1)) / patch[..., 3].sum() * 255
        surrounding = around.mean(axis=(0, 1))
        if np.abs(own - surrounding).max() > 45:
            return actor
        return actor.recoloured([1.8 if surrounding.mean() < 110 else 0.5] * 3)

    def _draw_others(self, rng: np.random.Generator) -> list[Layer]:
        """Make what wanders about: look-alikes of the target and strangers."""
        layers = []
        for _ in range(rng.choice([0, 0, 1, 2, 3])):
            actor = self._look_alike(rng)
            if rng.random() < 0.4:
                length = self._length * rng.uniform(0.5, 1.5)
                actor = random_actor(rng, length, self._sun)
            speed = self._length * rng.choice([0.0, 0.03, 0.1])
            track = self._wander(rng, speed, np.zeros(2), -0.3 * np.array(self._size_wh))
            layers.append(Layer(actor, track))
        return layers

    def _look_alike(self, rng: np.random.Generator) -> Actor:
        """Copy the target, exactly or in other colours."""
        spread = rng.choice([0.0, 0.15, 0.4])
        return self.target.actor.recoloured(np.exp(rng.normal(0, spread, 3)).tolist())

    def _draw_occluders(self, rng: np.random.Generator) -> list[Layer]:
        """Make what passes in front of the target at some time, or it behind that."""
        layers = []
        for _ in range(rng.choice([0, 1, 2], p=[0.45, 0.4, 0.15])):
            length = self._length * rng.uniform(0.4, 2)
            plan = _POLE if rng.random() < 0.5 else None
            actor = random_actor(rng, length, self._sun, plan)
            meeting = rng.uniform(0.15, 1) * (self._num_frames - 1)
            place = self.target.track.xy[int(meeting)]
            place = place + rng.normal(0, 0.25 * self._length, 2)
            if rng.random() < 0.5:
                xy = self._stay(place, int(meeting))
            else:
                turn = rng.uniform(0, 2 * np.pi)
                speed = self._length * rng.uniform(0.06, 0.3)
                way = speed * np.array([np.cos(turn), np.sin(turn)])
                time = np.arange(self._num_frames) - meeting
                xy = place + time[:, None] * way
            still = np.ones(self._num_frames)
            layers.append(
                Layer(actor, Track(xy, still, rng.normal(0, 0.15) * still, still))
            )
        return layers

    def _hide(self, rng: np.random.Generator, spell: Spell) -> None:
        """Let the target leave the image, or something come in front of it."""
        track = self.target.track
        times = range(spell.start - spell.ramp, spell.end + spell.ramp)
        longest = max(max(self.target.render(t)[0].shape[:2]) for t in times)
        if not spell.covered:
            xy = leave_image(rng, track.xy, spell, self._size_wh, 0.6 * longest)
            self.target = replace(self.target, track=replace(track, xy=xy))
            return
        length = longest * rng.uniform(1.5, 2)
        xy = cover_path(rng, track.xy, spell, 0.6 * (length + longest))
        still = np.ones(self._num_frames)
        path = Track(xy, still, rng.normal(0, 0.15) * still, still)
        actor = random_actor(rng, length, self._sun, _BOARD)
        self._in_front.append(Layer(actor, path))

    def _stay(self, place: np.ndarray, t: int) -> np.ndarray:
        """Give the path (T, 2) of what does not move, from its place in frame t."""
        maps = self.camera.from_world
        return maps[:, :, :2] @ self.camera.to_world(place, t) + maps[:, :, 2]

    def _furnish(self, rng: np.random.Generator, background: np.ndarray) -> np.ndarray:
        """Let things stand about in front of the background: (H, W, 3) uint8."""
        actors = [
            random_actor(rng, self._length * np.exp(rng.normal(0.3, 0.5)), self._sun)
            for _ in range(rng.choice([0, 0, 1, 3]))
        ]
        if rng.random() < 0.15:
            actors.append(self._look_alike(rng))
        for actor in actors:
            for _ in range(rng.integers(1, 4)):
                place = rng.uniform(0, background.shape[1::-1])
                zoom = np.exp(rng.normal(0, 0.2))
                patch, corner_xy = actor.render(
                    np.column_stack([zoom * np.eye(2), place]), int(rng.integers(100))
                )
                inside, within = _overlap(background, patch, corner_xy)
                lay_over(background[inside], patch[within])
        return background.astype(np.uint8)

    def _masks(self, target: _Patch, in_front: list[_Patch]) -> tuple[np.ndarray, float]:
        """Find where the target is, (H, W) bool, and which share of it is seen."""
        pixels, corner_xy = target
        solid = pixels[..., 3] > 127
        mask = np.zeros(self._size_wh[::-1], bool)
        inside, within = _overlap(mask, pixels, corner_xy)
        mask[inside] = solid[within]
        visible = mask.copy()
        for pixels, corner_xy in in_front:
            inside, within = _overlap(mask, pixels, corner_xy)
            visible[inside] &= pixels[within][..., 3] <= 127
        return mask, float(visible.sum() / solid.sum())

    def render(self, t: int) -> RenderedFrame:
        """Draw frame t; any frame can be drawn alone."""
        shutter = self.camera.shutter
        image = cv2.warpAffine(
            self._world,
            self.camera.from_world[t],
            self._size_wh,
            borderMode=cv2.BORDER_REFLECT,
        )
        image = smear(image, shutter * self.camera.velocity(t))
        layers = [*self._behind, self.target, *self._in_front]
        patches = [layer.render(t) for layer in layers]
        for layer, patch in zip(layers, patches, strict=True):
            pixels, corner_xy = layer.expose(patch, t, shutter)
            inside, within = _overlap(image, pixels, corner_xy)
            region = image[inside].astype(np.float32)
            lay_over(region, pixels[within])
            image[inside] = region
        number = len(self._behind)
        return RenderedFrame(
            self.camera.develop(image, t),
            *self._masks(patches[number], patches[number + 1 :]),
        )


def _overlap(
    image: np.ndarray, patch: np.ndarray, corner_xy: np.ndarray
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Find where a patch with its corner at x, y meets an image.

    Returns:
        The rows and columns in the image, and the same pixels' in the patch.
    """
    x, y = corner_xy
    left, top = np.clip(corner_xy, 0, image.shape[1::-1])
    right = np.clip(x + patch.shape[1], left, image.shape[1])
    bottom = np.clip(y + patch.shape[0], top, image.shape[0])
    return (
        np.s_[top:bottom, left:right],
        np.s_[top - y : bottom - y, left - x : right - x],
    )
