"""Neck, shoulders and what covers them: gowns, coats, shawls."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_hair import Strands, lay_hair
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_relief import bump
from orchestrator.sample.painter_scene import Window, facing, rounded
from orchestrator.sample.painter_sitting import Cloth, Place, Rgb, Sitting, creases, lay_cloth, mirrored, smooth

LOW_NECK: tuple[Place, ...] = ((0.0, 2.10), (0.50, 2.00), (0.80, 1.70), (0.86, 1.52))
WIDE_NECK: tuple[Place, ...] = ((0.0, 2.32), (0.45, 2.27), (0.85, 2.0), (1.0, 1.56))
CLOSED_NECK: tuple[Place, ...] = ((0.0, 1.62), (0.3, 1.56), (0.48, 1.36))
OPEN_NECK: tuple[Place, ...] = ((0.0, 2.30), (0.22, 1.95), (0.46, 1.38))


def throat(sitting: Sitting) -> Place:
    """Return the pit of the neck, head units: it stays put when the head turns."""
    x, _ = sitting.at(0.0, 0.9, -0.35)
    return x * 0.9, 1.48


@dataclass(frozen=True)
class Neck:
    """Neck and bare upper chest. Always laid first; clothes cover what they cover."""

    thick: float = 1.0

    def paint(self, sitting: Sitting) -> None:
        """Lay it."""
        x, y = throat(sitting)
        high, _ = sitting.at(0.0, 0.75, -0.30)
        half = 0.44 * self.thick
        window = sitting.window(x - 1.6, 0.2, x + 1.6, y + 1.4)
        right = [(0.52, 0.3), (half + 0.015, 0.85), (half, 1.15), (half + 0.05, 1.30), (0.64, 1.47)]
        right += [(0.84, 1.62), (0.96, 2.0), (0.96, 3.6)]
        outline = [(a + (high if b < 1.0 else x), b) for a, b in mirrored(smooth(right, count=60))]
        form = self._form(window, x, y, x + (high - x) * smoothstep(1.4, 0.8, window.y))
        tone = 1 + 0.08 * (clouds(window.shape, sitting.rng, cell_px=0.25 * window.unit_px, octaves=3) - 0.5)
        skin = np.asarray(sitting.face.skin, np.float32) * np.array([0.97, 0.93, 0.92], np.float32)
        sitting.scene.lay(
            window,
            window.fill(outline),
            (skin * tone[..., None]).astype(np.float32),
            tilt=facing(form, window.unit_px),
            depth=form - 0.45,
            flesh=1.0,
            gloss=0.12,
        )

    def _form(self, window: Window, x: float, y: float, middle: Array) -> Array:
        half = 0.44 * self.thick
        off = np.abs(window.x - middle)
        tube = 0.46 * np.sqrt(np.clip(1 - (off / (half + 0.12)) ** 2, 0.02, 1))
        # Where the neck ends the shoulder muscle begins, not a cliff.
        tube = np.maximum(tube, 0.30 - 0.42 * (off - half) + 0.25 * (window.y - 1.45))
        chest = 0.75 * np.sqrt(np.clip(1 - ((window.x - x) / 2.1) ** 2, 0, 1)) - 0.10
        form = tube + (chest - tube) * smoothstep(1.30, 1.95, window.y)
        side = np.abs(window.x - x)
        bone = np.exp(-(((window.y - y - 0.12 + 0.16 * side) / 0.055) ** 2)) * smoothstep(0.08, 0.2, side)
        form += 0.035 * bone - 0.05 * bump(window.x, window.y, (x, y + 0.02), (0.09, 0.09))
        for sign in (-1, 1):
            cord = window.x - middle - sign * (0.30 - 0.22 * smoothstep(0.7, 1.6, window.y))
            form += 0.022 * np.exp(-((cord / 0.10) ** 2)) * smoothstep(1.6, 1.2, window.y)
        return np.asarray(form, np.float32)


@dataclass(frozen=True)
class Gown:
    """A garment over shoulders, chest and arms, with a neckline."""

    cloth: Cloth
    neckline: tuple[Place, ...] = LOW_NECK  # right half, from the middle out
    shoulder: float = 1.80  # half width
    slope: float = 0.0  # > 0: sloping shoulders
    turn: float = 0.0  # -0.3 .. 0.3: which shoulder is nearer
    edge: Rgb | None = None  # colour of a trimming along the neckline
    edge_width: float = 0.045
    sleeves: Cloth | None = None
    bust: float = 0.0
    puff: float = 0.0  # 0 .. 1: full sleeves

    def paint(self, sitting: Sitting) -> None:
        """Lay it."""
        x, _ = throat(sitting)
        neck = smooth(list(self.neckline), count=40)
        outline = [(a + x, b) for a, b in self._sided([*neck, *self._shoulder_line()])]
        window = sitting.window(-9, 1.0, 9, 9)
        mask = window.fill(outline)
        arm = self._arm(window, x)
        form = self._form(window, x, mask)
        folds = self._folds(sitting, window, x, arm)
        lay_cloth(sitting, window, mask, self.cloth, relief=folds, form=form, depth=-0.25)
        if self.sleeves:
            lay_cloth(sitting, window, mask * arm, self.sleeves, relief=folds, form=form, depth=-0.24)
        if self.edge:
            line = [(a + x, b) for a, b in self._sided(list(reversed(neck)))]
            trim = window.trace(line, self.edge_width) * mask
            cloth = Cloth(self.edge, folds=0.01, fold_size=0.06, gloss=0.3)
            lay_cloth(sitting, window, trim, cloth, radius=0.03, depth=0.12)

    def _sided(self, right: list[Place]) -> list[Place]:
        return mirrored(right, left=1 + self.turn, right=1 - self.turn)

    def _shoulder_line(self) -> list[Place]:
        s, drop, puff = self.shoulder, self.slope, 0.22 * self.puff
        start = max(self.neckline[-1][0] + 0.12, s * 0.46)
        return smooth(
            [
                (start, 1.49 + drop * 0.4),
                (s * 0.80, 1.70 + drop),
                (s * 0.95 + puff * 0.6, 1.95 + drop),
                (s + 0.06 + puff, 2.4 + drop),
                (s + 0.16 + puff, 3.2),
                (s + 0.2, 5.0),
            ],
            count=50,
        )

    def _arm(self, window: Window, x: float) -> Array:
        """Return where the sleeves are, 0 .. 1."""
        side = np.abs(window.x - x)
        seam = self.shoulder * (0.70 + 0.07 * np.clip(np.abs(window.y - 2.25), 0, 0.9) ** 1.5)
        return smoothstep(-0.06, 0.06, side - seam) * smoothstep(1.55, 1.62, window.y)

    def _form(self, window: Window, x: float, mask: Array) -> Array:
        """Return chest and arms as rounds, heights in head units."""
        s = self.shoulder
        side = np.abs(window.x - x)
        torso = 0.66 * np.sqrt(np.clip(1 - (side / (0.90 * s)) ** 2, 0, 1))
        torso += self.bust * np.exp(-0.5 * (((side - 0.40) / 0.26) ** 2 + ((window.y - 2.62) / 0.26) ** 2))
        middle = s * 0.88 + 0.05 * (window.y - 2.0) + 0.10 * self.puff
        reach = 0.42 + 0.16 * self.puff
        arm = 0.16 + reach * np.sqrt(np.clip(1 - ((side - middle) / reach) ** 2, 0, 1))
        arm *= smoothstep(1.62, 2.05, window.y)
        edge = np.clip(rounded(mask, window.unit_px, radius=0.32) / 0.32, 0, 1)
        form = np.maximum(torso, arm).astype(np.float32) * (0.25 + 0.75 * edge)
        return np.asarray(cv2.GaussianBlur(form, (0, 0), 0.06 * window.unit_px), np.float32)

    def _folds(self, sitting: Sitting, window: Window, x: float, arm: Array) -> Array:
        """Folds fall almost straight in front and run around the arms."""
        off = window.x - x
        front = (0.5 * np.tanh(off * 1.2) * (0.5 + 0.5 * np.sin(window.y * 1.1))).astype(np.float32)
        body = creases(window, sitting.rng, lean=front, size=self.cloth.fold_size)
        around = (-np.sign(off) * (0.75 + 0.25 * np.sin(window.y * 2.3))).astype(np.float32)
        sleeve = creases(window, sitting.rng, lean=around, size=self.cloth.fold_size * 1.1, stretch=2.2)
        seam = np.exp(-(((arm - 0.5) / 0.3) ** 2)) * smoothstep(1.7, 1.9, window.y)
        return np.asarray(0.75 * body * (1 - arm) + 0.9 * sleeve * arm - 0.12 * seam, np.float32)


@dataclass(frozen=True)
class Shawl:
    """Cloth laid over the shoulders, its ends crossing on the chest."""

    cloth: Cloth
    open: float = 0.45  # half the gap at the neck
    shoulder: float = 1.92
    cross: float = 3.0  # y where the ends meet
    border: Rgb | None = None

    def paint(self, sitting: Sitting) -> None:
        """Lay the far end, then the near one over it."""
        x, _ = throat(sitting)
        gap, wide, low = self.open, self.shoulder, self.cross
        inner = [(gap, 1.35), (gap + 0.10, 1.75), (gap * 0.75, 2.35), (-0.12, low), (-0.75, low + 1.1)]
        outer = [(-0.1, low + 1.6), (0.9, low + 1.9), (wide + 0.4, 4.2), (wide + 0.2, 2.9), (wide, 2.2)]
        outer += [(wide * 0.72, 1.70), (gap + 0.25, 1.40)]
        window = sitting.window(-9, 1.0, 9, 9)
        for sign in (1, -1):
            outline = [(x + sign * a, b) for a, b in smooth(inner, count=50) + smooth(outer, count=60)]
            # Folds run along the band: its inner edge tells how.
            ys, xs = [p[1] for p in inner], [p[0] for p in inner]
            edge = np.interp(window.y[:, 0], ys, xs).astype(np.float32)[:, None]
            across = (sign * (window.x - x) - edge) * (0.55 + 0.45 * smoothstep(1.2, 2.2, window.y))
            bent = Window(window.rows, window.columns, across.astype(np.float32), window.y, window.unit_px)
            folds = creases(bent, sitting.rng, lean=0.0, size=self.cloth.fold_size, stretch=6.0)
            pattern = self._border(across) if self.border else None
            lay_cloth(
                sitting,
                window,
                window.fill(outline),
                self.cloth,
                relief=folds,
                radius=0.35,
                bulge=0.6,
                depth=0.10 + (0.06 if sign < 0 else 0.0),
                pattern=pattern,
            )

    def _border(self, across: Array) -> Array:
        """Return factors that turn the cloth's colour into the border's in two bands along the edge."""
        other = np.asarray(self.border, np.float32) / np.maximum(np.asarray(self.cloth.color, np.float32), 0.02)
        band = smoothstep(0.05, 0.065, across) * smoothstep(0.16, 0.145, across)
        band = np.maximum(band, smoothstep(0.20, 0.21, across) * smoothstep(0.24, 0.23, across))
        return np.asarray(1 + (other - 1) * band[..., None], np.float32)


@dataclass(frozen=True)
class Lapels:
    """Turned-back fronts of a coat."""

    cloth: Cloth
    width: float = 0.55
    top: float = 1.42
    bottom: float = 3.6
    open: float = 0.42
    notch: bool = True

    def paint(self, sitting: Sitting) -> None:
        """Lay both."""
        x, _ = throat(sitting)
        wide, gap = self.width, self.open
        line = [(gap + 0.10, self.top), (gap + 0.34, self.top + 0.14), (gap + wide, 2.10)]
        if self.notch:
            line += [(gap + wide * 0.55, 2.26), (gap + wide * 0.98, 2.36)]
        line += [(0.05, self.bottom), (0.02, self.bottom - 0.1), (gap * 0.9, 2.0)]
        window = sitting.window(-9, 1.0, 9, 9)
        for sign in (1, -1):
            mask = window.fill([(x + sign * a, b) for a, b in line])
            lay_cloth(sitting, window, mask, self.cloth, lean=0.3 * sign, radius=0.06, bulge=0.9, depth=0.30)


@dataclass(frozen=True)
class Stole:
    """Fur or feathers around the neck, its ends hanging down in front."""

    strands: Strands
    reach: float = 0.95  # half width at the shoulders
    width: float = 0.36
    drop: float = 3.4  # how far the ends hang down

    def paint(self, sitting: Sitting) -> None:
        """Lay both ends."""
        x, y = throat(sitting)
        window = sitting.window(-9, 0.9, 9, 9)
        for sign in (1, -1):
            line = [
                (0.46, 1.12),
                (self.reach * 0.8, 1.42),
                (self.reach, 1.85),
                (self.reach * 0.72, 2.5),
                (0.45, self.drop),
            ]
            band = window.trace([(x + sign * a, b) for a, b in smooth(line)], self.width)
            lay_hair(sitting, window, band, self.strands, root=(x, y), radius=self.width * 0.5, edge=0.05, depth=0.25)
