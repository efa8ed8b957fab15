"""Beards and moustaches. They leave the lips free: the mouth will speak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_geometry import Marks, marks, smoothstep
from orchestrator.sample.painter_hair import Strands, lay_hair
from orchestrator.sample.painter_sitting import Place, Sitting, smooth


@dataclass(frozen=True)
class Beard:
    """Hair on the chin, and on the cheeks unless `chin_only`."""

    strands: Strands
    length: float = 0.15  # how far below the chin it reaches, head units
    cheek: float = 0.30  # how high it begins beside the ears: head y
    point: float = 0.5  # 0 square .. 1 pointed
    chin_only: bool = False

    def paint(self, sitting: Sitting) -> None:
        """Lay it over the face."""
        m = marks(sitting.face)
        chin_x, chin_y = sitting.at(0, m.chin_y, 0.66)
        window = sitting.window(chin_x - 1.2, 0.0, chin_x + 1.2, m.chin_y + self.length + 0.5)
        inner = [sitting.on_face(a, b) for a, b in self._upper_edge(m)]
        mask = window.fill(smooth(self._outline(sitting, m, (chin_x, chin_y)), count=90) + smooth(inner, count=50))
        depth = 0.35 + 0.35 * smoothstep(0.9, 0.0, np.abs(window.x - chin_x))
        root = sitting.on_face(0, m.nose_base - 0.1)
        lay_hair(sitting, window, mask, self.strands, root=root, radius=0.20, edge=0.045, depth=depth)

    def _outline(self, sitting: Sitting, m: Marks, chin: Place) -> list[Place]:
        """Return the outer edge from the right ear under the chin to the left ear."""
        x, y = chin
        drop, narrow = self.length, 0.62 if self.chin_only else 1.0
        wide, jaw = narrow * (0.30 - 0.22 * self.point), narrow * (0.30 + 0.08 * (1 - self.point))
        start = (0.17, m.mouth_y + 0.17) if self.chin_only else (0.70, self.cheek)
        side, depth = (0.21, 0.74) if self.chin_only else (0.66, 0.22)
        below = [(jaw, 0.30 * drop), (wide, 0.85 * drop)]
        return [
            sitting.on_face(*start),
            sitting.at(side, m.mouth_y + 0.20, depth),
            *[(x + a, y + b) for a, b in below],
            (x, y + drop + 0.03),
            *[(x - a, y + b) for a, b in reversed(below)],
            sitting.at(-side, m.mouth_y + 0.20, depth),
            sitting.on_face(-start[0], start[1]),
        ]

    def _upper_edge(self, m: Marks) -> list[Place]:
        """Return the edge towards the face: down the cheeks and around the lower lip."""
        half, y = m.mouth_half, m.mouth_y
        around = [(-half * 0.75, y + 0.125), (0.0, y + 0.155), (half * 0.75, y + 0.125)]
        if self.chin_only:
            return around
        return [(-0.50, y - 0.02), (-half - 0.06, y), *around, (half + 0.06, y), (0.50, y - 0.02)]


@dataclass(frozen=True)
class Moustache:
    """Hair on the upper lip."""

    strands: Strands
    width: float = 0.36
    thick: float = 0.075
    curl: float = 0.0  # how far its ends are lifted

    def paint(self, sitting: Sitting) -> None:
        """Lay both halves over the face."""
        m = marks(sitting.face)
        top, mid, wide = m.nose_base + 0.045, m.mouth_y - 0.055, self.width
        end = m.mouth_y + 0.055 - 0.20 * self.curl
        line = [(0.0, top), (0.09, top - 0.004), (wide * 0.62, mid - self.thick * 0.55), (wide, end - 0.015)]
        line += [
            (wide * 1.02, end),
            (wide * 0.66, mid + self.thick * 0.8),
            (0.12, m.mouth_y - 0.022),
            (0.0, mid + 0.015),
        ]
        x, y = sitting.on_face(0, mid)
        window = sitting.window(x - 0.6, y - 0.35, x + 0.6, y + 0.4)
        root = sitting.on_face(0, top - 0.08)
        for sign in (-1, 1):
            points = [sitting.on_face(sign * a, b) for a, b in line]
            mask = window.fill(smooth([*points, points[0]]))
            lay_hair(sitting, window, mask, self.strands, root=root, radius=0.06, edge=0.014, depth=0.92)
