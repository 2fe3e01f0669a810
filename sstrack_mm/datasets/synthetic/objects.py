"""Things that move: textured, shaded, soft or hard, in one piece or of many parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sstrack_mm.datasets.synthetic.sprites import (
    bounds,
    compose,
    draw,
    ellipse_outline,
    paint_sprite,
    random_outline,
    rotation,
)
from sstrack_mm.datasets.synthetic.textures import random_texture


@dataclass(frozen=True)
class Bone:
    """One part of a body plan, in units of about the body's height; y points down.

    Attributes:
        joint: Where it is attached, from the body's centre.
        size_wh: Width and length; it hangs down from the joint.
        hang: Where along its length the joint is, 0..1.
        angle: Clockwise turn at rest, degrees.
        swing: How far it swings to each side, degrees.
        phase: Where in the cycle it is at the start, 0..1.
        spins: It turns around once a cycle instead of swinging.
        material: Parts with the same number have the same texture.
    """

    joint: tuple[float, float]
    size_wh: tuple[float, float]
    hang: float = 0.1
    angle: float = 0.0
    swing: float = 0.0
    phase: float = 0.0
    spins: bool = False
    material: int = 0

    def affine(self, cycle: float) -> np.ndarray:
        """Give the (2, 3) map from the part's to the body's coordinates.

        The part's origin is its top-left corner; ``cycle`` counts cycles.
        """
        turn = 2 * np.pi * (cycle + self.phase)
        swing = turn if self.spins else np.radians(self.swing) * np.sin(turn)
        turned = rotation(np.radians(self.angle) + swing)
        pivot = np.array(self.size_wh) * (0.5, self.hang)
        return np.column_stack([turned, self.joint - turned @ pivot])


_BODY_PLANS: tuple[tuple[Bone, ...], ...] = (
    (  # walks upright
        Bone((0.08, -0.22), (0.1, 0.36), swing=35, phase=0.5, material=1),
        Bone((0.06, 0.03), (0.13, 0.48), swing=25, material=2),
        Bone((-0.06, 0.03), (0.13, 0.48), swing=25, phase=0.5, material=2),
        Bone((0, -0.1), (0.28, 0.42), hang=0.5, swing=3),
        Bone((0, -0.28), (0.17, 0.22), angle=180, swing=6, material=3),
        Bone((-0.08, -0.22), (0.1, 0.36), swing=35, material=1),
    ),
    (  # walks on four legs
        Bone((0.32, 0.08), (0.09, 0.4), swing=25, phase=0.6, material=1),
        Bone((-0.3, 0.08), (0.1, 0.4), swing=25, phase=0.1, material=1),
        Bone((-0.42, -0.08), (0.07, 0.35), angle=60, swing=25, material=2),
        Bone((0, 0), (0.38, 0.95), hang=0.5, angle=90, swing=3),
        Bone((0.4, -0.05), (0.24, 0.36), angle=-130, swing=12, phase=0.3, material=3),
        Bone((0.25, 0.08), (0.09, 0.4), swing=25, material=1),
        Bone((-0.36, 0.08), (0.1, 0.4), swing=25, phase=0.5, material=1),
    ),
    (  # flies
        Bone((0, 0), (0.3, 0.7), angle=115, swing=40, material=1),
        Bone((0, 0), (0.22, 0.7), hang=0.5, angle=90),
        Bone((-0.3, 0), (0.2, 0.3), angle=90, swing=8, material=2),
        Bone((0, 0), (0.3, 0.7), angle=-115, swing=-40, material=1),
    ),
    (  # drives
        Bone((0, -0.18), (0.55, 0.32), hang=0.5, material=1),
        Bone((0, 0.05), (1.1, 0.32), hang=0.5),
        Bone((-0.32, 0.22), (0.24, 0.24), hang=0.5, spins=True, material=2),
        Bone((0.32, 0.22), (0.24, 0.24), hang=0.5, spins=True, material=2),
    ),
    (  # swims
        Bone((-0.38, 0), (0.2, 0.35), angle=90, swing=30, phase=0.2, material=1),
        Bone((0, 0), (0.38, 0.9), hang=0.5, angle=90, swing=5),
        Bone((0.05, 0.05), (0.15, 0.3), angle=40, swing=25, material=1),
    ),
    (  # rides
        Bone((-0.28, 0.25), (0.42, 0.42), hang=0.5, spins=True, material=2),
        Bone((0.28, 0.25), (0.42, 0.42), hang=0.5, spins=True, material=2),
        Bone((-0.05, 0.1), (0.1, 0.4), angle=-15, swing=25, phase=0.5, material=1),
        Bone((0, 0.15), (0.08, 0.6), hang=0.5, angle=80, material=3),
        Bone((0, -0.12), (0.2, 0.45), hang=0.5, angle=25),
        Bone((0.08, -0.3), (0.16, 0.2), angle=190, swing=5, material=3),
        Bone((-0.05, 0.1), (0.1, 0.4), angle=-15, swing=25, material=1),
        Bone((0.05, -0.2), (0.08, 0.36), angle=-55, swing=5, material=1),
    ),
)


@dataclass(frozen=True)
class Part:
    """A bone in pixels and its picture, which has an equal margin on all sides."""

    bone: Bone
    sprite: np.ndarray

    def affine(self, cycle: float) -> np.ndarray:
        """Give the (2, 3) map from sprite to body pixels at a point of the cycle."""
        bone_in_sprite = (self.sprite.shape[1::-1] - np.ceil(self.bone.size_wh)) / 2
        to_body = self.bone.affine(cycle)
        to_body[:, 2] -= to_body[:, :2] @ bone_in_sprite
        return to_body


@dataclass(frozen=True)
class Actor:
    """An object that can be drawn in any pose.

    Attributes:
        parts: What it is made of, from back to front.
        period: Frames in a cycle of its movement.
        ripple: How far a wave that runs through it bends it, pixels.
        ripple_turn: Direction of that wave, radians.
    """

    parts: tuple[Part, ...]
    period: float
    ripple: float
    ripple_turn: float

    def render(self, affine: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the object alone.

        Args:
            affine: (2, 3) from object pixels to image pixels.
            t: The frame.

        Returns:
            The patch, a sprite (h, w, 4), and the (2,) int x and y of its top-left
            pixel in the image, which may lie outside.
        """
        cycle = t / self.period
        maps = [compose(affine, part.affine(cycle)) for part in self.parts]
        boxes = [
            bounds(part.sprite, to_image)
            for part, to_image in zip(self.parts, maps, strict=True)
        ]
        bend = self.ripple * np.sqrt(abs(np.linalg.det(affine[:, :2])))
        margin = int(np.ceil(bend))
        low = np.min([box[0] for box in boxes], axis=0) - margin
        width, height = np.max([box[1] for box in boxes], axis=0) + margin - low
        patch = np.zeros((height, width, 4), np.float32)
        for part, to_image in zip(self.parts, maps, strict=True):
            to_image[:, 2] -= low
            draw(patch, part.sprite, to_image)
        return (self._bend(patch, bend, cycle) if bend else patch), low

    def _bend(self, patch: np.ndarray, bend: float, cycle: float) -> np.ndarray:
        """Run a wave of some height in pixels, from side to side, through a patch."""
        height, width = patch.shape[:2]
        cos, sin = np.cos(self.ripple_turn), np.sin(self.ripple_turn)
        y, x = np.ogrid[:height, :width]
        along = 5 * (cos * x + sin * y) / max(height, width) + 2 * np.pi * cycle
        wave = bend * np.sin(along)
        return cv2.remap(
            patch,
            np.float32(x - sin * wave),
            np.float32(y + cos * wave),
            cv2.INTER_LINEAR,
        )

    def recoloured(self, gain: Sequence[float]) -> 'Actor':
        """Give a look-alike whose red, green and blue are multiplied by the gains."""
        factor = np.array([*gain, 1], np.float32)
        return replace(
            self,
            parts=tuple(
                replace(
                    part, sprite=np.minimum(part.sprite * factor, part.sprite[..., 3:])
                )
                for part in self.parts
            ),
        )


