"""Soft things worn on the head: caps, bonnets, turbans and scarves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_collars import LINEN
from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import streaks
from orchestrator.sample.painter_scene import Window, facing
from orchestrator.sample.painter_sitting import Cloth, Place, Rgb, Sitting, dome, lay_cloth, ring, smooth

LINEN_CLOTH = Cloth(LINEN, folds=0.02, fold_size=0.20, mottle=0.04)


def _over_brow(sitting: Sitting, edge: list[Place]) -> list[Place]:
    """Place a line over the forehead, given for one side from the ear to the middle, on both sides."""
    other = [(-a, b) for a, b in reversed(edge) if abs(a) > 1e-6]
    return [sitting.on_face(a, b) for a, b in edge] + [sitting.on_face(a, b) for a, b in other]


@dataclass(frozen=True)
class Cap:
    """A close cap or coif: covers the hair, frames the face."""

    cloth: Cloth = LINEN_CLOTH
    brow: float = -0.62
    volume: float = 0.10
    height: float = 0.12
    lower: float = 0.55
    frill: float = 0.0  # width of a pleated edge around the face

    def paint(self, sitting: Sitting) -> None:
        """Lay it over the head."""
        x, y, half, high = sitting.skull
        window = sitting.window(x - half - 0.7, y - high - 0.7, x + half + 0.7, self.lower + 0.6)
        radii = (half + self.volume, high + self.height)
        brow = self.brow
        edge = [(0.70, self.lower - 0.12), (0.715, 0.15), (0.69, -0.22), (0.56, brow + 0.14), (0.28, brow)]
        line = smooth(_over_brow(sitting, [*edge, (0.0, brow - 0.02)]), count=90)
        whole = dome((x, y), radii, inner=line, bottom=self.lower)
        depth = sitting.skull_depth(window, grown=0.06)
        lay_cloth(sitting, window, window.fill(whole), self.cloth, lean=0.4, radius=0.45, bulge=0.9, depth=depth)
        if self.frill:
            angle = np.arctan2(window.y - 0.1, window.x - x)
            pleats = np.sin(angle * 46 + 2 * np.sin(angle * 7))
            edging = Cloth(self.cloth.color, folds=0.022, mottle=0.03)
            band = window.trace(line, self.frill)
            round_ = self.frill * 0.5
            lay_cloth(sitting, window, band, edging, relief=pleats, radius=round_, bulge=0.6, depth=depth + 0.03)


@dataclass(frozen=True)
class Bonnet:
    """The brim of a bonnet, which stands like a halo around the face. Lay it before the head, `Ribbon` after it."""

    straw: Rgb = (0.74, 0.58, 0.34)
    lining: Rgb = (0.62, 0.40, 0.34)
    reach: float = 0.42

    def paint(self, sitting: Sitting) -> None:
        """Lay it: we look into it from the front."""
        x, y, half, high = sitting.skull
        window = sitting.window(x - half - 1, y - high - 1.1, x + half + 1, 1.4)
        radii = (half + self.reach, high + self.reach * 0.95)
        dx, dy = (window.x - x) / radii[0], (window.y - y - 0.12) / radii[1]
        away, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        inner = smoothstep(0.985, 0.955, away)
        hollow = -0.55 * np.sqrt(np.clip(1 - away**2, 0, 1)) + 0.010 * np.sin(angle * 60) * inner
        straw, lining = np.asarray(self.straw, np.float32), np.asarray(self.lining, np.float32)
        color = straw + (lining - straw) * inner[..., None]
        tilt = facing(hollow, window.unit_px)
        mask = window.fill(ring((x, y + 0.12), radii))
        sitting.scene.lay(window, mask, color, tilt=tilt, depth=0.15 * away - 0.35, gloss=0.2)


@dataclass(frozen=True)
class Ribbon:
    """A ribbon from a bonnet, tied under the chin."""

    color: Rgb = (0.30, 0.38, 0.50)

    def paint(self, sitting: Sitting) -> None:
        """Lay the bands beside the face, then the bow."""
        cloth = Cloth(self.color, folds=0.03, fold_size=0.10, gloss=0.6)
        chin_x, chin_y = sitting.at(0.0, 1.12, 0.5)
        x = sitting.skull[0]
        window = sitting.window(x - 1.6, -0.6, x + 1.6, 2.4)
        for sign in (-1, 1):
            side = sitting.at(sign * 0.78, 0.30, 0.05)
            bend = (side[0] * 0.6 + chin_x * 0.4 + sign * 0.10, 0.88)
            band = window.trace(smooth([side, bend, (chin_x + sign * 0.05, chin_y + 0.12)]), 0.12)
            lay_cloth(sitting, window, band, cloth, lean=0.6 * sign, radius=0.05, bulge=0.7, depth=0.45)
        loop = smooth([(0.0, 0.06), (0.22, -0.08), (0.44, -0.02), (0.42, 0.20), (0.2, 0.20), (0.0, 0.12)])
        tail = smooth([(0.0, 0.10), (0.16, 0.34), (0.24, 0.72), (0.08, 0.70), (-0.02, 0.2)])
        for sign in (-1, 1):
            for shape, depth in ((tail, 0.42), (loop, 0.5)):
                mask = window.fill([(chin_x + sign * a, chin_y + 0.10 + b) for a, b in shape])
                lay_cloth(sitting, window, mask, cloth, lean=1.1 * sign, radius=0.10, bulge=0.9, depth=depth)


@dataclass(frozen=True)
class Turban:
    """Cloth wound around the head in turns; `tail` hangs down on one side."""

    cloth: Cloth = LINEN_CLOTH
    second: Rgb | None = None  # colour of every other turn
    volume: float = 0.26
    height: float = 0.34
    brow: float = -0.50
    tail: int = 0  # -1, 0, 1
    tail_color: Rgb | None = None
    lower: float = 0.10

    def paint(self, sitting: Sitting) -> None:
        """Lay the tail, then the bulk, turn by turn."""
        x, y, half, high = sitting.skull
        window = sitting.window(x - half - 0.8, y - high - 0.9, x + half + 0.8, 0.9)
        if self.tail:
            self._tail(sitting)
        radii = (half + self.volume, high + self.height)
        brow = self.brow
        edge = [(0.73, self.lower), (0.715, -0.22), (0.56, brow + 0.10), (0.28, brow), (0.0, brow - 0.03)]
        inner = smooth(_over_brow(sitting, edge), count=80)
        whole = window.fill(dome((x, y), radii, inner=inner, bottom=self.lower))
        bands, color, crease = self._bands(window, x)
        grain = np.full(window.shape, 0.15, np.float32)
        fine = streaks(grain, sitting.rng, length_px=int(0.3 * window.unit_px), grain_px=4)
        lay_cloth(
            sitting,
            window,
            whole,
            self.cloth,
            relief=bands / max(self.cloth.folds, 1e-3) + 0.12 * fine,
            radius=0.5,
            bulge=0.8,
            depth=sitting.skull_depth(window, grown=0.10) + 0.05,
            pattern=color * (1 - 0.35 * crease)[..., None],
        )

    def _bands(self, window: Window, x: float) -> tuple[Array, Array, Array]:
        """Cross turns whose slope alternates, each over the last: heights, factors on the colour, creases."""
        u = (window.x - x) / 0.9
        height = np.zeros(window.shape, np.float32)
        crease = np.zeros(window.shape, np.float32)
        tint = np.ones((*window.shape, 3), np.float32)
        for k in range(6):
            slope = (0.34 if k % 2 else -0.30) * (1 - 0.08 * k)
            away: Array = (window.y + 0.66 + 0.20 * k - slope * u - 0.28 * u * u) / 0.19
            cover = smoothstep(1.0, 0.86, np.abs(away))
            hill = 0.10 * np.sqrt(np.clip(1 - away**2, 0, 1)) + 0.012 * np.sin(away * 7 + k)
            height += np.asarray(hill - height, np.float32) * cover
            crease += np.asarray(smoothstep(0.55, 1.0, np.abs(away)) - crease, np.float32) * cover
            if self.second is not None and k % 2:
                other = np.asarray(self.second, np.float32) / np.asarray(self.cloth.color, np.float32)
                tint += np.asarray(other - tint, np.float32) * cover[..., None]
        return height, tint, crease

    def _tail(self, sitting: Sitting) -> None:
        x, _, half, _ = sitting.skull
        cloth = Cloth(self.tail_color or self.cloth.color, folds=0.05, fold_size=0.16, mottle=0.06, gloss=0.15)
        outer = [(half * 0.5, -1.0), (half + 0.30, -0.75), (half + 0.34, 0.2), (half + 0.28, 1.2), (half + 0.36, 1.9)]
        inner = [(half - 0.12, 1.95), (half - 0.16, 1.0), (half - 0.05, 0.2), (half * 0.5, -0.4)]
        line = smooth([(x + self.tail * a, b) for a, b in outer + inner])
        window = sitting.window(x - half - 1.2, -1.5, x + half + 1.2, 2.3)
        mask = window.fill(line)
        lay_cloth(sitting, window, mask, cloth, lean=-0.1 * self.tail, radius=0.18, bulge=0.8, depth=-0.2)
