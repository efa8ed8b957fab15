"""Pictures that are no portrait of one person: a landscape, a still life, a far figure, two sitters, a ruined picture.

Step 0 has to turn each of them down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter import Portrait, finish, paint_portrait, paint_together, place, set_up
from orchestrator.sample.painter_age import Wear
from orchestrator.sample.painter_backdrop import Studio
from orchestrator.sample.painter_flowers import Fruit, Leaf, Rose
from orchestrator.sample.painter_geometry import smoothstep
from orchestrator.sample.painter_landscape import View
from orchestrator.sample.painter_noise import clouds, streaks
from orchestrator.sample.painter_scene import Easel, facing
from orchestrator.sample.painter_sitting import Cloth, Place, Rgb, Thing, lay_cloth, ring
from orchestrator.sample.palette import LANTERN, LOOSE, NORTH, SMOOTH

Picture = NDArray[np.uint8]

MIDDLE: Place = (0.5, 0.5)

LEMON: Rgb = (0.68, 0.54, 0.13)
GRAPE: Rgb = (0.13, 0.06, 0.10)
POMEGRANATE: Rgb = (0.36, 0.10, 0.06)


def paint_landscape(view: View, *, seed: int, size_px: tuple[int, int] = (1200, 900)) -> Picture:
    """Paint a landscape without anybody in it; RGB."""
    easel = set_up(size_px, np.random.default_rng(seed), eyes=MIDDLE, scale=0.19)
    view.paint(easel)
    return finish(easel, size_px, light=NORTH, hand=LOOSE, wear=Wear(varnish=0.3))


def paint_far_figure(sitter: Portrait, view: View, *, seed: int, size_px: tuple[int, int] = (1200, 900)) -> Picture:
    """Paint somebody far away in a wide landscape: the face is a few pixels; RGB."""
    easel = set_up(size_px, np.random.default_rng(seed), eyes=MIDDLE, scale=0.19)
    view.paint(easel)
    place(easel, replace(sitter, eyes=(0.36, 0.56), scale=0.028))
    return finish(easel, size_px, light=sitter.light, hand=LOOSE, wear=Wear(varnish=0.3))


def paint_pair(sitters: Sequence[Portrait], *, seed: int, size_px: tuple[int, int] = (1200, 900)) -> Picture:
    """Paint two people side by side, the first one farther back; RGB."""
    places = ((0.31, 0.43), (0.68, 0.40))
    seated = [
        replace(sitter, size_px=size_px, eyes=eyes, scale=0.185) for sitter, eyes in zip(sitters, places, strict=True)
    ]
    return paint_together(seated, seed=seed).picture


def paint_ruined(sitter: Portrait, *, seed: int) -> Picture:
    """Paint a portrait that somebody has wiped with the wrong bottle: nothing of the face is sharp any more; RGB."""
    picture = paint_portrait(sitter, seed=seed).picture
    smeared = cv2.GaussianBlur(picture, (0, 0), 0.010 * picture.shape[0])
    return np.asarray(smeared, np.uint8)


def paint_still_life(*, seed: int, size_px: tuple[int, int] = (1120, 900)) -> Picture:
    """Paint lemons, grapes, a pomegranate and roses on a table; RGB."""
    easel = set_up(size_px, np.random.default_rng(seed), eyes=MIDDLE, scale=0.25)
    Studio((0.15, 0.12, 0.085), light_side=1).paint(easel)
    _table(easel)
    _plate(easel, (-0.25, 0.86))
    for thing in (*_bunch(easel.rng), *_fruit(), *_roses()):
        thing.paint(easel)
    return finish(easel, size_px, light=LANTERN, hand=SMOOTH, wear=Wear(cracks=0.5))


def _table(easel: Easel) -> None:
    """Lay a table top, its front edge, and a white cloth that hangs over it."""
    top = easel.window(-9, 0.45, 9, 1.42)
    grain = streaks(np.zeros(top.shape, np.float32), easel.rng, length_px=90, grain_px=3)
    wood = np.asarray((0.20, 0.115, 0.06), np.float32) * (1 + 0.16 * grain)[..., None]
    flat = np.zeros((2, *top.shape), np.float32)
    flat[1] = -0.75  # a table top faces up
    easel.scene.lay(top, np.ones(top.shape, np.float32), wood, tilt=flat, depth=0.2 * (top.y - 0.45) - 0.5, gloss=0.2)
    front = easel.window(-9, 1.40, 9, 9)
    shade = 1 - 0.5 * smoothstep(1.4, 2.0, front.y)
    edge = np.asarray((0.13, 0.075, 0.04), np.float32) * shade[..., None]
    easel.scene.lay(front, np.ones(front.shape, np.float32), edge, depth=-0.35)
    outline: list[Place] = [(-9, 0.62), (-1.2, 0.58), (0.1, 0.80), (0.55, 1.42), (0.50, 2.3), (-0.4, 2.6), (-9, 2.6)]
    window = easel.whole()
    linen = Cloth((0.70, 0.67, 0.60), folds=0.10, fold_size=0.34, mottle=0.05)
    lay_cloth(easel, window, window.fill(outline), linen, lean=0.12, radius=0.08, bulge=0.8, depth=-0.28)


def _plate(easel: Easel, at: Place) -> None:
    """Lay a pewter plate, seen from above its edge."""
    x, y = at
    window = easel.window(x - 1.3, y - 0.5, x + 1.3, y + 0.5)
    away = np.hypot((window.x - x) / 1.15, (window.y - y) / 0.34)
    rim = 0.06 * np.exp(-(((away - 0.90) / 0.07) ** 2)) + 0.03 * np.exp(-(((away - 0.62) / 0.05) ** 2))
    tone = 0.9 + 0.2 * clouds(window.shape, easel.rng, cell_px=50, octaves=3)
    color = np.asarray((0.34, 0.34, 0.33), np.float32) * tone[..., None]
    mask = window.fill(ring(at, (1.15, 0.34)))
    easel.scene.lay(window, mask, color, tilt=facing(rim, window.unit_px), depth=-0.2 + rim, gloss=0.8)


def _bunch(rng: np.random.Generator) -> list[Thing]:
    """Return grapes that hang over the rim of the plate, the upper ones first."""
    places = sorted(
        ((0.55 + float(rng.normal(0, 0.26)), 0.72 + float(rng.normal(0, 0.20))) for _ in range(44)), key=lambda p: p[1]
    )
    grapes: list[Thing] = [
        Fruit(place, 0.105, GRAPE, blush=(0.22, 0.13, 0.20), gloss=0.6, depth=0.1 + 0.2 * k / len(places))
        for k, place in enumerate(places)
    ]
    return [Leaf((0.55, 0.50), 0.5, 200, depth=0.05), Leaf((0.62, 0.50), 0.5, -30, depth=0.05), *grapes]


def _fruit() -> list[Thing]:
    return [
        Fruit((-0.95, 0.52), 0.33, POMEGRANATE, blush=(0.50, 0.20, 0.09), rough=0.3, depth=0.0),
        Fruit((-0.28, 0.60), 0.24, LEMON, long=1.22, rough=1.0, depth=0.1),
        Fruit((-0.58, 0.82), 0.25, LEMON, long=1.18, rough=1.0, depth=0.3),
        Fruit((1.35, 1.02), 0.23, LEMON, long=1.2, rough=1.0, depth=0.1),
    ]


def _roses() -> list[Thing]:
    """Return a bunch of roses above the fruit, and one that has fallen."""
    # Not in the shape of two eyes and a mouth: a detector of faces is easily pleased.
    # Not in the shape of two eyes and a mouth: a detector of faces is easily pleased.
    heads: list[tuple[Place, float, Rgb]] = [
        ((-0.32, -1.22), 0.17, (0.66, 0.50, 0.44)),
        ((0.62, -0.95), 0.34, (0.58, 0.20, 0.18)),
        ((-0.10, -0.55), 0.25, (0.70, 0.60, 0.46)),
        ((1.02, -0.22), 0.19, (0.64, 0.34, 0.31)),
        ((-1.62, 1.12), 0.20, (0.60, 0.22, 0.20)),
    ]
    leaves: list[Thing] = []
    for (x, y), size, _ in heads:
        leaves += [Leaf((x, y), 2.0 * size, angle, depth=-0.2) for angle in (-150, -95, -30, 25, 80, 150)]
    stems: list[Thing] = [Leaf((0.0, 0.55), 1.1, angle, (0.10, 0.13, 0.06), depth=-0.3) for angle in (-115, -95, -70)]
    return [*stems, *leaves, *(Rose(at, size, color, depth=0.1) for at, size, color in heads)]
