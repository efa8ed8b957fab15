"""White linen around the neck: ruffs, lace, cravats, frills, kerchiefs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_dress import throat
from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_scene import facing
from orchestrator.sample.painter_sitting import Cloth, Rgb, Sitting, creases, lay_cloth, smooth

LINEN: Rgb = (0.82, 0.79, 0.72)


@dataclass(frozen=True)
class Ruff:
    """A pleated millstone of starched linen. Lay it before the head."""

    radius: float = 1.18
    high: float = 0.52  # half height of the ellipse it is seen as
    pleats: int = 34
    y: float = 1.22
    color: Rgb = LINEN

    def paint(self, sitting: Sitting) -> None:
        """Lay the disc, then the thickness of its front edge."""
        x, _ = throat(sitting)
        window = sitting.window(
            x - self.radius - 0.3, self.y - self.high - 0.3, x + self.radius + 0.3, self.y + self.high + 0.5
        )
        dx, dy = (window.x - x) / self.radius, (window.y - self.y) / self.high
        away = np.hypot(dx, dy)
        angle = np.arctan2(dy, dx)
        turn = self.pleats * angle + 0.5 * np.sin(3 * angle)
        rim = away + 0.028 * np.cos(turn)
        mask = smoothstep(1.02, 0.99, rim)
        front = smoothstep(-0.2, 0.6, dy)
        # Pleats are shallow at the neck and open towards the edge, where they show their depth.
        height = (0.028 + 0.045 * away) * np.cos(turn) * smoothstep(0.30, 0.75, away) + 0.16 * np.sqrt(
            np.clip(1 - (away - 0.75) ** 2 / 0.5, 0, 1)
        )
        shade = (
            0.60
            + 0.40 * smoothstep(0.35, 0.95, away)
            - 0.24 * smoothstep(0.2, -1.0, np.cos(turn)) * smoothstep(0.45, 0.9, away)
        )
        color = np.asarray(self.color, np.float32) * (shade * (0.80 + 0.20 * front))[..., None]
        depth = 0.62 * front - 0.25 + 0.12 * away
        sitting.scene.lay(
            window,
            mask,
            color.astype(np.float32),
            tilt=facing(height.astype(np.float32), window.unit_px),
            depth=depth,
        )
        self._edge(sitting, x)

    def _edge(self, sitting: Sitting, x: float) -> None:
        """Lay the figure-of-eight folds along the lower rim."""
        window = sitting.window(x - self.radius - 0.3, self.y - 0.3, x + self.radius + 0.3, self.y + self.high + 0.5)
        line = []
        for a in np.linspace(8, 172, 500):
            t = np.radians(a)
            wave = 0.030 * np.sin(self.pleats * t * 1.0)
            line.append(
                (
                    x + (self.radius + 0.01) * float(np.cos(t)),
                    self.y + (self.high + 0.015) * float(np.sin(t)) + float(wave),
                )
            )
        rim = window.trace(line, 0.030)
        bright = np.clip(np.asarray(self.color, np.float32) * 1.08, 0, 1)
        white = np.broadcast_to(bright, (*window.shape, 3))
        sitting.scene.lay(window, rim * 0.85, white, depth=0.5)


@dataclass(frozen=True)
class LaceCollar:
    """A flat collar that lies on the shoulders, with a border of lace."""

    reach: float = 1.25  # half width
    drop: float = 2.25  # lowest point
    gap: float = 0.10  # how far the two halves lie apart at the bottom
    top: float = 1.26
    color: Rgb = LINEN

    def paint(self, sitting: Sitting) -> None:
        """Lay both halves."""
        x, _ = throat(sitting)
        for sign in (-1, 1):
            line = [
                (0.02 + self.gap * 0.3, 1.60),
                (self.gap, 1.80),
                (self.gap + 0.14, self.drop - 0.05),
                (0.60, self.drop),
                (self.reach * 0.92, self.drop - 0.22),
                (self.reach, self.drop - 0.48),
                (0.85, 1.66),
                (0.50, 1.42),
                (0.42, self.top),
                (0.40, self.top + 0.12),
            ]
            points = [(x + sign * a, b) for a, b in smooth(line, count=140)]
            window = sitting.window(x - self.reach - 0.4, self.top - 0.2, x + self.reach + 0.4, self.drop + 0.4)
            mask = window.fill([*points])
            inside = _inward(mask) / window.unit_px
            scallop = 0.035 * np.abs(np.sin(window.x * 16)) * smoothstep(1.7, 1.9, window.y)
            mask = mask * smoothstep(0.0, 0.012, inside - scallop)
            lace = smoothstep(0.34, 0.28, inside) * smoothstep(1.75, 1.9, window.y)
            holes = self._holes(window.x, window.y)
            pattern = 1 - 0.50 * lace * holes
            lay_cloth(
                sitting,
                window,
                mask * (1 - 0.45 * lace * holes),
                Cloth(self.color, folds=0.012, fold_size=0.22, mottle=0.04),
                relief=None,
                lean=0.5 * sign,
                radius=0.05,
                bulge=0.5,
                depth=0.12,
                pattern=pattern.astype(np.float32),
            )

    def _holes(self, x: Array, y: Array) -> Array:
        flower = np.cos(x * 46) * np.cos(y * 46)
        stem = np.sin((x + y) * 33) * np.sin((x - y) * 33)
        return smoothstep(0.05, 0.5, flower + 0.7 * stem)


def _inward(mask: Array) -> Array:
    """Return how far in from the edge of a mask each pixel lies, pixels."""
    return np.asarray(cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


@dataclass(frozen=True)
class Cravat:
    """Linen wound around the neck; with a fall of lace (`fall`) or a knot (`bow`)."""

    color: Rgb = LINEN
    top: float = 1.02
    fall: float = 0.9  # length of the lace below the neck, 0 for none
    bow: bool = False

    def paint(self, sitting: Sitting) -> None:
        """Lay the fall, then the turns of the cloth."""
        x, _ = throat(sitting)
        cloth = Cloth(self.color, folds=0.035, fold_size=0.13, mottle=0.05)
        if self.fall:
            low = 1.55 + self.fall
            line = [(0.12, 1.45), (0.26, 1.75), (0.34, low - 0.25), (0.30, low), (0.10, low + 0.05), (0.0, low)]
            right = [(x + a, b) for a, b in smooth(line, count=60)]
            left = [(2 * x - a, b) for a, b in reversed(right)]
            window = sitting.window(x - 0.7, 1.2, x + 0.7, low + 0.3)
            frill = window.x - x
            waves = np.sin(
                frill * 34
                + 3.0 * np.sin(window.y * 6)
                + 5 * (clouds(window.shape, sitting.rng, cell_px=60, octaves=2) - 0.5)
            )
            lay_cloth(
                sitting,
                window,
                window.fill(right + left),
                cloth,
                relief=waves.astype(np.float32),
                radius=0.16,
                bulge=0.7,
                depth=0.25,
            )
        line = [(0.50, self.top), (0.52, 1.30), (0.46, 1.58), (0.20, 1.70), (0.0, 1.72)]
        right = [(x + a, b) for a, b in smooth(line, count=60)]
        left = [(2 * x - a, b) for a, b in reversed(right)]
        window = sitting.window(x - 0.9, self.top - 0.3, x + 0.9, 2.1)
        mask = window.fill(right + left)
        dip = 0.30 * ((window.x - x) / 0.5) ** 2
        waves = np.sin((window.y + dip) * 44 + 4 * (clouds(window.shape, sitting.rng, cell_px=70, octaves=2) - 0.5))
        lay_cloth(
            sitting, window, mask, cloth, relief=waves.astype(np.float32) * 0.8, radius=0.42, bulge=0.9, depth=-0.05
        )
        if self.bow:
            self._knot(sitting, x, cloth)

    def _knot(self, sitting: Sitting, x: float, cloth: Cloth) -> None:
        window = sitting.window(x - 0.8, 1.2, x + 0.8, 2.4)
        for sign in (-1, 1):
            loop = smooth([(0.02, 1.62), (0.25, 1.46), (0.44, 1.52), (0.42, 1.72), (0.22, 1.76), (0.02, 1.68)])
            tail = smooth([(0.02, 1.66), (0.20, 1.85), (0.26, 2.10), (0.10, 2.08), (0.0, 1.75)])
            for shape, depth in ((tail, 0.22), (loop, 0.28)):
                mask = window.fill([(x + sign * a, b) for a, b in shape])
                lay_cloth(sitting, window, mask, cloth, lean=1.2 * sign, radius=0.10, bulge=0.9, depth=depth)
        mask = window.fill(
            smooth([(x - 0.08, 1.58), (x + 0.08, 1.58), (x + 0.09, 1.74), (x - 0.09, 1.74), (x - 0.08, 1.58)])
        )
        lay_cloth(sitting, window, mask, cloth, radius=0.07, bulge=1.0, depth=0.36)


@dataclass(frozen=True)
class HighCollar:
    """Stiff shirt points that stand up beside the chin."""

    color: Rgb = LINEN
    top: float = 0.92

    def paint(self, sitting: Sitting) -> None:
        """Lay both points."""
        x, _ = throat(sitting)
        window = sitting.window(x - 1, 0.6, x + 1, 2)
        for sign in (-1, 1):
            line = [(0.16, 1.55), (0.30, 1.12), (0.44, self.top), (0.56, 1.05), (0.56, 1.5), (0.30, 1.62)]
            mask = window.fill([(x + sign * a, b) for a, b in line])
            lay_cloth(
                sitting,
                window,
                mask,
                Cloth(self.color, folds=0.01, mottle=0.03),
                lean=0.3 * sign,
                radius=0.04,
                depth=0.0,
            )


@dataclass(frozen=True)
class Frill:
    """A gathered edge of white along a neckline."""

    neckline: tuple[tuple[float, float], ...]
    width: float = 0.13
    color: Rgb = LINEN
    turn: float = 0.0

    def paint(self, sitting: Sitting) -> None:
        """Lay it."""
        x, _ = throat(sitting)
        right = smooth(list(self.neckline), count=50)
        line = [(x + a * (1 - self.turn), b) for a, b in reversed(right)] + [
            (x - a * (1 + self.turn), b) for a, b in right
        ]
        window = sitting.window(-3, 1.1, 3, 3.2)
        mask = window.trace(line, self.width)
        ragged = 0.5 + 0.5 * np.sin(window.x * 40 + 4 * np.sin(window.y * 9))
        waves = creases(window, sitting.rng, lean=0.0, size=0.09) + 0.6 * ragged
        lay_cloth(
            sitting,
            window,
            mask,
            Cloth(self.color, folds=0.035, mottle=0.05),
            relief=waves.astype(np.float32),
            radius=0.06,
            depth=0.14,
        )
