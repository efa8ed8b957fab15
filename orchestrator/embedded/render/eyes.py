"""Eyes that blink and brows that rise.

The skin between brow and eye is stretched down over the eye, with the painted lash line at its lower edge; a brow is
shifted up together with the skin around it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import portrait as landmarks
from orchestrator.embedded.render.base import Field, Picture, as_picture, eased
from orchestrator.embedded.render.mouth_line import Axes, sample_grey
from orchestrator.embedded.render.portrait import Portrait

_BROW_RISE = 0.022  # of the face's height


class Eye:
    """One eye and the brow above it. Not changed by use; safe to share."""

    def __init__(self, image_rgb: Picture, portrait: Portrait, *, side: int) -> None:
        """Prepare the eye on the left (0) or the right (1) of the picture."""
        upper, lower = (list(lines[side]) for lines in (landmarks.EYES_UPPER, landmarks.EYES_LOWER))
        axes = Axes(portrait.points[upper[0]], portrait.points[upper[-1]])
        local = axes.local(portrait.points)
        half = axes.half
        self._upper, self._lower = _lid(local[upper], half), _lid(local[lower], half)
        shift = _lash_shift(image_rgb, axes, self._upper, self._lower)
        self._upper[-1] += shift
        self._lower[-1] += shift
        middle = float(np.polyval(self._lower, 0) - np.polyval(self._upper, 0))
        brow_y = float(local[list(landmarks.BROWS[side]), 1].mean())
        self._brow = np.array([local[list(landmarks.BROWS[side]), 0].mean(), min(brow_y, -1.2 * middle)])
        # Skin that can be pulled down: up to half-way to the brow.
        self._skin = float(
            np.clip(0.55 * (float(np.polyval(self._upper, 0)) - self._brow[1]), 0.4 * middle, 1.6 * middle)
        )
        self._lash = max(0.8, 0.12 * middle)
        self._rise = _BROW_RISE * portrait.height_px
        self._cut(image_rgb.shape, axes)
        self._across = (self._x / half).astype(np.float32)
        self._half = half

    def _cut(self, shape: tuple[int, ...], axes: Axes) -> None:
        top, bottom = self._brow[1] - 2.2 * axes.half, 1.2 * axes.half
        spots = axes.image(np.array([(x * axes.half, y) for x in (-2.1, 2.1) for y in (top, bottom)]))
        low = np.clip(np.floor(spots.min(axis=0)), 0, (shape[1] - 2, shape[0] - 2)).astype(int)
        high = np.clip(np.ceil(spots.max(axis=0)) + 1, low + 2, (shape[1], shape[0])).astype(int)
        self._columns, self._rows = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
        self._grid_x = np.arange(low[0], high[0], dtype=np.float32)[None, :]
        self._grid_y = np.arange(low[1], high[1], dtype=np.float32)[:, None]
        across, down = self._grid_x - axes.center[0], self._grid_y - axes.center[1]
        self._x = (axes.cosine * across + axes.sine * down).astype(np.float32)
        self._y = (axes.cosine * down - axes.sine * across).astype(np.float32)
        self._cosine, self._sine = axes.cosine, axes.sine

    def move(self, frame: Picture, *, closing: float, brow: float) -> None:
        """Shape the eye in a frame, in place.

        Args:
            frame: The portrait with the eye at rest.
            closing: 0 (as painted) .. 1 (closed).
            brow: 0 (as painted) .. 1 (raised).
        """
        if closing < 0.01 and brow < 0.02:
            return
        window = frame[self._rows, self._columns]
        lift = self._lifted(brow)
        moved = self._sample(window, lift) if brow >= 0.02 else window.copy()
        if closing >= 0.01:
            moved = self._close(window, moved, lift, closing)
        window[...] = moved

    def _lifted(self, brow: float) -> Field:
        """Return how far the skin moves up in each pixel."""
        x, y = self._x - self._brow[0], self._y - self._brow[1]
        above, below = (
            np.exp(-((np.minimum(y, 0) / (1.1 * self._half)) ** 2)),
            np.clip(1 - y / (-0.75 * self._brow[1]), 0, 1),
        )
        return np.asarray(
            brow * self._rise * np.exp(-((x / (1.15 * self._half)) ** 2)) * above * eased(below), np.float32
        )

    def _close(self, window: Picture, moved: Picture, lift: Field, closing: float) -> Picture:
        across, y = self._across, self._y
        bounded = np.clip(across, -1.15, 1.15)
        upper = np.polyval(self._upper, bounded).astype(np.float32)
        lower = np.polyval(self._lower, bounded).astype(np.float32)
        # The lower lid comes up a little, and the lids meet there.
        travel = closing * np.maximum(0.88 * (lower - upper), 0) * np.clip((1.08 - np.abs(across)) / 0.16, 0, 1)
        edge = upper + travel + self._lash
        crease = upper - self._skin * np.clip(1.15 - across * across, 0.0, 1)
        share = (y - crease) / np.maximum(edge - crease, 0.5)
        source_y = np.where((share > 0) & (share < 1.3), crease + share * (upper + self._lash - crease), y)
        lid = self._sample(window, lift + source_y - y).astype(np.float32)
        shade = 1 - 0.10 * closing * np.clip((y - upper) / np.maximum(travel, 0.5), 0, 1)
        lashes = 0.45 * closing * np.exp(-(((y - edge + 0.5 * self._lash) / (0.9 * self._lash)) ** 2)) * (travel > 0.3)
        lid *= (shade * (1 - lashes))[..., None]
        cover = np.clip((edge - y) / 1.2 + 0.5, 0, 1) * np.clip(travel / 0.6, 0, 1) * np.clip((y - crease) / 1.5, 0, 1)
        return as_picture(moved + (lid - moved) * cover[..., None])

    def _sample(self, window: Picture, up: Field) -> Picture:
        """Return the window with each pixel taken from `up` pixels further down, along the face."""
        map_x = self._grid_x - self._columns.start - self._sine * up
        map_y = self._grid_y - self._rows.start + self._cosine * up
        maps = map_x.astype(np.float32), map_y.astype(np.float32)
        return np.asarray(cv2.remap(window, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _lid(points: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """Return a lid's curve as a polynomial: x as a share of half the eye's width -> y in pixels."""
    return np.asarray(np.polyfit(points[:, 0] / half, points[:, 1], 3))


def _lash_shift(image_rgb: Picture, axes: Axes, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Return how many pixels further down than the landmarks say the painted lash line is (negative: further up).

    On the far side of a turned head the landmarks slip. The lash line is where it is dark below bright skin.
    """
    across = np.linspace(-0.8, 0.8, 17)
    height = max(1.5, float(np.polyval(lower, 0) - np.polyval(upper, 0)))
    shifts = np.linspace(-0.7, 0.7, 29) * height
    line_y = np.polyval(upper, across)[None, :] + shifts[:, None]
    x = np.broadcast_to(across * axes.half, line_y.shape)
    dark, skin = (
        sample_grey(image_rgb, axes.image(np.stack([x, line_y - up], axis=-1)), blur_px=max(0.5, 0.05 * axes.half))
        for up in (0.0, 0.45 * height)
    )
    contrast = (skin - dark).mean(axis=1)
    score = contrast / max(10.0, float(np.ptp(contrast))) - 1.8 * (shifts / height) ** 2
    return float(shifts[int(score.argmax())] - 0.1 * height)  # a sliver of the eye on the lid shows more than no lashes
