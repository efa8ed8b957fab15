"""A sitting: the scene, the head in it, and how cloth is laid. What hair, hats and clothes are painted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, Face, smoothstep, spline
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_project import Camera, HeadView
from orchestrator.sample.painter_scene import Easel, Window, facing, rounded

Rgb = tuple[float, float, float]
Place = tuple[float, float]


@dataclass(frozen=True)
class Sitting(Easel):
    """Everything a piece of a portrait is painted from."""

    face: Face
    camera: Camera
    view: HeadView

    def at(self, x: float, y: float, z: float) -> Place:
        """Return where a head point appears, head units from between the eyes."""
        placed = self.camera.place(np.array([[x, y, z]], np.float32))[0]
        return self._units(float(placed[0]), float(placed[1]))

    def on_face(self, x: float, y: float) -> Place:
        """Return where the point of the face in front of head coordinates (x, y) appears, head units."""
        px, py, _ = self.view.on_face(x, y)
        return self._units(px, py)

    def _units(self, px: float, py: float) -> Place:
        left, top = self.origin_px
        return (px - left) / self.unit_px, (py - top) / self.unit_px

    @property
    def skull(self) -> tuple[float, float, float, float]:
        """Return the outline of the skull as an ellipse in the picture: centre x, y, half width, half height."""
        x, y = self.at(0.0, -0.30, -0.08)
        turn = np.radians(self.camera.pose.yaw)
        half = float(np.hypot(0.755 * np.cos(turn), 0.90 * np.sin(turn))) * self.face.width
        return x, y, half, 0.84

    def skull_depth(self, window: Window, *, grown: float = 0.0) -> Array:
        """Return the depth of the skull, swollen by `grown` head units, at each pixel of a window."""
        x, y, half, high = self.skull
        away = ((window.x - x) / (half + grown)) ** 2 + ((window.y - y) / (high + grown)) ** 2
        return np.asarray((0.86 + grown) * np.sqrt(np.clip(1 - away, 0, 1)) - 0.05, np.float32)


class Thing(Protocol):
    """Something that can be painted without a sitter: a backdrop, a curtain, a fruit."""

    def paint(self, easel: Easel, /) -> None:
        """Lay it over what is there already."""


class Piece(Protocol):
    """Something a portrait is put together from: hair, a hat, a collar."""

    def paint(self, sitting: Sitting, /) -> None:
        """Lay it over what is there already."""


@dataclass(frozen=True)
class Cloth:
    """What a garment is made of."""

    color: Rgb
    folds: float = 0.07  # depth of the folds, head units
    fold_size: float = 0.26  # distance between folds, head units
    gloss: float = 0.05  # 0 wool .. 0.9 satin
    sheen: float = 0.0  # 0 .. 1: velvet is brightest where it turns away
    mottle: float = 0.10  # how uneven the colour is
    figure: Rgb | None = None  # colour of a woven pattern
    figure_size: float = 0.42


def creases(
    window: Window, rng: np.random.Generator, *, lean: float | Array, size: float, stretch: float = 4.0
) -> Array:
    """Return folds that run along `lean`, heights about -1 .. 1.

    Args:
        window: Where.
        rng: Source.
        lean: Direction of the folds, radians from straight down, > 0 towards the right.
        size: Distance between folds, head units.
        stretch: How many times longer than wide a fold is.
    """
    height, width = window.shape
    noise = cv2.resize(rng.random((40, 40), np.float32), (320, 320), interpolation=cv2.INTER_CUBIC)
    offset = rng.uniform(0, 39, 2).astype(np.float32)
    # Folds are smooth: half the resolution will do.
    x, y = window.x[::2, ::2], window.y[::2, ::2]
    turn = lean[::2, ::2] if isinstance(lean, np.ndarray) else np.float32(lean)
    along_x, along_y = np.sin(turn), np.cos(turn)
    across = (x * along_y - y * along_x) / np.float32(size)
    along = (x * along_x + y * along_y) / np.float32(size * stretch)
    total = np.zeros(x.shape, np.float32)
    for weight, finer in ((1.0, 1.0), (0.42, 2.1)):
        column = ((across * np.float32(finer) + offset[0] + 0.6 * np.sin(along * 3 + finer)) % 39) * 8
        row = ((along * np.float32(finer) + offset[1]) % 39) * 8
        value = cv2.remap(noise, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR)
        # Cloth makes round ridges and sharp valleys.
        total += weight * (np.abs(2 * value - 1) ** 0.8)
    full = cv2.resize(total * 1.3 - 0.9, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(full, (0, 0), 1.5), np.float32)


def damask(window: Window, *, size: float) -> Array:
    """Return a woven pattern of palmettes in pointed frames, 0 .. 1; `size` is its repeat in head units."""
    v = window.y / np.float32(0.75 * size)
    row = np.floor(v)
    u = (window.x / np.float32(size) + 0.5 * (row % 2)) % 1.0 - 0.5
    v = v - row
    side = np.abs(u)
    frame = np.exp(-(((side - 0.5 * np.abs(np.cos(np.pi * (v - 0.5) / 2)) ** 0.6) / 0.035) ** 2))
    bulb = np.clip(np.sin(np.pi * np.clip((v - 0.12) / 0.74, 0, 1)), 0, 1) ** 0.8
    body = smoothstep(0.02, -0.02, side - 0.17 * bulb)
    leaf = np.exp(-(((np.hypot(side - 0.26, v - 0.50) - 0.13) / 0.035) ** 2)) * smoothstep(0.75, 0.45, v)
    vein = smoothstep(0.012, 0.022, np.abs(side - 0.05))
    return np.asarray(np.clip(body * vein + leaf + 0.8 * frame, 0, 1), np.float32)


def lay_cloth(
    easel: Easel,
    window: Window,
    mask: Array,
    cloth: Cloth,
    *,
    relief: Array | None = None,
    form: Array | None = None,
    lean: float = 0.0,
    radius: float = 0.5,
    bulge: float = 0.7,
    depth: Array | float = 0.0,
    pattern: Array | None = None,
) -> None:
    """Lay a garment: puffed up from its outline, with folds.

    Args:
        easel: The picture.
        window: Where.
        mask: Its cover, 0 .. 1.
        cloth: What it is made of.
        relief: Folds of its own, heights about -1 .. 1; without them, folds that run along `lean`.
        form: The body under the cloth as heights in head units; without it, one rounded from the outline.
        lean: Direction of the folds, radians from straight down.
        radius: How far in from the outline the form turns, head units.
        bulge: How round it is, 0 flat .. 1.
        depth: How near it is, head units.
        pattern: Factors on the colour, (rows, columns) or (rows, columns, 3).
    """
    unit = window.unit_px
    if form is None:
        form = bulge * rounded(mask, unit, radius=radius)
    waves = creases(window, easel.rng, lean=lean, size=cloth.fold_size) if relief is None else relief
    height = form + cloth.folds * waves
    tilt = facing(height, unit)
    tone = 1 + cloth.mottle * 2 * (clouds(window.shape, easel.rng, cell_px=0.4 * unit, octaves=4) - 0.5)
    color = np.asarray(cloth.color, np.float32) * tone[..., None]
    color = color * (
        1 + 1.6 * cloth.sheen * (1 - np.sqrt(np.clip(1 - tilt[0] ** 2 - tilt[1] ** 2, 0, 1)))[..., None] ** 1.2
    )
    if cloth.figure:
        woven = damask(window, size=cloth.figure_size)[..., None]
        color = color + (np.asarray(cloth.figure, np.float32) * tone[..., None] - color) * woven
    if pattern is not None:
        color = color * (pattern if pattern.ndim == 3 else pattern[..., None])
    easel.scene.lay(
        window,
        mask,
        color.astype(np.float32),
        tilt=tilt,
        depth=depth + 0.5 * form + cloth.folds * waves,
        gloss=cloth.gloss,
    )


def mirrored(points: list[Place], *, left: float = 1.0, right: float = 1.0) -> list[Place]:
    """Close the right half of an outline, listed from top to bottom, with its mirror image; stretch each side."""
    return [(x * right, y) for x, y in points] + [(-x * left, y) for x, y in reversed(points)]


def smooth(points: list[Place], *, count: int = 120) -> list[Place]:
    """Round an open line of points."""
    return [(float(x), float(y)) for x, y in spline(np.asarray(points, np.float32), count)]


def ring(center: Place, radii: Place, *, start: float = 0.0, stop: float = 360.0, count: int = 90) -> list[Place]:
    """Return points on an ellipse; degrees, 0 is to the right, 90 below."""
    angles = np.radians(np.linspace(start, stop, count))
    return [(center[0] + radii[0] * float(np.cos(a)), center[1] + radii[1] * float(np.sin(a))) for a in angles]


def dome(center: Place, radii: Place, *, inner: list[Place], bottom: float) -> list[Place]:
    """Return the outline of hair or a cap: from lower left over the top to lower right, then back along the face.

    Above the centre it is half an ellipse; below, the sides stay nearly straight, as the head does, and turn in, but
    never over the face.

    Args:
        center: Of the ellipse, head units.
        radii: Its half width and half height.
        inner: The edge towards the face, from right to left.
        bottom: y where the sides end.
    """
    drops = np.sin(np.linspace(0, np.pi / 2, 16))[1:] * max(0.0, bottom - center[1])
    reach = max(0.1, bottom - center[1]) + 0.045
    sides = [(radii[0] * float((1 - (d / reach) ** 6) ** (1 / 6)), center[1] + float(d)) for d in drops]
    right = [(max(center[0] + a, inner[0][0]), b) for a, b in sides]
    left = [(min(center[0] - a, inner[-1][0]), b) for a, b in reversed(sides)]
    return left + ring(center, radii, start=180, stop=360) + right + inner