def random_actor(
    rng: np.random.Generator,
    length: float,
    light: float,
    plan: Sequence[Bone] | None = None,
) -> Actor:
    """Draw an object: a creature or machine, an assembly of parts, or one piece.

    Args:
        rng: The source of randomness.
        length: Root of width times height, pixels.
        light: Direction the light comes from, radians.
        plan: Its parts; a random body plan by default.

    Returns:
        The object; its centre is about the middle of its box.
    """
    bones = _fit(_random_plan(rng) if plan is None else plan, length)
    side = int(max(max(bone.size_wh) for bone in bones)) + 8
    grain = length * np.exp(rng.uniform(np.log(0.06), np.log(0.6)))
    textures = {
        material: random_texture(rng, side, side, grain)
        for material in sorted({bone.material for bone in bones})
    }
    softness = rng.choice([0.0, 0.0, 0.5, 0.03 * length])
    parts = []
    for bone in bones:
        round_part = bone.spins or rng.random() < 0.4
        outline = ellipse_outline() if round_part else random_outline(rng)
        parts.append(
            Part(
                bone,
                paint_sprite(
                    rng,
                    outline,
                    np.array(bone.size_wh),
                    textures[bone.material],
                    light,
                    softness,
                ),
            )
        )
    return Actor(
        tuple(parts),
        period=rng.uniform(12, 60),
        ripple=length * rng.choice([0, 0, rng.uniform(0.02, 0.1)]),
        ripple_turn=rng.uniform(0, 2 * np.pi),
    )


