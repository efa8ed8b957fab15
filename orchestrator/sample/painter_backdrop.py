"""What is behind a sitter indoors: a dark studio, a curtain, a window on a landscape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_landscape import FAR, View, landscape
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_scene import Easel
from orchestrator.sample.painter_sitting import Cloth, Rgb, creases, lay_cloth


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
