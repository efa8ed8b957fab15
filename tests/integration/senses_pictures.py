"""Pictures for the tests of seeing: a drawn portrait that the detector takes for a face, and what surrounds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_SKIN = np.array([225, 180, 150], np.float32)  # RGB
# Ellipses in units of the face's width around its centre: x, y, half width, half height, colour, softness in pixels.
_BODY = (
    (0, 1.9, 1.15, 1.0, (90, 50, 60), 6),
    (0, 0.95, 0.25, 0.5, _SKIN * 0.8, 4),
    (0, -0.1, 0.66, 0.85, (55, 40, 35), 6),
    (0, 0.08, 0.5, 0.68, _SKIN, 5),
)
_EYE = (
    (0.2, -0.06, 0.13, 0.09, _SKIN * 0.78, 8),
    (0.2, -0.04, 0.09, 0.045, (240, 240, 235), 2),
    (0.2, -0.04, 0.04, 0.043, (70, 60, 50), 2),
    (0.2, -0.04, 0.018, 0.02, (10, 10, 10), 1.5),
    (0.2, -0.085, 0.1, 0.018, (60, 45, 40), 2),
    (0.2, -0.17, 0.13, 0.022, (65, 50, 45), 3),
)
_REST = (
    (0.03, 0.1, 0.035, 0.16, _SKIN * 0.9, 8),
    (-0.04, 0.26, 0.02, 0.014, _SKIN * 0.55, 2),
    (0.04, 0.26, 0.02, 0.014, _SKIN * 0.55, 2),
    (0, 0.40, 0.15, 0.045, (190, 95, 90), 3),
    (0, 0.395, 0.14, 0.008, (110, 50, 50), 2),
    (0, 0.56, 0.14, 0.03, _SKIN * 0.88, 8),
)


def ground(width: int, height: int) -> NDArray[np.float32]:
    """Return an empty dark background, RGB."""
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = (70, 75, 60)
    canvas += np.linspace(0, 40, height, dtype=np.float32)[:, None, None]
    return canvas


def draw_person(canvas: NDArray[np.float32], *, x: float, y: float, face_width: float) -> None:
    """Draw a person whose face is centred at x, y (pixels) onto a canvas."""
    rows, columns = np.mgrid[0 : canvas.shape[0], 0 : canvas.shape[1]].astype(np.float32)
    mirrored = tuple((-one[0], *one[1:]) for one in _EYE)
    for px, py, rx, ry, color, soft in (*_BODY, *_EYE, *mirrored, *_REST):
        u = (columns - x - px * face_width) / (rx * face_width)
        v = (rows - y - py * face_width) / (ry * face_width)
        inside = (1 - np.hypot(u, v)) * min(rx, ry) * face_width / soft + 0.5
        alpha = np.clip(inside, 0, 1)[..., None]
        canvas[:] = canvas * (1 - alpha) + np.asarray(color, np.float32) * alpha


def finished(canvas: NDArray[np.float32]) -> Pixels:
    """Return the canvas as pixels with the grain of a canvas, RGB."""
    grain = np.random.default_rng(1).normal(0, 5, canvas.shape)
    return np.clip(canvas + grain, 0, 255).astype(np.uint8)


def portrait(width: int = 480, height: int = 640, *, share: float = 0.36) -> Image.Image:
    """Return a portrait; the face's outline is `share` of the width."""
    canvas = ground(width, height)
    draw_person(canvas, x=width / 2, y=0.38 * height, face_width=share * width)
    return Image.fromarray(finished(canvas))


def couple() -> Image.Image:
    """Return a picture of two people."""
    canvas = ground(800, 600)
    draw_person(canvas, x=240, y=230, face_width=150)
    draw_person(canvas, x=560, y=230, face_width=130)
    return Image.fromarray(finished(canvas))


def landscape() -> Image.Image:
    """Return hills under a sky."""
    canvas = ground(640, 480)
    hills = 300 + 40 * np.sin(np.arange(640) / 70)
    canvas[np.arange(480)[:, None] > hills[None, :]] = (60, 110, 50)
    return Image.fromarray(finished(canvas))


def bgr(picture: Image.Image) -> Pixels:
    """Return a picture in OpenCV's order."""
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8)[:, :, ::-1])
