"""Lengths, directions and faces: what every part of a painted portrait is measured in.

Lengths are head units: the eyes lie at y = 0, the chin near y = 1.1, the crown near y = -1.1; x runs to the viewer's
right, y down, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

DISTANCE = 9.0
"""From the eye of the painter to the sitter, head units: a slight perspective."""


@dataclass(frozen=True)
class Face:
    """One person's features. Unless said otherwise 1 is average and 0.8 .. 1.25 a clear difference."""

    skin: tuple[float, float, float] = (0.86, 0.66, 0.53)  # RGB, 0 .. 1
    lips: tuple[float, float, float] = (0.70, 0.33, 0.29)
    iris: tuple[float, float, float] = (0.30, 0.20, 0.12)
    brow: tuple[float, float, float] = (0.22, 0.14, 0.09)
    male: float = 0.0  # 0 .. 1: brow ridge, jaw, heavier brows
    age: float = 0.15  # 0 young adult .. 1 old
    blush: float = 0.5  # 0 .. 1
    stubble: float = 0.0  # 0 .. 1: shadow of a shaved beard
    width: float = 1.0
    jaw: float = 1.0  # wide or narrow lower face
    chin: float = 1.0  # long or short
    cheeks: float = 0.0  # -1 hollow .. 1 full
    eye_size: float = 1.0
    eye_open: float = 1.0
    eye_gap: float = 1.0
    eye_tilt: float = 0.0  # -1 .. 1: outer corners lower or higher
    brow_weight: float = 1.0
    brow_lift: float = 0.0  # -1 .. 1
    brow_arch: float = 0.5  # 0 .. 1
    nose_length: float = 1.0
    nose_width: float = 1.0
    nose_height: float = 1.0
    nose_hook: float = 0.0  # -1 turned up .. 1 hooked
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    smile: float = 0.15  # -1 .. 1
    freckles: float = 0.0  # 0 .. 1


@dataclass(frozen=True)
class Pose:
    """How the head is held, degrees: yaw > 0 to the viewer's right, pitch > 0 down, roll > 0 clockwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def matrix(self) -> Array:
        """Return the rotation from head to picture axes, float32 (3, 3)."""
        a, b, c = np.radians([self.yaw, self.pitch, self.roll])
        turn = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
        nod = [[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]]
        tilt = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
        return np.array(tilt, np.float32) @ np.array(nod, np.float32) @ np.array(turn, np.float32)


@dataclass(frozen=True)
class Marks:
    """Where the features of a face lie, head units."""

    eye_x: float
    eye_half: float
    brow_y: float
    nose_tip: float
    nose_base: float
    mouth_y: float
    mouth_half: float
    chin_y: float


def marks(face: Face) -> Marks:
    """Return where this person's features lie."""
    nose_base = 0.47 * face.nose_length
    chin_y = 1.08 + 0.09 * (face.chin - 1.0) * 4
    return Marks(
        eye_x=0.315 * face.eye_gap * face.width,
        eye_half=0.168 * face.eye_size,
        brow_y=-0.235 - 0.045 * face.brow_lift,
        nose_tip=nose_base - 0.075 + 0.035 * face.nose_hook,
        nose_base=nose_base,
        mouth_y=nose_base + (chin_y - nose_base) * 0.345,
        mouth_half=0.255 * face.mouth_width,
        chin_y=chin_y,
    )


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Go from 0 at `low` to 1 at `high` without corners; `low` may be the larger."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def spline(points: Array, count: int) -> Array:
    """Run a Catmull-Rom curve through points (n, k); returns (count, k), evenly spread over the points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1 - 1e-6, count)
    index = at.astype(int)
    t = (at - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.asarray(curve, np.float32)
