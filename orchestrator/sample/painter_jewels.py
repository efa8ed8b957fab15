"""Small shining things: pearls, buttons, earrings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_dress import throat
from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_scene import facing
from orchestrator.sample.painter_sitting import Place, Rgb, Sitting

PEARL: Rgb = (0.84, 0.80, 0.72)
GILT: Rgb = (0.52, 0.40, 0.19)


@dataclass(frozen=True)
class Jewel:
    """A small shining ball."""

    at: Place  # head units from between the eyes
    radius: float
    color: Rgb = PEARL
    depth: float = 0.45

    def paint(self, sitting: Sitting) -> None:
        """Lay it."""
        r, (x, y) = self.radius, self.at
        window = sitting.window(x - 2 * r, y - 2 * r, x + 2 * r, y + 2 * r)
        away = np.hypot(window.x - x, window.y - y) / r
        ball = (np.sqrt(np.clip(1 - away**2, 0, 1)) * r).astype(np.float32)
        tilt = facing(ball, window.unit_px)
        cover = smoothstep(1.08, 0.9, away)
        sitting.scene.lay(window, cover, self.color, tilt=tilt, depth=self.depth + ball, gloss=0.95)


@dataclass(frozen=True)
class Necklace:
    """A string of pearls."""

    drop: float = 0.30  # how far below the pit of the neck it hangs
    half: float = 0.46
    radius: float = 0.042
    color: Rgb = PEARL

    def paint(self, sitting: Sitting) -> None:
        """Lay the pearls side by side."""
        x, y = throat(sitting)
        fall = self.drop + 0.16
        count = int(2.3 * (self.half + self.drop) / (2 * self.radius))
        for t in np.linspace(-np.pi / 2, np.pi / 2, count):
            at = (x + self.half * float(np.sin(t)), y - 0.16 + fall * float(np.cos(t)) ** 0.8)
            Jewel(at, self.radius, self.color, depth=0.3).paint(sitting)


@dataclass(frozen=True)
class Earring:
    """A drop at one ear; `side` is -1 on the viewer's left."""

    side: int
    radius: float = 0.075
    color: Rgb = PEARL

    def paint(self, sitting: Sitting) -> None:
        """Lay a small bead and the drop below it."""
        x, y = sitting.at(0.715 * self.side, 0.36, 0.02)
        Jewel((x, y), self.radius * 0.35, GILT, depth=0.4).paint(sitting)
        Jewel((x, y + self.radius * 1.25), self.radius, self.color, depth=0.45).paint(sitting)


@dataclass(frozen=True)
class Buttons:
    """A row of buttons down the front."""

    top: float = 2.05
    step: float = 0.30
    count: int = 6
    offset: float = 0.02  # from the middle
    radius: float = 0.045
    color: Rgb = GILT

    def paint(self, sitting: Sitting) -> None:
        """Lay them."""
        x, _ = throat(sitting)
        for k in range(self.count):
            Jewel((x + self.offset, self.top + self.step * k), self.radius, self.color, depth=0.75).paint(sitting)
