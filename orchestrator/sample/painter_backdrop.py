"""What is behind a sitter: a dark studio, a curtain, a window on a landscape, a sky."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_scene import Easel, Window
from orchestrator.sample.painter_sitting import Cloth, Rgb, creases, lay_cloth

FAR = -2.6


@dataclass(frozen=True)
class Studio:
    """A plain wall with a breath of light on one side of the head."""

    color: Rgb = (0.21, 0.165, 0.12)
    dark: Rgb = (0.07, 0.055, 0.045)
    light_side: int = 1  # where the wall is brighter; by habit opposite the lit side of the face

    def paint(self, easel: Easel) -> None:
        """Cover the whole picture."""
        window = easel.whole()
        small = window.coarser(4)
        away = np.hypot((small.x - 0.9 * self.light_side) / 1.9, (small.y - 0.2) / 2.3)
        glow = np.exp(-(away**2)) * 1.1 + 0.12 * (clouds(small.shape, easel.rng, cell_px=45, octaves=4) - 0.5)
        glow = window.enlarge(np.clip(glow, 0, 1.2).astype(np.float32))[..., None]
        color = (
            np.asarray(self.dark, np.float32)
            + (np.asarray(self.color, np.float32) - np.asarray(self.dark, np.float32)) * glow
        )
        easel.scene.lay(window, np.ones(window.shape, np.float32), color, depth=FAR, glow=0.85)


@dataclass(frozen=True)
class View:
    """A landscape: sky, far hills, trees, perhaps water."""

    sky_top: Rgb = (0.36, 0.46, 0.58)
    sky_low: Rgb = (0.80, 0.72, 0.58)
    land: Rgb = (0.24, 0.26, 0.14)
    horizon: float = 0.75  # y, head units
    cloud: float = 0.6
    water: bool = False
    trees: float = 0.6
    left: float = -99.0
    right: float = 99.0
    dim: float = 1.0
    top: float = -99.0
    bottom: float = 99.0

    def paint(self, easel: Easel) -> None:
        """Cover the picture, or the opening between the edges."""
        window = easel.window(self.left, self.top, self.right, self.bottom)
        color = landscape(self, window, easel.rng)
        easel.scene.lay(window, np.ones(window.shape, np.float32), color * self.dim, depth=FAR, glow=1.0)


def landscape(view: View, window: Window, rng: np.random.Generator) -> Array:
    """Paint a landscape into a window; returns colours."""
    full, window = window, window.coarser(2)
    shape = window.shape
    up = np.clip((view.horizon - window.y) / max(0.5, view.horizon - float(window.y.min())), 0, 1)
    low, top = np.asarray(view.sky_low, np.float32), np.asarray(view.sky_top, np.float32)
    color = low + (top - low) * (up**0.7)[..., None]
    bank = clouds(shape, rng, cell_px=0.9 * window.unit_px, octaves=5, stretch=1.9)
    puff = smoothstep(0.50, 0.74, bank) * view.cloud * smoothstep(0.0, 0.15, up)
    shade = cv2.GaussianBlur(puff, (0, 0), 0.08 * window.unit_px)
    white = (low * 0.45 + 0.55 * np.array([0.94, 0.90, 0.84], np.float32)) * (1 - 0.30 * shade)[..., None]
    color = color + (white - color) * (0.85 * puff)[..., None]
    color = _hills(view, window, rng, color)
    if view.trees:
        color = _trees(view, window, rng, color)
    return full.enlarge(color.astype(np.float32))


def _hills(view: View, window: Window, rng: np.random.Generator, color: Array) -> Array:
    land = np.asarray(view.land, np.float32)
    haze = np.asarray(view.sky_low, np.float32) * 0.5 + np.asarray(view.sky_top, np.float32) * 0.5
    for k, (rise, share) in enumerate(((0.30, 0.72), (0.16, 0.48), (0.0, 0.22), (-0.32, 0.0))):
        ridge = clouds((4, window.shape[1]), rng, cell_px=(1.3 - 0.2 * k) * window.unit_px, octaves=3)[1]
        line = view.horizon - rise - 0.36 * (ridge - 0.35) * (1.1 - 0.15 * k)
        mask = smoothstep(-0.012, 0.012, window.y - line[None, :])
        speck = 0.8 + 0.45 * clouds(
            window.shape, rng, cell_px=(0.12 + 0.10 * k) * window.unit_px, octaves=4, stretch=2.5
        )
        lit = 1 + 0.5 * smoothstep(0.25, 0.0, window.y - line[None, :])
        tone = (land + (haze - land) * share) * (speck * lit)[..., None]
        if view.water and k == 2:
            tone = _water(view, window, rng)
        color = color + (tone - color) * mask[..., None]
    return np.asarray(color, np.float32)


def _water(view: View, window: Window, rng: np.random.Generator) -> Array:
    base = np.asarray(view.sky_low, np.float32) * 0.62 + np.asarray(view.sky_top, np.float32) * 0.25
    ripple = clouds(window.shape, rng, cell_px=0.10 * window.unit_px, octaves=3, stretch=7)
    return np.asarray(base * (0.78 + 0.5 * ripple)[..., None], np.float32)


def _trees(view: View, window: Window, rng: np.random.Generator, color: Array) -> Array:
    """Put a few round crowns of foliage on the near ground."""
    width = float(window.x.max() - window.x.min())
    land = np.asarray(view.land, np.float32)
    for _ in range(max(1, int(width * 1.6 * view.trees))):
        x = rng.uniform(float(window.x.min()), float(window.x.max()))
        if abs(x) < 1.15:  # nothing may seem to grow out of a head
            continue
        size = rng.uniform(0.16, 0.36)
        foot = view.horizon + rng.uniform(0.10, 0.45)
        crown = np.full(window.shape, 9.0, np.float32)
        for _ in range(5):
            at_x, at_y = x + rng.normal(0, 0.5) * size, foot - 1.3 * size + rng.normal(0, 0.45) * size
            crown = np.minimum(
                crown, np.hypot(window.x - at_x, 1.15 * (window.y - at_y)) / (size * rng.uniform(0.5, 0.8))
            )
        leaf = clouds(window.shape, rng, cell_px=0.16 * window.unit_px, octaves=3)
        mask = smoothstep(1.04, 0.92, crown + 0.55 * (leaf - 0.5))
        trunk = (
            smoothstep(0.05, 0.03, np.abs(window.x - x))
            * smoothstep(foot - size, foot - 0.9 * size, window.y)
            * smoothstep(foot + 0.02, foot, window.y)
        )
        side = np.clip(0.5 - 0.45 * (window.x - x) / size - 0.5 * (window.y - foot + 1.25 * size) / size, 0.1, 1.3)
        tone = land * 0.75 * (0.45 + 0.95 * side * (0.5 + leaf))[..., None]
        color = color + (tone - color) * np.maximum(mask, trunk)[..., None]
    return np.asarray(color, np.float32)


@dataclass(frozen=True)
class Opening:
    """A window in a wall, on one side, with a landscape in it."""

    view: View
    side: int = 1
    inner: float = 1.05  # where the opening starts, from the face
    top: float = -1.5
    sill: float = 1.35
    stone: Rgb = (0.30, 0.25, 0.19)

    def paint(self, easel: Easel) -> None:
        """Lay the landscape, then the jambs around it."""
        scene, s = easel.scene, self.side
        a, b = (self.inner, 9.0) if s > 0 else (-9.0, -self.inner)
        window = easel.window(a, self.top, b, self.sill)
        scene.lay(
            window,
            np.ones(window.shape, np.float32),
            landscape(self.view, window, easel.rng) * self.view.dim,
            depth=FAR - 0.3,
            glow=1.0,
        )
        edge = self.inner * s
        for left, top, right, bottom, tone in (
            (
                min(edge, edge - 0.16 * s),
                self.top - 0.16,
                max(edge, edge - 0.16 * s),
                self.sill,
                1.0 if s > 0 else 1.25,
            ),
            (a, self.top - 0.16, b, self.top, 0.8),
            (a - (0.16 if s > 0 else 0), self.sill, b + (0.16 if s < 0 else 0), self.sill + 0.2, 1.45),
        ):
            bar = easel.window(left, top, right, bottom)
            grain = 0.85 + 0.3 * clouds(bar.shape, easel.rng, cell_px=40, octaves=3)
            scene.lay(
                bar,
                np.ones(bar.shape, np.float32),
                np.asarray(self.stone, np.float32) * (tone * grain)[..., None],
                depth=FAR + 0.1,
                glow=0.8,
            )


@dataclass(frozen=True)
class Curtain:
    """Drapery that hangs on one side."""

    cloth: Cloth
    side: int = -1
    inner: float = 0.95
    swag: float = 0.7  # how far the upper part reaches towards the middle

    def paint(self, easel: Easel) -> None:
        """Lay it over the wall."""
        s = self.side
        window = easel.whole()
        reach = self.inner - self.swag * smoothstep(0.2, -2.6, window.y) + 0.10 * np.sin(window.y * 2.1)
        mask = smoothstep(-0.012, 0.012, s * window.x - reach)
        lean = 0.16 * s
        folds = creases(window, easel.rng, lean=lean, size=self.cloth.fold_size, stretch=11.0)
        lay_cloth(easel, window, mask * 0.999, self.cloth, relief=folds, radius=0.25, bulge=0.3, depth=FAR + 0.6)
