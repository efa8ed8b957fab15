"""Hair: silhouettes tied to the head, filled with strands that follow a direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import clouds, streaks
from orchestrator.sample.painter_scene import Window, facing, rounded
from orchestrator.sample.painter_sitting import Place, Rgb, Sitting, dome, ring, smooth

Flow = Literal["back", "parted", "down", "curly"]


@dataclass(frozen=True)
class Strands:
    """How a mass of hair looks from near."""

    color: Rgb
    flow: Flow = "parted"
    curl: float = 0.25  # 0 straight .. 1.5 frizzy
    coarse: float = 0.014  # width of a strand, head units
    contrast: float = 0.30
    gloss: float = 0.30
    wispy: float = 0.45  # 0 a clean edge .. 1 ragged


def lay_hair(
    sitting: Sitting,
    window: Window,
    mask: Array,
    strands: Strands,
    *,
    root: Place,
    form: Array | None = None,
    radius: float = 0.30,
    depth: Array | float = 0.0,
    edge: float = 0.05,
    far: bool = False,
) -> None:
    """Lay a mass of hair.

    Args:
        sitting: The portrait.
        window: Where.
        mask: Its rough outline, 0 .. 1.
        strands: What it looks like.
        root: Where the strands spread from, head units.
        form: The mass as heights in head units; without it, one rounded from the outline.
        radius: How far in from the outline the mass is rounded, head units.
        depth: How near it is, head units.
        edge: How wide the ragged edge is, head units.
        far: It lies behind other things; single strands need not show.
    """
    unit = window.unit_px
    angle = _flow(window, strands, sitting.rng, root)
    reach = int(0.32 * unit)
    locks = streaks(angle, sitting.rng, length_px=reach, grain_px=max(3.0, 4 * strands.coarse * unit))
    fine = locks
    if not far:
        fine = streaks(angle, sitting.rng, length_px=reach, grain_px=max(1.2, strands.coarse * unit))
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, edge * unit))
    ragged = smoothstep(0.36, 0.64, soft + strands.wispy * (0.14 * fine + 0.07 * locks))
    ragged *= smoothstep(0.02, 0.22, soft)  # no single hairs far from the head
    mass = 0.8 * rounded(mask, unit, radius=radius) if form is None else form
    tilt = facing(mass + 0.011 * locks + 0.0035 * fine, unit)
    tone = np.clip(1 + strands.contrast * (0.55 * fine + 0.55 * locks), 0.25, 2.2)
    color = np.asarray(strands.color, np.float32) * tone[..., None]
    lift = 0.5 * mass if form is None else 0.0
    sitting.scene.lay(window, ragged, color, tilt=tilt, depth=depth + lift + 0.02 * locks, gloss=strands.gloss)


def _flow(window: Window, strands: Strands, rng: np.random.Generator, root: Place) -> Array:
    """Return the direction of the strands at each pixel, radians."""
    away_x, away_y = window.x - root[0], window.y - root[1]
    if strands.flow == "parted":
        # From the parting outwards, then over the side of the head and down.
        hang = smoothstep(0.0, 0.75, np.abs(away_x) + 0.45 * np.maximum(away_y, 0))
        start = np.where(away_x < 0, np.pi - 0.25, 0.25)
        angle = start + (np.pi / 2 - start) * hang
    elif strands.flow == "down":
        angle = np.full(window.shape, np.pi / 2)
    else:
        angle = np.arctan2(away_y, away_x)
    bend = clouds(window.shape, rng, cell_px=0.34 * window.unit_px, octaves=3) - 0.5
    return np.asarray(angle + 4.0 * strands.curl * bend, np.float32)


@dataclass(frozen=True)
class Crown:
    """Hair on the head itself, from the hairline to the back of the skull."""

    strands: Strands
    volume: float = 0.08  # how far it stands off at the sides
    height: float = 0.08  # and above
    hairline: float = -0.72  # where it starts on the forehead, head units
    peak: float = 0.03  # how far it comes down in the middle, < 0: recedes
    temples: float = 0.60  # half width of the bare forehead
    sides: float = 0.30  # how far down it goes before the ears
    part: float = 0.0  # x of the parting

    def paint(self, sitting: Sitting) -> None:
        """Lay it over the head."""
        x, y, half, high = sitting.skull
        window = sitting.window(x - half - 0.6, y - high - 0.9, x + half + 0.6, self.sides + 0.5)
        edge = [
            (0.748, self.sides),
            (0.70, self.sides - 0.30),
            (self.temples, -0.42),
            (self.temples * 0.88, self.hairline + 0.16),
            (self.temples * 0.45, self.hairline),
            (self.part * 0.5, self.hairline + self.peak),
        ]
        inner = [sitting.on_face(a, b) for a, b in edge] + [sitting.on_face(-a, b) for a, b in reversed(edge[:-1])]
        radii = (half + self.volume, high + self.height)
        mask = window.fill(dome((x, y), radii, inner=smooth(inner, count=80), bottom=self.sides))
        # The mass follows the skull, and lies flat where it leaves the forehead.
        bulk = sitting.skull_depth(window, grown=max(self.volume, self.height))
        rim = np.minimum(rounded(mask, window.unit_px, radius=0.10), 0.10)
        form = (0.85 * bulk + 0.45 * rim).astype(np.float32)
        depth = sitting.skull_depth(window) - 0.03
        lay_hair(sitting, window, mask, self.strands, root=self._root(sitting), form=form, edge=0.035, depth=depth)

    def _root(self, sitting: Sitting) -> Place:
        if self.strands.flow == "back":
            return sitting.on_face(0.0, -0.25)
        px, py = sitting.on_face(self.part, self.hairline)
        return px, py - 0.05


@dataclass(frozen=True)
class BackHair:
    """The mass of hair behind the face. Lay it before the head."""

    strands: Strands
    volume: float = 0.08  # how far it stands off at the sides
    height: float = 0.06  # and above
    lower: float = 0.75  # lowest point, y in head units
    knot: float = 0.0  # size of a bun on top

    def paint(self, sitting: Sitting) -> None:
        """Lay it, and a bun above it."""
        x, y, half, high = sitting.skull
        window = sitting.window(x - half - 0.8, y - high - 1.0, x + half + 0.8, self.lower + 0.4)
        if self.knot:
            bun = window.fill(ring((x, y - high - 0.45 * self.knot), (self.knot * 1.15, self.knot)))
            place, size = (x, y - high), self.knot * 0.8
            lay_hair(sitting, window, bun, self.strands, root=place, radius=size, depth=-0.45)
        top, wide, low = y - high - self.height, half + self.volume, self.lower
        outline = [(0.0, top), (wide * 0.62, top + 0.16), (wide * 0.97, y - 0.25), (wide, y + 0.2)]
        outline += [(wide * 0.92, low - 0.3), (wide * 0.66, low), (0.0, low)]
        right = [(x + a, b) for a, b in smooth(outline, count=80)]
        mask = window.fill(right + [(2 * x - a, b) for a, b in reversed(right)])
        lay_hair(sitting, window, mask, self.strands, root=(x, y - high), radius=0.4, depth=-0.5, far=True)


@dataclass(frozen=True)
class Locks:
    """Hair that hangs beside the face: laid before the head it is behind it, laid after it falls over the cheeks."""

    strands: Strands
    width: float = 0.34  # beyond the skull
    length: float = 1.5  # lowest point, y in head units
    inner: float = 0.62  # where it starts beside the face, head x
    sides: tuple[int, ...] = (-1, 1)
    depth: float = 0.0

    def paint(self, sitting: Sitting) -> None:
        """Lay each side."""
        x, _, half, _ = sitting.skull
        for sign in self.sides:
            top = sitting.on_face(sign * self.inner, -0.45)
            outside = x + sign * (half + self.width)
            line = [
                top,
                (x + sign * (half + 0.08), -0.55),
                (outside - sign * 0.08, 0.05),
                (outside, 0.6),
                (outside - sign * 0.02, self.length * 0.8),
                (outside - sign * 0.22, self.length),
                (outside - sign * 0.55 * (self.width + 0.3), self.length - 0.10),
                (x + sign * half * 0.80, 0.85),
                (top[0], 0.25),
            ]
            left, right = min(p[0] for p in line) - 0.3, max(p[0] for p in line) + 0.3
            window = sitting.window(left, -0.9, right, self.length + 0.3)
            mask = window.fill(smooth([*line, line[0]]))
            lay_hair(sitting, window, mask, self.strands, root=(x, -1.0), radius=0.22, depth=self.depth, edge=0.06)


def lay_curl(sitting: Sitting, strands: Strands, at: Place, *, size: float, depth: float) -> None:
    """Lay one loose curl: a thick arc that tightens towards its end; `size` is its width in head units."""
    rng, (x, y) = sitting.rng, at
    turn = np.linspace(0, rng.uniform(3.2, 5.2), 16) * rng.choice([-1, 1]) + rng.uniform(0, 6.28)
    reach = 0.5 * size * np.linspace(1.0, 0.35, 16)
    arc = [(x + float(r * np.cos(t)), y + float(r * np.sin(t))) for r, t in zip(reach, turn, strict=True)]
    window = sitting.window(x - size, y - size, x + size, y + size)
    mask = window.trace(arc, 0.36 * size, soft_px=1.2)
    form = 0.6 * rounded(mask, window.unit_px, radius=0.18 * size, smooth=0.01)
    tone = float(rng.uniform(0.7, 1.35)) * (0.75 + 0.5 * mask[..., None])
    color = np.asarray(strands.color, np.float32) * tone.astype(np.float32)
    tilt = facing(form, window.unit_px)
    sitting.scene.lay(window, mask * 0.92, color, tilt=tilt, depth=depth + form, gloss=strands.gloss)


@dataclass(frozen=True)
class Curls:
    """Loose curls over the outline of the hair, at the temples and on the forehead."""

    strands: Strands
    count: int = 34
    size: float = 0.17
    hairline: float = -0.62
    forehead: float = 0.35  # share of them that fall on the forehead and temples

    def paint(self, sitting: Sitting) -> None:
        """Lay them one by one."""
        rng = sitting.rng
        x, y, half, high = sitting.skull
        outline = ring((x, y), (half + 0.07, high + 0.10), start=170, stop=370)
        temples = [(0.68, -0.18), (0.62, -0.38), (0.45, self.hairline), (0.0, self.hairline - 0.06)]
        brow = smooth([sitting.on_face(*p) for p in temples + [(-a, b) for a, b in reversed(temples[:-1])]], count=60)
        for _ in range(self.count):
            line, depth = (brow, 0.80) if rng.random() < self.forehead else (outline, 0.1)
            a, b = line[int(rng.integers(0, len(line)))]
            at = (a + float(rng.uniform(-0.05, 0.05)), b + float(rng.uniform(-0.05, 0.05)))
            lay_curl(sitting, self.strands, at, size=self.size, depth=depth)


@dataclass(frozen=True)
class Bunches:
    """Curls in bunches beside the cheeks. The bunch of the far side belongs behind the head."""

    strands: Strands
    sides: tuple[int, ...] = (-1, 1)
    count: int = 40
    size: float = 0.20
    center: float = 0.22  # y of the middle, head units
    spread: Place = (0.09, 0.26)
    depth: float = 0.10

    def paint(self, sitting: Sitting) -> None:
        """Lay them, the lowest last."""
        rng = sitting.rng
        x, _, half, _ = sitting.skull
        for sign in self.sides:
            off = np.clip(rng.normal(0, 1, (self.count, 2)), -1.6, 1.6) * self.spread
            for a, b in off[np.argsort(off[:, 1])]:
                at = (x + sign * (half + 0.06) + float(a), self.center + float(b))
                lay_curl(sitting, self.strands, at, size=self.size, depth=self.depth)


@dataclass(frozen=True)
class Ringlets:
    """Corkscrew curls that hang beside the face. Those of the far side belong behind the head."""

    strands: Strands
    sides: tuple[int, ...] = (-1, 1)
    count: int = 3
    start: float = -0.20
    length: float = 1.05
    spread: float = 0.15
    width: float = 0.12
    depth: float = 0.30

    def paint(self, sitting: Sitting) -> None:
        """Lay them, the outermost first."""
        x, _, half, _ = sitting.skull
        for sign in self.sides:
            for k in reversed(range(self.count)):
                nudge, drop = sitting.rng.uniform(-0.03, 0.03), sitting.rng.uniform(-0.10, 0.10)
                at = x + sign * (half - 0.02 + self.spread * k) + nudge
                self._curl(sitting, at, sign, self.start + 0.08 * k, self.length - 0.10 * k + drop)

    def _curl(self, sitting: Sitting, x: float, sign: int, top: float, bottom: float) -> None:
        window = sitting.window(x - 0.4, top - 0.2, x + 0.4, bottom + 0.2)
        along = np.clip((window.y - top) / (bottom - top), 0, 1)
        sway = 0.06 * np.sin((window.y - top) * 2.6) * sign
        half = self.width * (0.75 + 0.35 * np.sin(np.pi * along)) * (1 - 0.6 * along**4)
        across = (window.x - x - sway) / half
        pitch = self.width * (1.7 - 0.5 * along)
        wave = np.abs(np.sin(np.pi * (window.y - top + 0.09 * across * sign) / pitch)) ** 0.7
        inside = smoothstep(1.02, 0.85, np.abs(across) * (1.20 - 0.20 * wave))
        inside *= smoothstep(top - 0.02, top + 0.03, window.y) * smoothstep(bottom + 0.02, bottom - 0.04, window.y)
        lean = np.full(window.shape, 0.45 * sign, np.float32)
        fine = streaks(lean, sitting.rng, length_px=int(0.15 * window.unit_px), grain_px=2.2)
        form = self.width * np.sqrt(np.clip(1 - across**2, 0, 1)) + 0.025 * wave + 0.004 * fine
        tone = np.clip((0.70 + 0.38 * wave) * (1 + self.strands.contrast * 0.6 * fine), 0.2, 2)
        color = np.asarray(self.strands.color, np.float32) * tone[..., None]
        tilt = facing(form.astype(np.float32), window.unit_px)
        sitting.scene.lay(window, inside, color, tilt=tilt, depth=self.depth + form, gloss=self.strands.gloss)
