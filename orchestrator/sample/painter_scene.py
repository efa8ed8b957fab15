"""The picture before the light is on: for each pixel its colour, the way it faces, how near it is, how it shines.

Layers are laid one over the other, back to front, each inside a window; `painter_light` then lights all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter_geometry import Array, smoothstep

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Window:
    """A part of the picture that one layer needs, with its coordinates in head units from between the eyes."""

    rows: slice
    columns: slice
    x: Array
    y: Array
    unit_px: float

    @property
    def shape(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        return self.x.shape[0], self.x.shape[1]

    def coarser(self, factor: int) -> Window:
        """Return the same part of the picture with fewer, larger pixels: for what is soft or far away."""
        x, y = self.x[::factor, ::factor], self.y[::factor, ::factor]
        return Window(self.rows, self.columns, x, y, self.unit_px / factor)

    def enlarge(self, values: Array) -> Array:
        """Bring values worked out on a coarser window to this one's pixels."""
        size = (self.shape[1], self.shape[0])
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def fill(self, points: Points, *, soft_px: float = 0.8) -> Array:
        """Return the mask, 0 .. 1, of a polygon given in head units."""
        mask = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(mask, [self._pixels(points)], 255, cv2.LINE_AA, 4)
        return self._softened(mask, soft_px)

    def trace(self, points: Points, width: float, *, closed: bool = False, soft_px: float = 0.6) -> Array:
        """Return the mask, 0 .. 1, of a line through points; `width` in head units."""
        mask = np.zeros(self.shape, np.uint8)
        thick = max(1, round(width * self.unit_px))
        cv2.polylines(mask, [self._pixels(points)], closed, 255, thick, cv2.LINE_AA, 4)
        return self._softened(mask, soft_px)

    def _pixels(self, points: Points) -> NDArray[np.int32]:
        flat = np.asarray(points, np.float64)
        pixels = (flat - [self.x[0, 0], self.y[0, 0]]) * self.unit_px * 16
        return np.asarray(np.round(pixels), np.int32)

    def _softened(self, mask: NDArray[np.uint8], soft_px: float) -> Array:
        return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), soft_px), np.float32)


class Scene:
    """The layers so far, flattened."""

    def __init__(self, width_px: int, height_px: int, *, unit_px: float) -> None:
        """Start with black, far away, facing the viewer.

        Args:
            width_px: Width of the picture.
            height_px: Height of the picture.
            unit_px: Pixels in a head unit, for the length of shadows: that of the nearest sitter.
        """
        shape = (height_px, width_px)
        self.shape = shape
        self.unit_px = unit_px
        self.color = np.zeros((*shape, 3), np.float32)
        self.tilt = np.zeros((2, *shape), np.float32)  # x and y of the unit normal; z points to the viewer
        self.depth = np.full(shape, -3.0, np.float32)
        self.gloss = np.zeros(shape, np.float32)
        self.flesh = np.zeros(shape, np.float32)  # 1 where light shines through a little, as in skin
        self.glow = np.zeros(shape, np.float32)  # light of its own: 1 is painted as it is, unlit
        self.glint = np.zeros(shape, np.float32)  # small lights that are added last: in eyes

    def lay(
        self,
        window: Window,
        mask: Array,
        color: Array | tuple[float, float, float],
        *,
        tilt: Array | None = None,
        depth: Array | float = 0.0,
        gloss: Array | float = 0.0,
        flesh: float = 0.0,
        glow: Array | float = 0.0,
        glint: Array | float = 0.0,
    ) -> None:
        """Lay a layer over what is there.

        Args:
            window: Where.
            mask: Its cover, 0 .. 1.
            color: RGB 0 .. 1, one or (rows, columns, 3).
            tilt: Which way it faces, (2, rows, columns), as `facing` gives; without it, at the viewer.
            depth: How near it is, head units, larger is nearer.
            gloss: How it shines, 0 .. 1.
            flesh: Whether light shines through a little, 0 .. 1.
            glow: Whether it is painted as it is, 1, or lit, 0.
            glint: Light that is added last, 0 .. 1.
        """
        inner, part = _extent(window, mask)
        mask = mask[inner]
        tint = color[inner] if isinstance(color, np.ndarray) else np.asarray(color, np.float32)
        self.color[part] += (tint - self.color[part]) * mask[..., None]
        for axis in (0, 1):
            plane = self.tilt[axis][part]
            plane += ((0.0 if tilt is None else tilt[axis][inner]) - plane) * mask
        firm = smoothstep(0.3, 0.7, mask)  # depth has no half tones: an edge is here or there
        self.depth[part] += (_within(depth, inner) - self.depth[part]) * firm
        planes = ((self.gloss, gloss), (self.flesh, flesh), (self.glow, glow), (self.glint, glint))
        for plane, value in planes:
            plane[part] += (_within(value, inner) - plane[part]) * mask


