"""What pictures and clips show, in numbers: how bright, how varied, how much they move, how near they are to another.

Measuring is separate from judging (`checks.py`): the same numbers are shown in the review whether or not they pass.
Everything is measured on small copies, on which grain, compression and a pixel of shift weigh nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from steps.errors import BadOutput
from steps.external.ffmpeg import Image, read_frames

SMALL_SIDE = 128
"""Longer side of the small copies, pixels."""

REGION_SIDE = 64
"""Longer side of the copies of parts, pixels."""

MAX_PIXELS = 64_000_000
Stack = NDArray[np.uint8]
"""Small copies one after the other: uint8, (n, height, width, 3), RGB."""


@dataclass(frozen=True)
class Box:
    """A part of a picture, as shares of its width and height: 0 .. 1."""

    left: float
    top: float
    right: float
    bottom: float

    def cut(self, image: Image) -> Image:
        """Return that part of a picture; at least one pixel."""
        height, width = image.shape[:2]
        left, top = (
            int(np.clip(v, 0, size - 1)) for v, size in ((self.left * width, width), (self.top * height, height))
        )
        right = int(np.clip(round(self.right * width), left + 1, width))
        bottom = int(np.clip(round(self.bottom * height), top + 1, height))
        return image[top:bottom, left:right]


@dataclass(frozen=True)
class Footage:
    """What was kept of a clip."""

    first: Image  # whole picture, the first frame
    last: Image  # whole picture, the last frame that was kept
    small: Stack  # every n-th frame, whole
    regions: Mapping[str, Stack]  # every n-th frame, parts


def read_picture(path: Path) -> Image:
    """Return a picture file as RGB.

    Raises:
        BadOutput: not a picture, damaged, or beyond `MAX_PIXELS`.
    """
    try:
        with Pillow.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadOutput(f"{path.name}: {picture.width}x{picture.height} is larger than any picture of ours")
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise BadOutput(f"{path.name} is not a readable picture: {error}", path=str(path)) from error


def watch(path: Path, *, every: int = 3, regions: Mapping[str, Box] | None = None) -> Footage:
    """Read a clip once and keep small copies of every n-th frame.

    Args:
        path: Any video.
        every: One frame of this many is kept.
        regions: Parts to keep copies of as well.

    Raises:
        BadOutput: not a readable video.
    """
    small: list[Image] = []
    parts: dict[str, list[Image]] = {name: [] for name in regions or {}}
    first = last = None
    for _, frame in read_frames(path, every=every):
        first = frame if first is None else first
        last = frame
        small.append(shrink(frame))
        for name, box in (regions or {}).items():
            parts[name].append(shrink(box.cut(frame), REGION_SIDE))
    if first is None or last is None:
        raise BadOutput(f"{path.name} has no pictures", path=str(path))
    stacks = {name: np.stack(copies) for name, copies in parts.items()}
    return Footage(first=first, last=last, small=np.stack(small), regions=stacks)


def shrink(image: Image, side: int = SMALL_SIDE) -> Image:
    """Return a copy whose longer side has so many pixels; a smaller picture stays as it is."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def brightest(image: Image) -> float:
    """Return the level of the brightest hundredth of a picture: 0 .. 255. Dark paintings have lights, too."""
    return float(np.percentile(image, 99))


def variety(image: Image) -> float:
    """Return the standard deviation of a picture's luma, in levels; 0 for one colour."""
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std())


def difference(one: Image, other: Image) -> float:
    """Return the mean absolute difference of two pictures in levels, 0 .. 255. Sizes may differ."""
    a, b = shrink(one), shrink(other)
    if a.shape != b.shape:
        b = np.asarray(cv2.resize(b, (a.shape[1], a.shape[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return float(cv2.absdiff(a, b).mean())


def travel(stack: Stack) -> float:
    """Return how far any spot of a clip ever gets from its first frame, in levels; the light's own changes taken out.

    The largest spot and not the mean: in a portrait that talks, all but the mouth may rest, while a hard compression
    changes every spot a little.
    """
    luma = luma_of(stack)
    return float(np.abs(luma - luma[0]).max())


def luma_of(stack: Stack) -> NDArray[np.float32]:
    """Return the luma of each copy, float32 (n, height, width), with the same mean in all."""
    luma = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in stack]).astype(np.float32)
    return np.asarray(luma - luma.mean(axis=(1, 2), keepdims=True), dtype=np.float32)
