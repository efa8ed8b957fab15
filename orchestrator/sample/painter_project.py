"""From the surface of a head to the picture: which point of the head each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter_geometry import DISTANCE, Array, Face, Pose
from orchestrator.sample.painter_head import Surface, head_surface

Mask = NDArray[np.bool_]

COARSE = 2
"""Visibility is worked out on a grid this many pixels wide and then smoothed: silhouettes come out soft, as painted."""


@dataclass(frozen=True)
class Camera:
    """Where the middle between the eyes falls in the picture, and how large a head unit is there, in pixels."""

    x_px: float
    y_px: float
    unit_px: float
    pose: Pose

    def place(self, points: Array) -> Array:
        """Project head points (n, 3) to the picture: (n, 3) of x and y in pixels, z in head units."""
        turn = self.pose.matrix()
        x, y, z = (points[:, k].astype(np.float32) for k in range(3))
        a, b, depth = (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z for k in range(3))
        scale = self.unit_px * DISTANCE / (DISTANCE - depth)
        placed = [a * scale + np.float32(self.x_px), b * scale + np.float32(self.y_px), depth]
        return np.stack(placed, axis=1).astype(np.float32)


@dataclass(frozen=True)
class HeadView:
    """A head as the painter sees it, inside the window that starts at (left, top) of the picture, pixels."""

    left: int
    top: int
    alpha: Array  # (height, width), 0 .. 1
    x: Array  # head coordinates of the point shown
    y: Array
    depth: Array  # head units, larger is nearer
    tilt: Array  # (2, height, width): x and y of the unit normal, picture axes
    surface: Surface
    toward: Array  # for each point of the surface, 1 where it faces the viewer, below 0 where it is turned away
    camera: Camera

    def on_face(self, x: float, y: float) -> tuple[float, float, float]:
        """Return picture x, y (pixels) and depth of the point of the face in front of head coordinates (x, y).

        A point that is turned away from the viewer is given as the place on the silhouette at its height.
        """
        surface = self.surface
        away = (surface.x - x) ** 2 + (surface.y - y) ** 2 + np.where(surface.z < -0.02, 9.0, 0.0)
        row, column = np.unravel_index(int(np.argmin(away)), away.shape)
        point = np.array([[x, y, surface.z[row, column]]], np.float32)
        px, py, depth = (float(v) for v in self.camera.place(point)[0])
        if self.toward[row, column] < 0.08:
            inside = np.flatnonzero(self.alpha[int(np.clip(py - self.top, 0, self.alpha.shape[0] - 1))] > 0.5)
            if len(inside):
                px = float(self.left + (inside[0] if x < 0 else inside[-1]))
        return px, py, depth


def view_head(face: Face, camera: Camera) -> HeadView:
    """Project a face's surface, nearest point first wins."""
    surface = head_surface(face)
    rows, columns = surface.x.shape
    fine = [
        cv2.resize(a, (columns * 3, rows * 3), interpolation=cv2.INTER_LINEAR)
        for a in (surface.x, surface.y, surface.z)
    ]
    placed = camera.place(np.stack([a.ravel() for a in fine], axis=1))
    margin = 12
    left, top = (int(v) - margin for v in placed[:, :2].min(axis=0))
    right, bottom = (int(v) + margin for v in placed[:, :2].max(axis=0))
    width, height = (right - left) // COARSE + 1, (bottom - top) // COARSE + 1
    column = ((placed[:, 0] - left) / COARSE).astype(np.int32)
    row = ((placed[:, 1] - top) / COARSE).astype(np.int32)
    cell = row * width + column
    order = np.argsort(placed[:, 2], kind="stable")
    winner = np.full(width * height, -1, np.int32)
    winner[cell[order]] = order.astype(np.int32)
    seen = (winner >= 0).reshape(height, width)
    normal = (surface.normals() @ camera.pose.matrix().T).astype(np.float32)
    turned = cv2.resize(normal, (columns * 3, rows * 3), interpolation=cv2.INTER_LINEAR).reshape(-1, 3)
    values = np.concatenate([np.stack([fine[0].ravel(), fine[1].ravel(), placed[:, 2]], axis=1), turned], axis=1)
    picked = values[np.maximum(winner, 0)].reshape(height, width, 6).astype(np.float32)
    picked, seen = _close_gaps(picked, seen)
    alpha, filled = _enlarge(picked, seen)
    a, b, c = filled[..., 3], filled[..., 4], filled[..., 5]
    length = np.sqrt(a * a + b * b + c * c) + 1e-6
    facing = np.stack([a / length, b / length])
    return HeadView(
        left, top, alpha, filled[..., 0], filled[..., 1], filled[..., 2], facing, surface, normal[..., 2], camera
    )


def _close_gaps(picked: Array, seen: Mask) -> tuple[Array, Mask]:
    """Fill from their neighbours the pixels that no point fell on, or only one of a farther part of the head."""
    solid = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    depth = np.where(seen, picked[..., 2], -9.0).astype(np.float32)
    sound = seen & (cv2.morphologyEx(depth, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) - depth < 0.05)
    weight = sound.astype(np.float32)
    total = cv2.blur(picked * weight[..., None], (5, 5))
    average = total / np.maximum(cv2.blur(weight, (5, 5))[..., None], 1e-6)
    return np.where(sound[..., None], picked, average).astype(np.float32), solid


def _enlarge(picked: Array, seen: Mask) -> tuple[Array, Array]:
    """Bring the coarse view to full size, with soft edges: returns cover and values."""
    height, width = seen.shape
    weight = seen.astype(np.float32)
    # Carry values past the silhouette, so that the soft edge does not mix in the empty outside.
    reach = cv2.GaussianBlur(weight, (0, 0), 2.0)[..., None] + 1e-4
    spread = cv2.GaussianBlur(picked * weight[..., None], (0, 0), 2.0) / reach
    filled = np.where(seen[..., None], picked, spread).astype(np.float32)
    size = (width * COARSE, height * COARSE)
    filled = cv2.resize(cv2.GaussianBlur(filled, (0, 0), 0.7), size, interpolation=cv2.INTER_LINEAR)
    alpha = cv2.resize(cv2.GaussianBlur(weight, (0, 0), 1.3), size, interpolation=cv2.INTER_LINEAR)
    return np.clip((alpha - 0.25) / 0.5, 0, 1).astype(np.float32), np.asarray(filled, np.float32)
