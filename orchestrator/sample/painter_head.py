"""The shape of a head.

A head is a surface over (angle around the neck, height): elliptical slices whose width and depth follow a profile, with
the features of the face raised on it. Being a real surface, it turns: the nose hides the far cheek, shadows fall right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_geometry import Array, Face, marks, smoothstep, spline
from orchestrator.sample.painter_relief import relief

# The middle of the face from the crown down: y, depth in front of the axis, half width.
PROFILE = np.array(
    [
        (-1.13, 0.00, 0.00),
        (-1.11, 0.22, 0.20),
        (-1.04, 0.46, 0.42),
        (-0.86, 0.71, 0.62),
        (-0.55, 0.85, 0.735),
        (-0.22, 0.89, 0.755),
        (0.02, 0.85, 0.745),
        (0.28, 0.84, 0.715),
        (0.50, 0.85, 0.66),
        (0.70, 0.84, 0.575),
        (0.86, 0.82, 0.475),
        (0.98, 0.80, 0.365),
        (1.06, 0.72, 0.265),
        (1.09, 0.58, 0.20),
        (1.08, 0.40, 0.16),
    ],
    np.float32,
)
BACK_DEPTH = 0.92


def _profile(face: Face) -> Array:
    """Bend the average profile to this face: (rows, 3) of y, depth, half width."""
    points = PROFILE.copy()
    y = points[:, 0].copy()
    low = np.clip((y - 0.2) / 0.8, 0, 1)
    points[:, 2] *= (
        face.width
        * (1 + (face.jaw - 1) * low)
        * (1 + 0.05 * face.male * low + 0.05 * face.cheeks * low * (1 - low) * 4)
    )
    points[:, 0] = np.where(y > 0.4, 0.4 + (y - 0.4) * (marks(face).chin_y - 0.4) / (1.08 - 0.4), y)
    return spline(points, 230)


@dataclass(frozen=True)
class Surface:
    """A head as a grid of points (rows, columns), float32, head units."""

    x: Array
    y: Array
    z: Array

    def normals(self) -> Array:
        """Return unit normals (rows, columns, 3) that point outwards."""
        points = np.dstack([self.x, self.y, self.z])
        across = np.gradient(points, axis=1)
        down = np.gradient(points, axis=0)
        normal = np.cross(across, down).astype(np.float32)
        normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-9
        return normal


def head_surface(face: Face) -> Surface:
    """Build the surface of a head, about 230 x 220 points."""
    profile = _profile(face)
    angle = np.radians(np.linspace(-128, 128, 220)).astype(np.float32)[None, :]
    y, depth, width = (profile[:, k : k + 1] for k in range(3))
    front = np.clip(np.cos(angle), 0, 1)
    x = width * np.sin(angle)
    # A face is flatter in front than an ellipse, and the skull goes further back than the features come forward.
    back = np.sqrt(np.clip(width / 0.755, 0, 1.2)) * BACK_DEPTH
    z = np.where(np.cos(angle) > 0, depth * front**0.86, back * np.cos(angle))
    y = np.broadcast_to(y, x.shape).astype(np.float32)
    z = z + relief(face, x.astype(np.float32), y) * smoothstep(0.02, 0.42, front.astype(np.float32))
    return Surface(x.astype(np.float32), y, z.astype(np.float32))
