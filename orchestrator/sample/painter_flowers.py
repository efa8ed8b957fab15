"""Flowers, leaves and fruit: for hair, bonnets and still lifes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_scene import Easel, facing
from orchestrator.sample.painter_sitting import Place, Rgb, Sitting

LEAF: Rgb = (0.14, 0.19, 0.08)


@dataclass(frozen=True)
class Rose:
    """A full rose seen from the front."""

    at: Place  # head units from between the eyes
    radius: float
    color: Rgb
    depth: float = 0.6

    def paint(self, easel: Easel) -> None:
        """Lay it: petals wind outwards from the heart."""
        (x, y), r = self.at, self.radius
        window = easel.window(x - 1.3 * r, y - 1.3 * r, x + 1.3 * r, y + 1.3 * r)
        dx, dy = (window.x - x) / r, (window.y - y) / (0.92 * r)
        away, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        start = float(easel.rng.uniform(0, 6.28))
        rim = 1 + 0.06 * np.cos(5 * angle + start)
        turn = (away * 3.6 + (angle + start) / (2 * np.pi) + 0.18 * np.sin(3 * angle + 5 * away)) % 1.0
        petal = np.sqrt(turn) * smoothstep(1.0, 0.86, turn)
        form = r * (0.85 * np.sqrt(np.clip(1.05 - away**2, 0, 1)) + 0.22 * petal)
        tone = (0.55 + 0.55 * petal) * (0.72 + 0.38 * smoothstep(0.1, 0.9, away))
        color = np.asarray(self.color, np.float32) * tone[..., None].astype(np.float32)
        tilt = facing(form.astype(np.float32), window.unit_px)
        easel.scene.lay(
            window, smoothstep(1.02, 0.95, away / rim), color, tilt=tilt, depth=self.depth + form, gloss=0.05
        )


@dataclass(frozen=True)
class Leaf:
    """A pointed leaf; `angle` in degrees, 0 to the right, 90 down."""

    at: Place
    length: float
    angle: float
    color: Rgb = LEAF
    depth: float = 0.5

    def paint(self, easel: Easel) -> None:
        """Lay it, folded along its rib."""
        (x, y), size = self.at, self.length
        window = easel.window(x - size, y - size, x + size, y + size)
        c, s = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        u = ((window.x - x) * c + (window.y - y) * s) / size
        v = (-(window.x - x) * s + (window.y - y) * c) / size
        half = 0.26 * np.sin(np.pi * np.clip(u, 0, 1)) ** 0.8 + 1e-4
        inside = smoothstep(1.05, 0.9, np.abs(v) / half) * smoothstep(0.0, 0.04, u) * smoothstep(1.0, 0.97, u)
        vein = np.exp(-((v / 0.02) ** 2)) + 0.4 * np.abs(np.sin((u - 0.8 * np.abs(v)) * 22))
        form = -0.35 * np.abs(v) * size + 0.006 * vein
        color = np.asarray(self.color, np.float32) * (0.85 + 0.25 * vein)[..., None].astype(np.float32)
        tilt = facing(form.astype(np.float32), window.unit_px)
        easel.scene.lay(window, inside, color, tilt=tilt, depth=self.depth, gloss=0.2)


@dataclass(frozen=True)
class Fruit:
    """A round fruit; `long` stretches it."""

    at: Place
    radius: float
    color: Rgb
    blush: Rgb | None = None
    long: float = 1.0
    rough: float = 0.0  # 0 smooth as a grape .. 1 pitted as a lemon
    gloss: float = 0.35
    depth: float = 0.6

    def paint(self, easel: Easel) -> None:
        """Lay it."""
        (x, y), r = self.at, self.radius
        wide = r * self.long
        window = easel.window(x - 1.2 * wide, y - 1.2 * r, x + 1.2 * wide, y + 1.2 * r)
        dx, dy = (window.x - x) / wide, (window.y - y) / r
        away = np.hypot(dx, dy)
        skin = clouds(window.shape, easel.rng, cell_px=max(3.0, 0.10 * r * window.unit_px), octaves=2) - 0.5
        form = r * np.sqrt(np.clip(1 - away**2, 0, 1)) + 0.05 * self.rough * r * skin
        color = np.broadcast_to(np.asarray(self.color, np.float32), (*window.shape, 3)).copy()
        if self.blush:
            cheek = smoothstep(0.9, 0.1, np.hypot(dx + 0.4, dy + 0.1))[..., None]
            color += (np.asarray(self.blush, np.float32) - color) * cheek
        color *= (1 + 0.18 * skin)[..., None]
        tilt = facing(form.astype(np.float32), window.unit_px)
        cover = smoothstep(1.02, 0.97, away)
        easel.scene.lay(window, cover, color, tilt=tilt, depth=self.depth + form, gloss=self.gloss)


@dataclass(frozen=True)
class Posy:
    """A few roses and leaves at one place of a hat or of the hair."""

    at: Place
    size: float = 0.16
    colors: tuple[Rgb, ...] = ((0.62, 0.20, 0.20), (0.74, 0.56, 0.50), (0.70, 0.62, 0.46))
    depth: float = 0.75

    def paint(self, sitting: Sitting) -> None:
        """Lay the leaves first."""
        (x, y), r = self.at, self.size
        x += sitting.skull[0]
        for k in range(7):
            angle = 51.0 * k + float(sitting.rng.uniform(-15, 15))
            Leaf((x, y), 2.1 * r, angle, depth=self.depth - 0.1).paint(sitting)
        for k, color in enumerate(self.colors):
            a = 2.1 * k + 0.6
            at = (x + 0.85 * r * float(np.cos(a)), y + 0.75 * r * float(np.sin(a)))
            Rose(at, r * (1.0 - 0.12 * k), color, depth=self.depth).paint(sitting)
