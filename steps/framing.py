"""Cut the upright frame of the video around a face.

A search over a few hundred possible windows picks the one that looks best: the face large enough to talk, its centre a
little above the middle, the whole head inside, as little as possible beyond the painting's edge. Where the window does
reach beyond, the painting is continued by its own blurred mirror image; it is never stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

WANTED_SHARE = 0.38  # width of the face box against the frame's width
SHARES = tuple(round(0.26 + 0.02 * step, 2) for step in range(17))  # 0.26 .. 0.58
CENTER_LOW, CENTER_HIGH = 0.38, 0.45  # of the face, from the top of the frame
_WANTED_CENTER = 0.41
# The detector's box reaches from the brows to the chin; the head is larger.
_HEAD_ABOVE, _HEAD_BELOW, _HEAD_ASIDE = 0.75, 0.35, 0.4  # of the box's height, height and width
_SEAM_SHARE = 0.06  # of the frame's width: how far the mirror image stays recognisable beyond the edge


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; x and y are its left upper corner, and may be negative."""

    x: float
    y: float
    w: float
    h: float

    def as_data(self) -> dict[str, int]:
        """Return it as rounded JSON values."""
        return {name: round(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Framing:
    """A frame and how it was cut."""

    frame: Pixels  # (height, width, 3), the channel order of the picture
    window: Box  # the frame's place, in pixels of the picture
    face: Box  # in pixels of the frame
    scale: float  # frame pixels a picture pixel
    beyond: float  # 0 .. 1: share of the frame that lies outside the picture


def frame_around(picture: Pixels, face: Box, *, width: int, height: int) -> Framing:
    """Cut a frame of exactly the given size around a face.

    Args:
        picture: uint8, (height, width, 3).
        face: The detector's box, in pixels of the picture.
        width: Of the frame, pixels.
        height: Of the frame, pixels.
    """
    window = best_window(picture.shape[1], picture.shape[0], face=face, aspect=height / width)
    scale = width / window.w
    inside = Box((face.x - window.x) * scale, (face.y - window.y) * scale, face.w * scale, face.h * scale)
    beyond = _beyond(window, picture.shape[1], picture.shape[0])
    frame = _cut(picture, window, width=width, height=height)
    if beyond > 0:
        frame = _soften_beyond(frame, picture, window)
    return Framing(frame, window=window, face=inside, scale=scale, beyond=beyond)


def best_window(picture_width: int, picture_height: int, *, face: Box, aspect: float) -> Box:
    """Return the window with the lowest penalty. The picture's size in pixels; `aspect` is height over width."""
    windows = _windows(picture_width, picture_height, face, aspect)
    return min(windows, key=lambda window: _penalty(window, face, picture_width, picture_height))


def _windows(picture_width: int, picture_height: int, face: Box, aspect: float) -> Iterator[Box]:
    center_x, center_y = face.x + face.w / 2, face.y + face.h / 2
    for share in SHARES:
        w = face.w / share
        h = w * aspect
        for x in {center_x - w / 2, _pushed(center_x - w / 2, w, picture_width)}:
            for place in (CENTER_LOW, _WANTED_CENTER, CENTER_HIGH):
                y = center_y - place * h
                yield Box(x, y, w, h)
                yield Box(x, _pushed(y, h, picture_height), w, h)


def _pushed(start: float, length: float, available: int) -> float:
    """Move an interval inside the picture, or centre it when it does not fit."""
    if length > available:
        return (available - length) / 2
    return min(max(0.0, start), available - length)


def _penalty(window: Box, face: Box, picture_width: int, picture_height: int) -> float:
    share = face.w / window.w
    place = (face.y + face.h / 2 - window.y) / window.h
    off_place = max(0.0, CENTER_LOW - place, place - CENTER_HIGH)
    off_middle = abs(face.x + face.w / 2 - window.x - window.w / 2) / window.w
    cut = _head_cut(window, face)
    beyond = _beyond(window, picture_width, picture_height)
    return (
        abs(math.log(share / WANTED_SHARE))
        + 12 * off_place
        + abs(place - _WANTED_CENTER)
        + 3 * off_middle
        + (4 * beyond + 0.05 if beyond else 0.0)  # a sliver of blur is not worth a better place
        + 20 * cut
    )


def _head_cut(window: Box, face: Box) -> float:
    """Return how far the head reaches over the window's edges, against the window's width."""
    over = (
        window.x - (face.x - _HEAD_ASIDE * face.w),
        (face.x + (1 + _HEAD_ASIDE) * face.w) - (window.x + window.w),
        window.y - (face.y - _HEAD_ABOVE * face.h),
        (face.y + (1 + _HEAD_BELOW) * face.h) - (window.y + window.h),
    )
    return sum(max(0.0, one) for one in over) / window.w


def _beyond(window: Box, picture_width: int, picture_height: int) -> float:
    width = min(window.x + window.w, picture_width) - max(0.0, window.x)
    height = min(window.y + window.h, picture_height) - max(0.0, window.y)
    share = 1 - max(0.0, width) * max(0.0, height) / (window.w * window.h)
    return share if share > 1e-6 else 0.0


def _cut(picture: Pixels, window: Box, *, width: int, height: int) -> Pixels:
    """Resample the window; beyond the picture's edge its mirror image goes on."""
    scale = width / window.w
    if scale < 1:  # shrink first by averaging, or fine lines would flicker
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        step_x, step_y = size[0] / picture.shape[1], size[1] / picture.shape[0]
        return _cut(
            np.asarray(shrunk, np.uint8),
            Box(window.x * step_x, window.y * step_y, float(width), float(height)),
            width=width,
            height=height,
        )
    matrix = np.array([[1 / scale, 0, window.x], [0, window.h / height, window.y]])
    frame = cv2.warpAffine(
        picture,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(frame, np.uint8)


def _soften_beyond(frame: Pixels, picture: Pixels, window: Box) -> Pixels:
    """Blur what lies beyond the picture, more with the distance, so that no mirrored head is recognised."""
    height, width = frame.shape[:2]
    scale = width / window.w
    left, top = -window.x * scale, -window.y * scale
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)
    over_x = np.maximum(0, np.maximum(left - x, x - (left + picture.shape[1] * scale - 1)))
    over_y = np.maximum(0, np.maximum(top - y, y - (top + picture.shape[0] * scale - 1)))
    distance = np.hypot(over_x[None, :], over_y[:, None])
    weight = np.clip(distance / (_SEAM_SHARE * width), 0, 1)[..., None]
    slight = cv2.GaussianBlur(frame, (0, 0), max(1.0, width / 150))
    small = cv2.resize(frame, (max(8, width // 8), max(8, height // 8)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), max(1.0, width / 128))
    strong = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)
    outside = slight * (1 - weight) + strong * weight
    seam = np.clip(distance / max(2.0, width / 100), 0, 1)[..., None]
    return np.asarray(np.round(frame * (1 - seam) + outside * seam), np.uint8)