def _random_plan(rng: np.random.Generator) -> list[Bone]:
    """Choose a body plan and vary it, or make one up."""
    if rng.random() < 0.5:
        plan = list(_BODY_PLANS[rng.integers(len(_BODY_PLANS))])
    else:
        aspect = np.exp(rng.uniform(np.log(0.3), np.log(3)))
        body = np.array([aspect**0.5, aspect**-0.5])
        plan = [Bone((0, 0), tuple(body), hang=0.5)]
        for _ in range(rng.choice([0, 0, 1, 3])):
            plan.insert(
                rng.integers(2),
                Bone(
                    tuple(rng.uniform(-0.35, 0.35, 2) * body),
                    tuple(rng.uniform(0.15, 0.6, 2)),
                    hang=rng.choice([0.1, 0.5]),
                    angle=rng.uniform(0, 360),
                    swing=rng.uniform(0, 40),
                    phase=rng.random(),
                    material=int(rng.integers(1, 4)),
                ),
            )
    mirror = rng.choice([-1, 1])
    liveliness = rng.uniform(0, 1.2)
    varied = []
    for bone in plan:
        # What spins stays round.
        growth = np.exp(rng.normal(0, 0.15, 1 if bone.spins else 2))
        joint = bone.joint * np.array([mirror, 1]) + rng.normal(0, 0.015, 2)
        varied.append(
            replace(
                bone,
                joint=tuple(joint),
                size_wh=(bone.size_wh[0] * growth[0], bone.size_wh[1] * growth[-1]),
                angle=mirror * bone.angle,
                swing=mirror * liveliness * bone.swing,
            )
        )
    return varied


def _fit(plan: Sequence[Bone], length: float) -> tuple[Bone, ...]:
    """Scale and centre a plan so that its box at rest has the given mean side."""
    corners = np.hstack(
        [
            bone.affine(0.0)
            @ [
                [0, bone.size_wh[0], 0, bone.size_wh[0]],
                [0, 0, bone.size_wh[1], bone.size_wh[1]],
                [1, 1, 1, 1],
            ]
            for bone in plan
        ]
    )
    low, high = corners.min(axis=1), corners.max(axis=1)
    unit = length / np.sqrt(np.prod(high - low))
    return tuple(
        replace(
            bone,
            joint=tuple(unit * (bone.joint - (low + high) / 2)),
            size_wh=tuple(unit * np.array(bone.size_wh)),
        )
        for bone in plan
    )
