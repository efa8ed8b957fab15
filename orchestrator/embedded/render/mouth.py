"""A mouth that opens: the lips part along the painted mouth line, the jaw follows, and there are teeth behind them.

Everything is computed in a frame of its own (origin between the corners of the mouth, x along the line of the mouth,
y towards the chin, in pixels) on the part of the picture that moves. The displacement is written down for the finished
picture's pixels, so that one lookup per pixel gives the frame and nothing has to be inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import portrait as landmarks
from orchestrator.embedded.render.base import Field, Picture, as_picture, eased
from orchestrator.embedded.render.mouth_line import Axes, find_mouth_line
from orchestrator.embedded.render.portrait import Portrait

_WIDEST_GAP = 0.52  # of half the mouth's width, between the lips
_PARTING = 0.88  # of the mouth's width: the corners stay together
_UPPER_SHARE = 0.2  # of the gap: the upper lip rises, the jaw does the rest
_STRETCH = 0.13  # of the mouth's width, from rest to wide or to round


@dataclass(frozen=True, eq=False)
class _Place:
    """The moving part of the picture and its own coordinates."""

    rows: slice
    columns: slice
    x: Field
    y: Field
    cosine: float
    sine: float


class Mouth:
    """The mouth of one portrait. Not changed by use; safe to share."""

    def __init__(self, image_rgb: Picture, portrait: Portrait) -> None:
        """Find the mouth line in the picture and prepare what does not change from frame to frame."""
        left, right = portrait.points[landmarks.MOUTH_LEFT], portrait.points[landmarks.MOUTH_RIGHT]
        axes = Axes(left, right)
        line, ends = find_mouth_line(image_rgb, axes.local(portrait.points), axes=axes)
        # Painted mouths are often shorter on the far side than the landmarks say.
        axes = Axes(*(axes.image(np.array([end, np.polyval(line, end / axes.half)])) for end in ends))
        local = axes.local(portrait.points)
        self._half = half = axes.half
        self._chin = max(half, float(local[landmarks.CHIN, 1]))
        self._nose = max(0.35 * half, -float(local[landmarks.NOSE_BASE, 1]))
        self._lip = float(np.clip(local[list(landmarks.LIP_OUTER_LOWER), 1].max() / half, 0.15, 0.5)) * half
        self._seam = find_mouth_line(image_rgb, local, axes=axes)[0]
        self._place = _place(image_rgb.shape, axes, chin=self._chin, nose=self._nose)
        self._palette = _palette(image_rgb, portrait.points)

    def move(self, frame: Picture, *, opening: float, width: float) -> None:
        """Shape the mouth in a frame, in place.

        Args:
            frame: The portrait with the mouth at rest.
            opening: 0 (closed, as painted) .. 1.
            width: -1 (round) .. 1 (wide).
        """
        if opening < 0.004 and abs(width) < 0.01:
            return
        place = self._place
        window = frame[place.rows, place.columns]
        source_x, source_y, gap, depth = self._displaced(opening, width)
        map_x = place.cosine * (source_x - place.x) - place.sine * (source_y - place.y)
        map_y = place.sine * (source_x - place.x) + place.cosine * (source_y - place.y)
        map_x += np.arange(window.shape[1], dtype=np.float32)
        map_y += np.arange(window.shape[0], dtype=np.float32)[:, None]
        moved = cv2.remap(window, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        self._fill(moved, gap, depth, source_x)
        window[...] = moved

    def _displaced(self, opening: float, width: float) -> tuple[Field, Field, Field, Field]:
        """Return, per pixel, where it comes from (x, y), the lips' gap in its column, and its depth below the edge."""
        half, x, y = self._half, self._place.x, self._place.y
        stretch = _STRETCH * (width - 0.45 * opening)
        near = np.exp(-((x / (1.7 * half)) ** 2) - (y / (1.3 * half)) ** 2)
        source_x = x / (1 + stretch * near)
        across = source_x / half
        seam = np.polyval(self._seam, np.clip(across, -1.2, 1.2)).astype(np.float32)
        widest = opening * _WIDEST_GAP * half
        gap = widest * _arch(np.asarray(across / _PARTING))
        depth = y - seam + _UPPER_SHARE * gap  # from the upper lip's edge downwards
        above = np.clip(-depth / self._nose, 0, 1)
        upper_shift = _UPPER_SHARE * gap * (1 - eased((above - 0.12) / 0.88))
        below = np.maximum(depth - gap, 0) / self._chin
        # Further down it is the whole jaw that moves, not only what lies between the corners of the mouth.
        reach = _PARTING + 1.5 * eased(below / 0.8)
        lower_shift = (
            (1 - _UPPER_SHARE) * widest * _arch(np.asarray(across / reach)) * (1 - eased((below - 0.55) / 1.35))
        )
        source_y = y + upper_shift
        lower = depth > gap
        source_y[lower] = (y - lower_shift)[lower]
        inside = (depth > 0) & ~lower
        source_y[inside] = seam[inside]
        return source_x.astype(np.float32), source_y.astype(np.float32), gap, depth

    def _fill(self, moved: Picture, gap: Field, depth: Field, source_x: Field) -> None:
        """Paint what the open lips show, in place: darkness, the upper teeth, the tongue, the lips' moist inner rim."""
        rim = 0.5 * self._lip
        shown = (gap > 0.4) & (depth > -rim) & (depth < gap + 2 * rim)
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        if not len(rows):
            return
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        gap, depth, across = gap[part], depth[part], source_x[part] / (self._half * _PARTING)
        dark, tooth, flesh, lip = self._palette
        feather = max(1.1, 0.05 * self._half)
        widest = _WIDEST_GAP * self._half
        target = moved[part].astype(np.float32)
        open_here = np.clip(gap / (0.35 * widest), 0, 1)
        rims = np.exp(-(((depth - gap) / rim) ** 2)) * 0.5 + np.exp(-((depth / (0.6 * rim)) ** 2)) * 0.3
        target += (lip - target) * (rims * open_here)[..., None]
        mask = np.clip(depth / feather + 0.5, 0, 1) * np.clip((gap - depth) / feather + 0.5, 0, 1)
        mask *= np.clip((gap - 0.2) / (1.5 * feather), 0, 1)
        inner = dark + (flesh - dark) * _tongue(depth, gap, across, widest=widest)[..., None]
        inner += (tooth - inner) * _teeth(depth, across, widest=widest, feather=feather)[..., None]
        target += (inner - target) * mask[..., None]
        moved[part] = as_picture(target)


