"""Landscapes: sky, hills one behind the other, water, trees, a path, boats. Painted as they are, not lit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_scene import Easel, Window
from orchestrator.sample.painter_sitting import Place, Rgb, smooth

FAR = -2.6
"""Depth of what is behind everything, head units."""

SAIL: Rgb = (0.52, 0.27, 0.15)


@dataclass(frozen=True)
class View:
    """A landscape. Lengths in head units from between the sitter's eyes."""

    sky_top: Rgb = (0.36, 0.46, 0.58)
    sky_low: Rgb = (0.80, 0.72, 0.58)
    land: Rgb = (0.24, 0.26, 0.14)
    horizon: float = 0.75  # y
    near: float = 0.32  # how far below the horizon the near ground begins
    cloud: float = 0.6
    water: bool = False
    trees: float = 0.6
    free: float = 1.15  # no tree nearer than this to the middle: nothing may seem to grow out of a head
    path: bool = False
    boats: tuple[Place, ...] = ()
    left: float = -99.0
    right: float = 99.0
    dim: float = 1.0
    top: float = -99.0
    bottom: float = 99.0

    def paint(self, easel: Easel) -> None:
        """Cover the picture, or the part between the edges."""
        window = easel.window(self.left, self.top, self.right, self.bottom)
        color = landscape(self, window, easel.rng)
        easel.scene.lay(window, np.ones(window.shape, np.float32), color * self.dim, depth=FAR, glow=1.0)


def landscape(view: View, window: Window, rng: np.random.Generator) -> Array:
    """Paint a landscape into a window; returns colours."""
    small = window.coarser(2)
    color = _sky(view, small, rng)
    _hills(view, small, rng, color)
    if view.path:
        _path(view, small, color)
    _trees(view, small, rng, color)
    for at in view.boats:
        _boat(small, at, color)
    return window.enlarge(color)


def _mix(color: Array, mask: Array, other: Array | Rgb) -> None:
    color += (np.asarray(other, np.float32) - color) * mask[..., None]


def _sky(view: View, window: Window, rng: np.random.Generator) -> Array:
    span = max(0.5, view.horizon - float(window.y.min()))
    up = np.clip((view.horizon - window.y) / span, 0, 1)
    low, top = np.asarray(view.sky_low, np.float32), np.asarray(view.sky_top, np.float32)
    color: Array = np.asarray(low + (top - low) * (up**0.7)[..., None], np.float32)
    bank = clouds(window.shape, rng, cell_px=0.9 * window.unit_px, octaves=5, stretch=1.9)
    puff = smoothstep(0.50, 0.74, bank) * view.cloud * smoothstep(0.0, 0.15, up)
    shade = cv2.GaussianBlur(puff, (0, 0), 0.08 * window.unit_px)
    white = (low * 0.45 + 0.55 * np.array([0.94, 0.90, 0.84], np.float32)) * (1 - 0.30 * shade)[..., None]
    _mix(color, 0.85 * puff, white)
    return color


def _hills(view: View, window: Window, rng: np.random.Generator, color: Array) -> None:
    """Lay four ridges, each nearer, clearer and more like its own colour than the last."""
    land = np.asarray(view.land, np.float32)
    haze = np.asarray(view.sky_low, np.float32) * 0.5 + np.asarray(view.sky_top, np.float32) * 0.5
    for k, (rise, share) in enumerate(((0.30, 0.72), (0.16, 0.48), (0.0, 0.22), (-view.near, 0.0))):
        cell = (1.3 - 0.2 * k) * window.unit_px
        ridge = clouds((4, window.shape[1]), rng, cell_px=cell, octaves=3)[1]
        below = window.y - (view.horizon - rise - 0.36 * (ridge - 0.35) * (1.1 - 0.15 * k))[None, :]
        if view.water and k == 2:
            below = window.y - view.horizon
            tone = _water(view, window, rng)
        else:
            grain = (0.12 + 0.10 * k) * window.unit_px
            speck = 0.8 + 0.45 * clouds(window.shape, rng, cell_px=grain, octaves=4, stretch=2.5)
            lit = 1 + 0.5 * smoothstep(0.25, 0.0, below) - 0.35 * smoothstep(0.3, 2.4, below)
            tone = (land + (haze - land) * share) * (speck * lit)[..., None]
        _mix(color, smoothstep(-0.012, 0.012, below), tone)


