"""The painter's hand: a smooth picture laid down again in strokes, broad ones first, fine ones where it matters."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter_geometry import Array
from orchestrator.sample.painter_noise import clouds, streaks


@dataclass(frozen=True)
class Hand:
    """How a painter paints."""

    sizes_px: tuple[float, ...] = (26, 13, 6.5)  # widths of the strokes, broad to fine, for a picture 1200 px high
    length: float = 3.2  # of a stroke, in widths
    wobble: float = 0.35  # radians: how unsteady the direction is
    jitter: float = 0.030  # how much the colour of strokes varies, 0 .. 0.2
    bristle: float = 0.030  # depth of the marks of the bristles
    care: float = 0.80  # 0 .. 1: how finished the face is
    finish: float = 0.35  # 0 .. 1: how finished the rest is


@dataclass(frozen=True)
class Strokes:
    """Where strokes of one width go."""

    points: NDArray[np.int32]  # (n, 3, 2), 1/16 pixels
    colors: NDArray[np.uint8]  # (n, 3)
    width_px: int


def directions(grey: Array, rng: np.random.Generator, *, wobble: float) -> Array:
    """Return the direction to stroke in at each pixel, radians: along edges; elsewhere as the wrist swings."""
    height, width = grey.shape
    small = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.5)
    gx, gy = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    # The double angle of the gradient can be averaged; the angle itself cannot.
    along = cv2.GaussianBlur(gx * gx - gy * gy, (0, 0), 5)
    across = cv2.GaussianBlur(2 * gx * gy, (0, 0), 5)
    swing = (clouds(small.shape, rng, cell_px=90, octaves=2) - 0.5) * 5.0 + 1.9
    calm = 2e-4
    along, across = along - calm * np.cos(2 * swing), across - calm * np.sin(2 * swing)
    angle = 0.5 * np.arctan2(across, along) + np.pi / 2
    angle = angle + (clouds(small.shape, rng, cell_px=14, octaves=2) - 0.5) * 2 * wobble
    return np.asarray(
        cv2.resize(angle.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST), np.float32
    )


def _lay_out(
    wanted: Array,
    canvas: NDArray[np.uint8] | None,
    angle: Array,
    rng: np.random.Generator,
    *,
    size_px: float,
    hand: Hand,
) -> Strokes:
    """Choose where strokes of one width are needed, in which direction and colour; everywhere on a bare canvas."""
    height, width = angle.shape
    coarse = 2 if size_px > 8 else 1  # broad strokes need no fine colours
    small = wanted[::coarse, ::coarse]
    blurred = cv2.GaussianBlur(small, (0, 0), max(0.8, size_px * 0.32 / coarse))
    step = size_px * (0.62 if size_px > 8 else 0.74)
    ys, xs = np.meshgrid(np.arange(step / 2, height, step), np.arange(step / 2, width, step), indexing="ij")
    xs = np.clip(xs + rng.uniform(-0.5, 0.5, xs.shape) * step, 0, width - 1).ravel().astype(np.float32)
    ys = np.clip(ys + rng.uniform(-0.5, 0.5, ys.shape) * step, 0, height - 1).ravel().astype(np.float32)
    color = blurred[(ys / coarse).astype(int), (xs / coarse).astype(int)] * 255
    if canvas is not None:
        missing = np.abs(color - canvas[ys.astype(int), xs.astype(int)]).max(axis=1)
        chosen = missing > 8 + 6 * rng.random(len(xs))
        xs, ys, color = xs[chosen], ys[chosen], color[chosen]
    order = rng.permutation(len(xs))
    xs, ys, color = xs[order], ys[order], color[order]
    reach = size_px * hand.length / 2 * rng.uniform(0.7, 1.3, len(xs)).astype(np.float32)
    lightness = rng.normal(0, 1, (len(xs), 1)) * (color.mean(axis=1, keepdims=True) * 0.8 + 30)
    color = color + hand.jitter * (lightness + rng.normal(0, 0.20, (len(xs), 3)) * color)
    points = _walk(xs, ys, reach, angle)
    return Strokes(points, np.clip(color, 0, 255).astype(np.uint8), max(1, round(size_px)))


def _walk(xs: Array, ys: Array, reach: Array, angle: Array) -> NDArray[np.int32]:
    """Follow the field from each start, a step back and a step ahead. Returns (n, 3, 2), 1/16 pixels."""
    height, width = angle.shape
    start = angle[ys.astype(int), xs.astype(int)]
    ahead_x, ahead_y = xs + 0.5 * np.cos(start) * reach, ys + 0.5 * np.sin(start) * reach
    row, column = np.clip(ahead_y, 0, height - 1).astype(int), np.clip(ahead_x, 0, width - 1).astype(int)
    heading = angle[row, column]
    # A direction has no sign: go on the way we came.
    heading = np.where(np.cos(heading - start) < 0, heading + np.pi, heading)
    places = [
        (xs - np.cos(start) * reach, ys - np.sin(start) * reach),
        (xs, ys),
        (xs + np.cos(heading) * reach, ys + np.sin(heading) * reach),
    ]
    return np.round(np.stack([np.stack(place, axis=1) for place in places], axis=1) * 16).astype(np.int32)


def _apply(canvas: NDArray[np.uint8], strokes: Strokes) -> None:
    width = strokes.width_px
    for points, color in zip(strokes.points, strokes.colors.tolist(), strict=True):
        cv2.polylines(canvas, [points], False, color, width, cv2.LINE_AA, 4)


def brush(picture: Array, focus: Array, rng: np.random.Generator, *, hand: Hand) -> Array:
    """Paint a picture again, in strokes.

    Args:
        picture: float32 (height, width, 3), 0 .. 1.
        focus: float32 (height, width), 0 .. 1: where the painter takes care: the face, most of all eyes and mouth.
        rng: Source of the hand's unsteadiness.
        hand: How it paints.

    Returns:
        float32 (height, width, 3), 0 .. 1.
    """
    height = picture.shape[0]
    grey = picture @ np.array([0.30, 0.59, 0.11], np.float32)
    angle = directions(grey, rng, wobble=hand.wobble)
    canvas = np.zeros(picture.shape, np.uint8)
    for index, size in enumerate(hand.sizes_px):
        known = canvas if index else None
        _apply(canvas, _lay_out(picture, known, angle, rng, size_px=size * height / 1200, hand=hand))
    painted = canvas.astype(np.float32) / 255
    keep = hand.finish + (hand.care - hand.finish) * focus
    painted += (picture - painted) * keep[..., None]
    marks = streaks(angle, rng, length_px=9, grain_px=1.6)
    # Paint stands in ridges that catch the light from the upper left.
    ridge = marks - cv2.warpAffine(marks, np.array([[1, 0, 1.0], [0, 1, 1.0]], np.float32), marks.shape[::-1])
    depth = hand.bristle * (1 - 0.75 * focus)
    return np.asarray(np.clip(painted * (1 + (depth * (0.5 * marks + 0.7 * ridge))[..., None]), 0, 1), np.float32)
