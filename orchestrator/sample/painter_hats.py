"""Hats: with a brim, pushed back, with a peak, of velvet; and a feather to put on one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_jewels import GILT, Jewel
from orchestrator.sample.painter_noise import clouds, streaks
from orchestrator.sample.painter_scene import facing
from orchestrator.sample.painter_sitting import Cloth, Place, Rgb, Sitting, lay_cloth, ring, smooth

VELVET = Cloth((0.16, 0.07, 0.07), folds=0.03, fold_size=0.35, sheen=0.9)


@dataclass(frozen=True)
class Brimmed:
    """A hat with a flat brim across the forehead and a crown above it."""

    color: Rgb = (0.07, 0.065, 0.07)
    reach: float = 0.62
    brim: float = 0.13  # half height of the brim as seen
    y: float = -0.62
    crown: float = 0.85
    taper: float = 0.80
    band: Rgb | None = None
    tilt: float = 0.0  # degrees

    def paint(self, sitting: Sitting) -> None:
        """Lay the crown, its band and the brim."""
        half = sitting.skull[2]
        cx, cy = sitting.at(0.0, self.y, 0.15)
        window = sitting.window(cx - half - 1.2, cy - self.crown - 0.8, cx + half + 1.2, cy + 0.8)
        felt = Cloth(self.color, folds=0.012, fold_size=0.3, sheen=0.6, mottle=0.15)
        wide = half + 0.05
        crown = window.fill(self._turned(self._crown(wide), cx, cy))
        lay_cloth(sitting, window, crown, felt, radius=0.6, bulge=0.9, depth=0.10)
        if self.band:
            strip = [(-wide, 0.02), (-wide * 0.985, -0.20), (wide * 0.985, -0.20), (wide, 0.02)]
            mask = window.fill(self._turned(strip, cx, cy))
            silk = Cloth(self.band, folds=0.008, gloss=0.5)
            lay_cloth(sitting, window, mask, silk, radius=0.6, bulge=0.9, depth=0.14)
        disc = window.fill(self._turned(ring((0.0, 0.02), (half + self.reach, self.brim)), cx, cy))
        down = np.clip((window.y - cy) / self.brim, -1, 1)
        form = 0.10 * np.sqrt(np.clip(1.02 - down**2, 0, 1))
        near = 0.55 + 0.60 * smoothstep(-1, 1, down)
        sitting.scene.lay(window, disc, self.color, tilt=facing(form, window.unit_px), depth=near, gloss=0.08)

    def _crown(self, wide: float) -> list[Place]:
        top, high = wide * self.taper, self.crown
        left = [(-wide, 0.06), (-wide * 0.97, -0.25), (-top, -high * 0.88), (-top * 0.7, -high)]
        return smooth(left + [(-a, b) for a, b in reversed(left)])

    def _turned(self, points: list[Place], x: float, y: float) -> list[Place]:
        """Tilt points around the middle of the brim and move them there."""
        c, s = float(np.cos(np.radians(self.tilt))), float(np.sin(np.radians(self.tilt)))
        return [(x + a * c - b * s, y + a * s + b * c) for a, b in points]


@dataclass(frozen=True)
class Halo:
    """A wide hat pushed back: its brim is seen from below, around the head. Lay it before the head."""

    color: Rgb = (0.78, 0.62, 0.36)
    reach: float = 0.75
    y: float = -0.38
    high: float = 0.95
    tilt: float = -8.0
    straw: bool = True

    def paint(self, sitting: Sitting) -> None:
        """Lay the brim."""
        x, _, half, _ = sitting.skull
        window = sitting.window(x - half - 1.6, self.y - 1.8, x + half + 1.6, self.y + 1.6)
        c, s = float(np.cos(np.radians(self.tilt))), float(np.sin(np.radians(self.tilt)))
        u = (window.x - x) * c + (window.y - self.y) * s
        v = -(window.x - x) * s + (window.y - self.y) * c
        wave = 1 + 0.03 * np.sin(3 * np.arctan2(v, u) + 1)
        away = np.hypot(u / (half + self.reach), v / self.high) * wave
        mask = smoothstep(1.01, 0.985, away)
        rings = np.sin(away * 95) if self.straw else np.zeros_like(away)
        weave = np.sin(np.arctan2(v, u) * 130) if self.straw else np.zeros_like(away)
        height = -0.30 * np.sqrt(np.clip(1.02 - away**2, 0, 1)) + 0.004 * rings
        tone = 1 + 0.10 * rings + 0.07 * weave + 0.25 * (clouds(window.shape, sitting.rng, cell_px=60, octaves=3) - 0.5)
        tone = tone * (0.62 + 0.45 * smoothstep(0.45, 1.0, away))
        sitting.scene.lay(
            window,
            mask,
            (np.asarray(self.color, np.float32) * tone[..., None]).astype(np.float32),
            tilt=facing(height.astype(np.float32), window.unit_px),
            depth=-0.35 + 0.25 * away,
            gloss=0.05,
        )


@dataclass(frozen=True)
class Beret:
    """A soft, wide cap of velvet, pulled to one side."""

    cloth: Cloth = VELVET
    side: int = 1  # towards which side it hangs
    width: float = 0.55
    y: float = -0.60

    def paint(self, sitting: Sitting) -> None:
        """Lay the soft crown, then the band."""
        x, _, half, _ = sitting.skull
        s, wide = self.side, self.width
        window = sitting.window(x - half - 1.2, -2.3, x + half + 1.2, 0.3)
        near, far = (sitting.on_face(sign * 0.70, self.y + 0.18) for sign in (-s, s))
        bag = [(-half - 0.14, -0.80), (-half * 0.55, -1.28), (0.25, -1.38), (half + 0.30, -1.15)]
        bag += [(half + wide, -0.72), (half + wide * 0.75, -0.38), (half + 0.12, -0.32)]
        edge = [(0.60, 0.0), (0.3, -0.07), (0.0, -0.08), (-0.3, -0.05), (-0.60, 0.02)]
        brow = [sitting.on_face(s * a, self.y + b) for a, b in edge]
        mask = window.fill(smooth([near, *[(x + s * a, b) for a, b in bag], far], count=100) + brow)
        depth = sitting.skull_depth(window, grown=0.08) + 0.05
        lay_cloth(sitting, window, mask, self.cloth, lean=1.0 * s, radius=0.42, bulge=0.95, depth=depth)
        band = window.trace(smooth([near, *reversed(brow), far]), 0.15)
        plain = Cloth(self.cloth.color, folds=0.01, sheen=0.5)
        depth = sitting.skull_depth(window, grown=0.14) + 0.05
        lay_cloth(sitting, window, band, plain, radius=0.08, bulge=0.9, depth=depth)


@dataclass(frozen=True)
class PeakedCap:
    """A seaman's cap with a shiny peak and a badge."""

    color: Rgb = (0.08, 0.10, 0.16)

    def paint(self, sitting: Sitting) -> None:
        """Lay the crown, the band, the peak and the badge."""
        x, _, half, _ = sitting.skull
        window = sitting.window(x - half - 0.9, -1.9, x + half + 0.9, 0.2)
        depth = sitting.skull_depth(window, grown=0.10) + 0.05
        left, right = sitting.on_face(-0.72, -0.46), sitting.on_face(0.72, -0.46)
        brow = [sitting.on_face(a, -0.65 + 0.06 * a * a) for a in (0.55, 0.28, 0.0, -0.28, -0.55)]
        rise = [(half + 0.08, -0.78), (half + 0.26, -1.08), (half * 0.5, -1.36)]
        crown = [left, *[(x - a, b) for a, b in rise], *[(x + a, b) for a, b in reversed(rise)], right]
        cloth = Cloth(self.color, folds=0.02, fold_size=0.4, sheen=0.3)
        mask = window.fill(smooth(crown, count=90) + brow)
        lay_cloth(sitting, window, mask, cloth, lean=1.2, radius=0.35, bulge=0.9, depth=depth)
        band = window.trace(smooth([left, *reversed(brow), right]), 0.20)
        braid = Cloth((0.05, 0.05, 0.06), folds=0.004, gloss=0.3)
        lay_cloth(sitting, window, band, braid, radius=0.10, bulge=0.6, depth=depth + 0.05)
        front = [sitting.at(a, -0.37 - 0.26 * a * a, 1.12) for a in (-0.45, -0.2, 0.0, 0.2, 0.45)]
        peak = smooth([sitting.on_face(-0.60, -0.50), *front, sitting.on_face(0.60, -0.50)])
        edge = [sitting.on_face(a, -0.56) for a in (0.5, 0.25, 0.0, -0.25, -0.5)]
        leather = Cloth((0.04, 0.04, 0.045), folds=0.0, gloss=0.9)
        lay_cloth(sitting, window, window.fill(peak + edge), leather, radius=0.1, bulge=0.8, depth=1.0)
        Jewel(sitting.on_face(0.0, -0.66), 0.055, GILT, depth=1.1).paint(sitting)