def _water(view: View, window: Window, rng: np.random.Generator) -> Array:
    far = np.asarray(view.sky_low, np.float32) * 0.80
    near = np.asarray(view.sky_top, np.float32) * 0.62
    deep = smoothstep(0.0, 1.6, window.y - view.horizon)[..., None]
    ripple = clouds(window.shape, rng, cell_px=0.10 * window.unit_px, octaves=3, stretch=7)
    return np.asarray((far + (near - far) * deep) * (0.80 + 0.42 * ripple)[..., None], np.float32)


def _path(view: View, window: Window, color: Array) -> None:
    """Lay a sandy path that winds towards the viewer."""
    below = np.maximum(window.y - view.horizon - view.near, 0)
    middle = 0.9 + 0.7 * np.sin(1.5 * below + 0.6) * np.exp(-0.2 * below) - 0.35 * below
    half = 0.03 + 0.16 * below
    mask = smoothstep(1.0, 0.75, np.abs(window.x - middle) / half) * smoothstep(0.05, 0.15, below)
    _mix(color, 0.8 * mask, (0.50, 0.42, 0.28))


def _trees(view: View, window: Window, rng: np.random.Generator, color: Array) -> None:
    """Put a few crowns of foliage on the near ground."""
    left, right = float(window.x.min()), float(window.x.max())
    for _ in range(round((right - left) * 1.6 * view.trees)):
        x, size = rng.uniform(left, right), rng.uniform(0.16, 0.36)
        foot = view.horizon + view.near + rng.uniform(-0.22, 0.13)
        if abs(x) >= view.free:
            _tree(view, window, rng, color, at=(x, foot), size=size)


def _tree(view: View, window: Window, rng: np.random.Generator, color: Array, *, at: Place, size: float) -> None:
    x, foot = at
    near_x, near_y = np.abs(window.x[0] - x) < 3 * size, np.abs(window.y[:, 0] - foot + 1.3 * size) < 3 * size
    part = np.ix_(near_y, near_x)
    wx, wy = window.x[part], window.y[part]
    if wx.size == 0:
        return
    crown = np.full(wx.shape, 9.0, np.float32)
    for _ in range(6):
        a, b = x + rng.normal(0, 0.5) * size, foot - 1.3 * size + rng.normal(0, 0.45) * size
        crown = np.minimum(crown, np.hypot(wx - a, 1.15 * (wy - b)) / (size * rng.uniform(0.5, 0.8)))
    leaf = clouds(wx.shape, rng, cell_px=0.16 * window.unit_px, octaves=3)
    mask = smoothstep(1.04, 0.92, crown + 0.55 * (leaf - 0.5))
    trunk = smoothstep(0.05, 0.03, np.abs(wx - x)) * smoothstep(foot + 0.02, foot, wy)
    trunk = trunk * smoothstep(foot - size, foot - 0.9 * size, wy)
    side = np.clip(0.5 - 0.45 * (wx - x) / size - 0.5 * (wy - foot + 1.25 * size) / size, 0.1, 1.3)
    tone = np.asarray(view.land, np.float32) * (0.75 * (0.45 + 0.95 * side * (0.5 + leaf)))[..., None]
    patch = color[part]
    _mix(patch, np.maximum(mask, trunk), tone)
    color[part] = patch


def _boat(window: Window, at: Place, color: Array) -> None:
    """Lay a fishing boat with a tan sail, and its reflection; a boat lower in the picture is nearer and larger."""
    x, y = at
    size = 0.22 + 0.28 * max(0.0, y - 0.2)
    hull = [(-1.0, -0.22), (-0.8, 0.10), (0.7, 0.10), (1.15, -0.30), (0.4, -0.16)]
    sails = [(-0.05, -0.25), (-0.15, -2.1), (0.85, -0.35)], [(-0.2, -0.25), (-0.22, -1.7), (-0.95, -0.30)]
    for flip, strength in ((-0.75, 0.35), (1.0, 0.95)):
        shapes = [(sail, SAIL) for sail in sails] + [(hull, (0.12, 0.09, 0.08))]
        for shape, tint in shapes:
            outline = smooth([(x + a * size, y + 0.1 * size + (b - 0.1) * size * flip) for a, b in shape], count=40)
            _mix(color, strength * window.fill(outline, soft_px=0.7), tint)
