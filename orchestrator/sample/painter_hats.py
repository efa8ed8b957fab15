"""What is worn on the head: caps, bonnets, hats, turbans, scarves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_collars import LINEN
from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_noise import clouds, streaks
from orchestrator.sample.painter_scene import facing
from orchestrator.sample.painter_sitting import Cloth, Place, Rgb, Sitting, dome, lay_cloth, ring, smooth


def _over_brow(sitting: Sitting, edge: list[Place]) -> list[Place]:
    """Place a line over the forehead, given for one side from the ear to the middle, on both sides."""
    other = [(-a, b) for a, b in reversed(edge) if abs(a) > 1e-6]
    return [sitting.on_face(a, b) for a, b in edge] + [sitting.on_face(a, b) for a, b in other]


@dataclass(frozen=True)
class Cap:
    """A close cap or coif: covers the hair, frames the face."""

    cloth: Cloth = Cloth(LINEN, folds=0.02, fold_size=0.20, mottle=0.04)
    brow: float = -0.62
    volume: float = 0.10
    height: float = 0.12
    lower: float = 0.55
    frill: float = 0.0  # width of a pleated edge around the face

    def paint(self, sitting: Sitting) -> None:
        """Lay it over the head."""
        x, y, half, high = sitting.skull
        window = sitting.scene.window(x - half - 0.7, y - high - 0.7, x + half + 0.7, self.lower + 0.6)
        spread = (half + self.volume, high + self.height)
        outer = dome((x, y), spread, bottom=self.lower)
        edge = [
            (0.70, self.lower - 0.12),
            (0.715, 0.15),
            (0.69, -0.22),
            (0.56, self.brow + 0.14),
            (0.28, self.brow),
            (0.0, self.brow - 0.02),
        ]
        line = smooth(_over_brow(sitting, edge), count=90)
        mask = window.fill(outer + line)
        depth = sitting.skull_depth(window, grown=0.06)
        lay_cloth(sitting, window, mask, self.cloth, lean=0.4, radius=0.45, bulge=0.9, depth=depth)
        if self.frill:
            band = window.trace(line, self.frill)
            angle = np.arctan2(window.y - 0.1, window.x - x)
            waves = np.sin(angle * 46 + 2 * np.sin(angle * 7))
            lay_cloth(
                sitting,
                window,
                band,
                Cloth(self.cloth.color, folds=0.022, mottle=0.03),
                relief=waves.astype(np.float32),
                radius=self.frill * 0.5,
                bulge=0.6,
                depth=depth + 0.03,
            )


@dataclass(frozen=True)
class Bonnet:
    """A bonnet whose brim stands like a halo around the face. `behind` is laid before the head, the rest after it."""

    straw: Rgb = (0.74, 0.58, 0.34)
    lining: Rgb = (0.62, 0.40, 0.34)
    ribbon: Rgb = (0.30, 0.38, 0.50)
    reach: float = 0.42
    behind: bool = True

    def paint(self, sitting: Sitting) -> None:
        """Lay the brim behind the head, or the ribbon in front of it."""
        x, y, half, high = sitting.skull
        if not self.behind:
            self._ribbon(sitting, x)
            return
        window = sitting.scene.window(x - half - 1, y - high - 1.1, x + half + 1, 1.4)
        outer = ring((x, y + 0.12), (half + self.reach, high + self.reach * 0.95))
        mask = window.fill(outer)
        dx, dy = (window.x - x) / (half + self.reach), (window.y - y - 0.12) / (high + self.reach * 0.95)
        away = np.hypot(dx, dy)
        angle = np.arctan2(dy, dx)
        inner = smoothstep(0.985, 0.955, away)
        gather = np.sin(angle * 60) * 0.010 * inner
        height = -0.55 * np.sqrt(np.clip(1 - away**2, 0, 1)) + gather  # hollow: we look into it
        color = (
            np.asarray(self.straw, np.float32)
            + (np.asarray(self.lining, np.float32) - np.asarray(self.straw, np.float32)) * inner[..., None]
        )
        sitting.scene.lay(
            window,
            mask,
            color.astype(np.float32),
            tilt=facing(height.astype(np.float32), window.unit_px),
            depth=0.15 * away - 0.35,
            gloss=0.2,
        )

    def _ribbon(self, sitting: Sitting, x: float) -> None:
        cloth = Cloth(self.ribbon, folds=0.03, fold_size=0.10, gloss=0.6)
        chin_x, chin_y = sitting.at(0.0, 1.12, 0.5)
        window = sitting.scene.window(x - 1.6, -0.6, x + 1.6, 2.4)
        for sign in (-1, 1):
            side = sitting.at(sign * 0.78, 0.30, 0.05)
            band = [side, (side[0] * 0.6 + chin_x * 0.4 + sign * 0.10, 0.88), (chin_x + sign * 0.05, chin_y + 0.12)]
            lay_cloth(
                sitting,
                window,
                window.trace(smooth(band), 0.12),
                cloth,
                lean=0.6 * sign,
                radius=0.05,
                bulge=0.7,
                depth=0.45,
            )
        for sign in (-1, 1):
            loop = smooth([(0.0, 0.06), (0.22, -0.08), (0.44, -0.02), (0.42, 0.20), (0.2, 0.20), (0.0, 0.12)])
            tail = smooth([(0.0, 0.10), (0.16, 0.34), (0.24, 0.72), (0.08, 0.70), (-0.02, 0.2)])
            for shape, depth in ((tail, 0.42), (loop, 0.5)):
                mask = window.fill([(chin_x + sign * a, chin_y + 0.10 + b) for a, b in shape])
                lay_cloth(sitting, window, mask, cloth, lean=1.1 * sign, radius=0.10, bulge=0.9, depth=depth)


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
    texture: float = 0.0  # straw

    def paint(self, sitting: Sitting) -> None:
        """Lay the crown, its band and the brim."""
        x, _, half, _ = sitting.skull
        cx, cy = sitting.at(0.0, self.y, 0.15)
        window = sitting.scene.window(cx - half - 1.2, cy - self.crown - 0.8, cx + half + 1.2, cy + 0.8)
        cloth = Cloth(self.color, folds=0.012, fold_size=0.3, sheen=0.6, mottle=0.15)
        lean = np.radians(self.tilt)

        def turned(points: list[Place]) -> list[Place]:
            c, s = float(np.cos(lean)), float(np.sin(lean))
            return [(cx + a * c - b * s, cy + a * s + b * c) for a, b in points]

        wide = half + 0.05
        top = wide * self.taper
        crown = smooth(
            [
                (-wide, 0.06),
                (-wide * 0.97, -0.25),
                (-top, -self.crown * 0.88),
                (-top * 0.7, -self.crown),
                (top * 0.7, -self.crown),
                (top, -self.crown * 0.88),
                (wide * 0.97, -0.25),
                (wide, 0.06),
            ]
        )
        pattern = self._straw(window) if self.texture else None
        lay_cloth(
            sitting, window, window.fill(turned(crown)), cloth, radius=0.6, bulge=0.9, depth=0.10, pattern=pattern
        )
        if self.band:
            strip = smooth([(-wide, 0.02), (-wide * 0.985, -0.20)]) + smooth([(wide * 0.985, -0.20), (wide, 0.02)])
            lay_cloth(
                sitting,
                window,
                window.fill(turned(strip)),
                Cloth(self.band, folds=0.008, gloss=0.5),
                radius=0.6,
                bulge=0.9,
                depth=0.14,
            )
        disc = ring((0.0, 0.02), (half + self.reach, self.brim))
        mask = window.fill(turned(disc))
        dy = (window.y - cy) / self.brim
        height = 0.10 * np.sqrt(np.clip(1.02 - np.clip(dy, -1, 1) ** 2, 0, 1))
        near = 0.55 + 0.60 * smoothstep(-1, 1, dy)
        tone = np.asarray(self.color, np.float32) * (1.0 if pattern is None else pattern[..., None])
        sitting.scene.lay(
            window,
            mask,
            np.broadcast_to(tone, (*window.shape, 3)).astype(np.float32),
            tilt=facing(height.astype(np.float32), window.unit_px),
            depth=near,
            gloss=0.08,
        )

    def _straw(self, window):  # type: ignore[no-untyped-def]
        return (1 + 0.18 * np.sin(window.y * 60) * np.sin(window.x * 50 + window.y * 20)).astype(np.float32)


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
        window = sitting.scene.window(x - half - 1.6, self.y - 1.8, x + half + 1.6, self.y + 1.6)
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

    cloth: Cloth = Cloth((0.16, 0.07, 0.07), folds=0.03, fold_size=0.35, sheen=0.9)
    side: int = 1  # towards which side it hangs
    width: float = 0.55
    y: float = -0.60

    def paint(self, sitting: Sitting) -> None:
        """Lay the soft crown, then the band."""
        x, y, half, high = sitting.skull
        s = self.side
        window = sitting.scene.window(x - half - 1.2, -2.3, x + half + 1.2, 0.3)
        left, right = sitting.on_face(-0.70, self.y + 0.18), sitting.on_face(0.70, self.y + 0.18)
        shape = [left, (x - s * (half + 0.10) if s > 0 else x + half + 0.1, -0.75)]
        near, far = (left, right) if s > 0 else (right, left)
        shape = [
            near,
            (x - s * (half + 0.14), -0.80),
            (x - s * half * 0.55, -1.28),
            (x + s * 0.25, -1.38),
            (x + s * (half + 0.30), -1.15),
            (x + s * (half + self.width), -0.72),
            (x + s * (half + self.width * 0.75), -0.38),
            (x + s * (half + 0.12), -0.32),
            far,
        ]
        brow = [
            sitting.on_face(s * a, b)
            for a, b in (
                (0.60, self.y),
                (0.3, self.y - 0.07),
                (0.0, self.y - 0.08),
                (-0.3, self.y - 0.05),
                (-0.60, self.y + 0.02),
            )
        ]
        mask = window.fill(smooth(shape, count=100) + brow)
        lay_cloth(
            sitting,
            window,
            mask,
            self.cloth,
            lean=1.0 * s,
            radius=0.42,
            bulge=0.95,
            depth=sitting.skull_depth(window, grown=0.08) + 0.05,
        )
        band = window.trace(smooth([near, *reversed(brow), far]), 0.15)
        lay_cloth(
            sitting,
            window,
            band,
            Cloth(self.cloth.color, folds=0.01, sheen=0.5),
            radius=0.08,
            bulge=0.9,
            depth=sitting.skull_depth(window, grown=0.14) + 0.05,
        )


@dataclass(frozen=True)
class Turban:
    """Cloth wound around the head in turns; `tail` hangs down on one side."""

    cloth: Cloth = Cloth((0.80, 0.76, 0.66), folds=0.02, fold_size=0.10, mottle=0.06)
    second: Rgb | None = None  # colour of every other turn
    volume: float = 0.26
    height: float = 0.34
    brow: float = -0.50
    tail: int = 0  # -1, 0, 1
    tail_color: Rgb | None = None
    lower: float = 0.10

    def paint(self, sitting: Sitting) -> None:
        """Lay the bulk, turn by turn."""
        x, y, half, high = sitting.skull
        window = sitting.scene.window(x - half - 0.8, y - high - 0.9, x + half + 0.8, 0.9)
        if self.tail:
            self._tail(sitting)
        spread = (half + self.volume, high + self.height)
        outer = dome((x, y), spread, bottom=self.lower)
        edge = [
            (0.73, self.lower),
            (0.715, -0.22),
            (0.56, self.brow + 0.10),
            (0.28, self.brow),
            (0.0, self.brow - 0.03),
        ]
        whole = window.fill(outer + smooth(_over_brow(sitting, edge), count=80))
        depth = sitting.skull_depth(window, grown=0.10) + 0.05
        # Turns cross each other: bands whose slope alternates, each rounded, each over the last.
        bands, color, crease = self._bands(sitting, window, x, y, high)
        fine = streaks(
            np.full(window.shape, 0.15, np.float32), sitting.rng, length_px=int(0.3 * window.unit_px), grain_px=4
        )
        pattern = color * (1 - 0.35 * crease)[..., None]
        lay_cloth(
            sitting,
            window,
            whole,
            self.cloth,
            relief=(bands / max(self.cloth.folds, 1e-3) + 0.25 * fine).astype(np.float32),
            radius=0.5,
            bulge=0.8,
            depth=depth,
            pattern=pattern.astype(np.float32),
        )

    def _bands(self, sitting: Sitting, window, x: float, y: float, high: float):  # type: ignore[no-untyped-def]
        u = (window.x - x) / 0.9
        height = np.zeros(window.shape, np.float32)
        crease = np.zeros(window.shape, np.float32)
        tint = np.ones((*window.shape, 3), np.float32)
        base = np.asarray(self.cloth.color, np.float32)
        for k in range(6):
            slope = (0.34 if k % 2 else -0.30) * (1 - 0.08 * k)
            middle = -0.66 - 0.20 * k + slope * u + 0.28 * u * u
            away = (window.y - middle) / 0.19
            cover = smoothstep(1.0, 0.86, np.abs(away))
            hill = 0.10 * np.sqrt(np.clip(1 - away**2, 0, 1)) + 0.012 * np.sin(away * 7 + k)
            height += (hill - height) * cover
            crease += (smoothstep(0.55, 1.0, np.abs(away)) - crease) * cover
            if self.second is not None and k % 2:
                tint += (np.asarray(self.second, np.float32) / base - tint) * cover[..., None]
        return height, tint, crease

    def _tail(self, sitting: Sitting) -> None:
        x, _, half, _ = sitting.skull
        s = self.tail
        cloth = Cloth(self.tail_color or self.cloth.color, folds=0.05, fold_size=0.16, mottle=0.06, gloss=0.15)
        line = smooth(
            [
                (x + s * half * 0.5, -1.0),
                (x + s * (half + 0.30), -0.75),
                (x + s * (half + 0.34), 0.2),
                (x + s * (half + 0.28), 1.2),
                (x + s * (half + 0.36), 1.9),
                (x + s * (half - 0.12), 1.95),
                (x + s * (half - 0.16), 1.0),
                (x + s * (half - 0.05), 0.2),
                (x + s * half * 0.5, -0.4),
            ]
        )
        window = sitting.scene.window(x - half - 1.2, -1.5, x + half + 1.2, 2.3)
        lay_cloth(sitting, window, window.fill(line), cloth, lean=-0.1 * s, radius=0.18, bulge=0.8, depth=-0.2)


@dataclass(frozen=True)
class PeakedCap:
    """A seaman's cap with a shiny peak."""

    color: Rgb = (0.08, 0.10, 0.16)
    badge: bool = True

    def paint(self, sitting: Sitting) -> None:
        """Lay the crown, the band and the peak."""
        x, y, half, _ = sitting.skull
        window = sitting.scene.window(x - half - 0.9, -1.9, x + half + 0.9, 0.2)
        depth = sitting.skull_depth(window, grown=0.10) + 0.05
        left, right = sitting.on_face(-0.72, -0.46), sitting.on_face(0.72, -0.46)
        brow = [sitting.on_face(a, -0.62 - 0.03 * (1 - (a / 0.7) ** 2)) for a in (0.55, 0.28, 0.0, -0.28, -0.55)]
        crown = [
            left,
            (x - half - 0.08, -0.78),
            (x - half - 0.26, -1.08),
            (x - half * 0.5, -1.36),
            (x + half * 0.5, -1.36),
            (x + half + 0.26, -1.08),
            (x + half + 0.08, -0.78),
            right,
        ]
        cloth = Cloth(self.color, folds=0.02, fold_size=0.4, sheen=0.3)
        lay_cloth(
            sitting,
            window,
            window.fill(smooth(crown, count=90) + brow),
            cloth,
            lean=1.2,
            radius=0.35,
            bulge=0.9,
            depth=depth,
        )
        band = window.trace(smooth([left, *reversed(brow), right]), 0.20)
        lay_cloth(
            sitting,
            window,
            band,
            Cloth((0.05, 0.05, 0.06), folds=0.004, gloss=0.3),
            radius=0.10,
            bulge=0.6,
            depth=depth + 0.05,
        )
        peak = smooth(
            [
                sitting.on_face(-0.60, -0.50),
                *[sitting.at(a, -0.47 + 0.10 * (1 - (a / 0.62) ** 2), 1.12) for a in (-0.45, -0.2, 0.0, 0.2, 0.45)],
                sitting.on_face(0.60, -0.50),
            ]
        )
        edge = [sitting.on_face(a, -0.56) for a in (0.5, 0.25, 0.0, -0.25, -0.5)]
        lay_cloth(
            sitting,
            window,
            window.fill(peak + edge),
            Cloth((0.04, 0.04, 0.045), folds=0.0, gloss=0.9),
            radius=0.1,
            bulge=0.8,
            depth=1.0,
        )
        if self.badge:
            from orchestrator.sample.painter_jewels import Jewel

            at = sitting.on_face(0.0, -0.66)
            Jewel(at, 0.055, (0.70, 0.55, 0.22), depth=1.1).paint(sitting)


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
        window = sitting.scene.window(x - 2.3, -2.4, x + 2.3, 0.6)
        path = np.asarray(smooth([(x + a, b) for a, b in (self.start, self.bend, self.end)], count=60), np.float32)
        shaft = window.trace([(float(a), float(b)) for a, b in path], 0.01)
        import cv2

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
