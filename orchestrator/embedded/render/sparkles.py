"""Golden dust: small lights that are born, twinkle, rise and fade.

They are drawn into one channel of light, which the caller turns into gold and adds to its picture.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.base import Field

_PHASES = 4  # sub-pixel positions a pixel, each way: slow dust would jump from pixel to pixel
_SIZES = (0.9, 1.4, 2.1, 3.1)  # pixels, at a picture 576 wide
_STARS = 2  # that many of the largest sizes have rays


class Sparkles:
    """All the lights of one clip. Not changed by use."""

    def __init__(
        self,
        births: Field,
        places: NDArray[np.float64],
        *,
        scale: float,
        wind: tuple[float, float],
        life: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        """Choose the lights.

        Args:
            births: When each is born, in shares of the clip; (n,).
            places: Where, in pixels x, y; (n, 2).
            scale: Size of the picture against one 576 pixels wide.
            wind: Pixels x, y that they drift in the time of a whole clip.
            life: Shortest and longest life, in shares of the clip.
            rng: Decides sizes, paths and twinkling.
        """
        count = len(births)
        self._births, self._places, self._scale = births, places, scale
        self._life = rng.uniform(*life, count)
        self._size = rng.choice(len(_SIZES), count, p=(0.40, 0.33, 0.19, 0.08))
        self._drift = np.array(wind) * rng.uniform(0.5, 1.5, (count, 1)) + rng.normal(0, 30 * scale, (count, 2))
        self._curl = rng.uniform(0, 2 * np.pi, (count, 2))
        self._twinkle = rng.uniform(8, 22, count)
        self._power = rng.uniform(0.6, 1.0, count)

    def draw(self, light: NDArray[np.uint8], at: float, *, strength: float = 1.0) -> None:
        """Draw the lights that live at a moment into a channel of light, in place.

        Args:
            light: uint8, (height, width); each pixel keeps the brighter value.
            at: Moment, 0 .. 1 of the clip.
            strength: 0 .. 1.
        """
        age = (at - self._births) / self._life
        for index in np.flatnonzero((age > 0) & (age < 1)):
            old = float(age[index])
            wave = self._curl[index]
            shimmer = 0.6 + 0.4 * np.sin(2 * np.pi * self._twinkle[index] * at + wave[0])
            power = strength * self._power[index] * shimmer * np.sin(np.pi * old) ** 0.7
            lived = old * self._life[index]
            curl = 7 * self._scale * np.sin(2 * np.pi * 1.3 * old + wave)
            x, y = self._places[index] + self._drift[index] * lived + curl * old
            _stamp(light, float(x), float(y), size=int(self._size[index]), scale=self._scale, power=float(power))


def _stamp(light: NDArray[np.uint8], x: float, y: float, *, size: int, scale: float, power: float) -> None:
    column, row = int(np.floor(x)), int(np.floor(y))
    sprite = _sprites(size, round(scale, 3))[int((y - row) * _PHASES)][int((x - column) * _PHASES)]
    reach = sprite.shape[0] // 2
    top, left = row - reach, column - reach
    height, width = light.shape
    if top >= height or left >= width or row + reach < 0 or column + reach < 0:
        return
    seen = sprite[max(0, -top) : height - top, max(0, -left) : width - left]
    part = light[max(0, top) : row + reach + 1, max(0, left) : column + reach + 1]
    np.maximum(part, (seen * (255 * power)).astype(np.uint8), out=part)


@functools.cache
def _sprites(size: int, scale: float) -> list[list[Field]]:
    """Return the pictures of one light for every sub-pixel position, [phase y][phase x], 0 .. 1."""
    sigma = max(0.6, _SIZES[size] * scale)
    has_rays = size >= len(_SIZES) - _STARS
    reach = int(np.ceil(sigma * (7 if has_rays else 3.2)))
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    sprites = []
    for phase_y in range(_PHASES):
        row = []
        for phase_x in range(_PHASES):
            x = (axis - (phase_x + 0.5) / _PHASES)[None, :]
            y = (axis - (phase_y + 0.5) / _PHASES)[:, None]
            spot = np.exp(-(x * x + y * y) / (2 * (0.7 * sigma) ** 2))
            if has_rays:
                thin, long = 0.32 * sigma + 0.25, 2.4 * sigma
                rays = np.exp(-np.abs(x) / long - (y / thin) ** 2) + np.exp(-np.abs(y) / long - (x / thin) ** 2)
                spot = np.clip(spot + 0.55 * rays - 0.03, 0, 1)
            row.append(spot.astype(np.float32))
        sprites.append(row)
    return sprites