@dataclass(frozen=True)
class Plume:
    """An ostrich feather that curls over a hat."""

    color: Rgb = (0.82, 0.78, 0.70)
    start: Place = (0.5, -1.1)
    bend: Place = (0.9, -1.5)
    end: Place = (1.35, -0.7)
    width: float = 0.17

    def paint(self, sitting: Sitting) -> None:
        """Lay it: barbs on both sides of a curved shaft."""
        x = sitting.skull[0]
        window = sitting.window(x - 2.3, -2.4, x + 2.3, 0.6)
        path = np.asarray(smooth([(x + a, b) for a, b in (self.start, self.bend, self.end)], count=60), np.float32)
        shaft = window.trace([(float(a), float(b)) for a, b in path], 0.01)
        away = cv2.distanceTransform((shaft < 0.3).astype(np.uint8), cv2.DIST_L2, 5) / window.unit_px
        gy, gx = np.gradient(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 3))
        fine = streaks(
            np.arctan2(gy, gx).astype(np.float32) + 0.6, sitting.rng, length_px=int(0.10 * window.unit_px), grain_px=2
        )
        mask = smoothstep(1.0, 0.75, away / self.width + 0.14 * fine)
        height = 0.10 * np.sqrt(np.clip(1 - (away / self.width) ** 2, 0, 1)) + 0.006 * fine
        color = np.asarray(self.color, np.float32) * np.clip(1 + 0.12 * fine, 0.4, 1.6)[..., None]
        sitting.scene.lay(
            window,
            mask,
            color.astype(np.float32),
            tilt=facing(height.astype(np.float32), window.unit_px),
            depth=0.35,
            gloss=0.1,
        )