@dataclass(frozen=True)
class Easel:
    """A scene, seen from one point of it: what things are painted on."""

    scene: Scene
    rng: np.random.Generator
    origin_px: tuple[float, float]  # of head units: where the point between the sitter's eyes is
    unit_px: float  # pixels in a head unit

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """Return the part of the picture between these edges, head units, cut to the frame."""
        height, width = self.scene.shape
        x0, x1 = (int(np.clip(self.origin_px[0] + v * self.unit_px, 0, width)) for v in (left, right))
        y0, y1 = (int(np.clip(self.origin_px[1] + v * self.unit_px, 0, height)) for v in (top, bottom))
        x1, y1 = max(x1, min(x0 + 2, width)), max(y1, min(y0 + 2, height))
        x0, y0 = min(x0, x1 - 2), min(y0, y1 - 2)
        xs = (np.arange(x0, x1, dtype=np.float32) - self.origin_px[0]) / self.unit_px
        ys = (np.arange(y0, y1, dtype=np.float32) - self.origin_px[1]) / self.unit_px
        x, y = np.meshgrid(xs.astype(np.float32), ys.astype(np.float32))
        return Window(slice(y0, y1), slice(x0, x1), x, y, self.unit_px)

    def whole(self) -> Window:
        """Return the whole picture as a window."""
        return self.window(-999, -999, 999, 999)


Part = tuple[slice, slice]


def _within(values: Array | float, part: Part) -> Array | float:
    return values[part] if isinstance(values, np.ndarray) else values


def _extent(window: Window, mask: Array) -> tuple[Part, Part]:
    """Return the smallest part of the window, and of the picture, that holds all of a mask."""
    left, top, width, height = cv2.boundingRect((mask > 0.002).astype(np.uint8))
    rows, columns = slice(top, top + height), slice(left, left + width)
    y, x = window.rows.start, window.columns.start
    return (rows, columns), (slice(y + top, y + top + height), slice(x + left, x + left + width))


def facing(height: Array, unit_px: float) -> Array:
    """Return x and y of the unit normals, (2, rows, columns), of a relief whose heights are in head units."""
    relief = height.astype(np.float32)
    dx = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=1, scale=-0.5 * unit_px)
    dy = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=1, scale=-0.5 * unit_px)
    length = np.sqrt(dx * dx + dy * dy + 1)
    return np.stack([dx / length, dy / length])


def rounded(mask: Array, unit_px: float, *, radius: float, smooth: float = 0.04) -> Array:
    """Puff up a silhouette: heights in head units that rise in a quarter circle over `radius` from its edge."""
    inside = (mask > 0.5).astype(np.uint8)
    away = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (unit_px * radius)
    height = radius * np.sqrt(np.clip(1 - (1 - np.clip(away, 0, 1)) ** 2, 0, 1))
    return np.asarray(cv2.GaussianBlur(height.astype(np.float32), (0, 0), max(0.8, smooth * unit_px)), np.float32)
