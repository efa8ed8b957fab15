"""What all the picture renderers share: the picture type, seeded chance and eased time.

Pictures are uint8, (height, width, 3), RGB. Renderers never change the picture they are given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]
"""One number a pixel, or a curve."""


def chance(seed: int, *, of: str) -> np.random.Generator:
    """Return the random source of one renderer: the same for the same seed, different between renderers."""
    return np.random.default_rng([seed % 2**64, *of.encode()])


def eased(value: Any) -> Any:
    """Map 0 .. 1 onto 0 .. 1 with no speed at either end (smoothstep); values outside are clipped."""
    clipped = np.clip(value, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def rest_ramp(frames: int, *, edge: int) -> Field:
    """Return a curve over the frames that is 0 at the first and the last and 1 between, eased over `edge` frames."""
    index = np.arange(frames, dtype=np.float32)
    nearest = np.minimum(index, frames - 1 - index)
    return np.asarray(eased(nearest / max(1.0, min(edge, frames / 3))), np.float32)


def as_picture(values: NDArray[Any]) -> Picture:
    """Round numbers of the range 0 .. 255 to a picture."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