def _arch(across: NDArray[Any]) -> Field:
    """Return the height of the opening over its width: 1 in the middle, 0 from the corners on."""
    inside = np.maximum(1 - across * across, 0)
    return np.asarray(inside * (1.25 - 0.25 * inside), np.float32)


def _teeth(depth: Field, across: Field, *, widest: float, feather: float) -> Field:
    """Return how much of the upper teeth is seen: a band below the upper lip, in its shadow at the top."""
    row = np.clip(1 - (across / 0.95) ** 2, 0, 1)
    edge = 0.36 * widest * np.sqrt(row)
    shadow = np.clip(0.55 + 0.45 * depth / (0.3 * widest), 0.4, 1)
    seen = np.clip((edge - depth) / (1.5 * feather) + 0.3, 0, 1) * np.clip(row * 1.8, 0, 1)
    return np.asarray(0.9 * seen * shadow, np.float32)


def _tongue(depth: Field, gap: Field, across: Field, *, widest: float) -> Field:
    """Return how much of the tongue is seen: it rises from the lower lip when the mouth is well open."""
    share = np.clip(depth / np.maximum(gap, 1e-3), 0, 1)
    sides = np.clip(1.4 * (1 - across * across), 0, 1)
    return np.asarray(0.8 * eased((share - 0.5) / 0.45) * sides * np.clip(gap / widest * 1.8 - 0.4, 0, 1))


def _place(shape: tuple[int, ...], axes: Axes, *, chin: float, nose: float) -> _Place:
    """Cut out the part around the mouth, down to where the throat stands still."""
    reach = 2.6 * axes.half
    spots = axes.image(np.array([(x, y) for x in (-reach, reach) for y in (-1.15 * nose, 2.1 * chin)]))
    low = np.maximum(np.floor(spots.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(spots.max(axis=0)) + 1, (shape[1], shape[0])).astype(int)
    columns, rows = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
    across = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(axes.center[0])
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(axes.center[1])
    x, y = axes.cosine * across + axes.sine * down, axes.cosine * down - axes.sine * across
    return _Place(rows, columns, x, y, axes.cosine, axes.sine)


def _palette(image_rgb: Picture, points: NDArray[np.float64]) -> tuple[Field, Field, Field, Field]:
    """Return the colours of the dark, the teeth, the tongue and the lips' rim, in this picture's light and tint."""
    bright = np.percentile(
        _inside(image_rgb, points[[*landmarks.CHEEKS, landmarks.CHIN, landmarks.FOREHEAD]]), 75, axis=0
    )
    outline = [*landmarks.LIP_OUTER_UPPER, *landmarks.LIP_OUTER_LOWER[::-1]]
    painted = np.median(_inside(image_rgb, points[outline]), axis=0)
    light = float(bright.mean())
    tint = 0.4 + 0.6 * bright / max(light, 1.0)  # a varnish is yellow inside the mouth too
    dark = np.array([0.21, 0.105, 0.085]) * light * tint
    tooth = 0.92 * (0.8 * bright + 0.2 * light)
    flesh = np.array([0.66, 0.33, 0.30]) * light * tint
    lip = painted * np.array([0.98, 0.80, 0.80])
    return dark.astype(np.float32), tooth.astype(np.float32), flesh.astype(np.float32), lip.astype(np.float32)


def _inside(image_rgb: Picture, points: NDArray[np.float64]) -> Field:
    """Return the pixels inside the hull of some points, (n, 3)."""
    mask = np.zeros(image_rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 255)
    pixels = image_rgb[mask > 0].astype(np.float32)
    return pixels if len(pixels) else np.full((1, 3), 128, np.float32)
