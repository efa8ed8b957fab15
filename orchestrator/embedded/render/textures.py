"""Fields of seeded noise: clouds, brush strokes, canvas, grain. Each is float32, (height, width)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.base import Field


def clouds(height: int, width: int, *, cell_px: float, rng: np.random.Generator, octaves: int = 4) -> Field:
    """Return soft, many-sized blotches, 0 .. 1 with an even share of every value.

    Args:
        height: Rows.
        width: Columns.
        cell_px: Size of the largest blotches.
        rng: Source of the noise.
        octaves: How many times half as large ones are added, at 0.55 of the strength.
    """
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for _ in range(octaves):
        rows, columns = (max(2, round(length / cell_px) + 2) for length in (height, width))
        coarse = rng.standard_normal((rows, columns)).astype(np.float32)
        total += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        strength, cell_px = strength * 0.55, max(1.5, cell_px / 2)
    return evened(total)


def strokes(height: int, width: int, *, length_px: float, rng: np.random.Generator) -> Field:
    """Return noise combed into short strokes whose direction wanders over the picture, 0 .. 1 evenly."""
    noise = rng.standard_normal((height, width)).astype(np.float32)
    angle = clouds(height, width, cell_px=0.5 * max(height, width), rng=rng, octaves=2) * 2 * np.pi
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    along_x, along_y = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    combed = cv2.GaussianBlur(noise, (0, 0), max(0.8, length_px / 12))
    # Averaging along the direction in doubling steps: 2**4 samples a stroke for eight lookups.
    step = length_px / 16
    for _ in range(4):
        ahead = cv2.remap(
            combed, x + step * along_x, y + step * along_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        combed = (combed + ahead) / 2
        step *= 2
    return evened(combed)


def canvas(height: int, width: int, *, thread_px: float) -> Field:
    """Return the relief of woven cloth, -1 .. 1."""
    x = np.arange(width, dtype=np.float32)[None, :] * (np.pi / thread_px)
    y = np.arange(height, dtype=np.float32)[:, None] * (np.pi / thread_px)
    over = np.sin(x) * np.sin(y) > 0
    return np.asarray(np.where(over, np.abs(np.sin(x)) - 0.6, np.abs(np.sin(y)) - 0.6), np.float32)


def grain(height: int, width: int, *, rng: np.random.Generator) -> Field:
    """Return film grain: fine noise, a little clumped, with a standard deviation of 1."""
    fine = rng.standard_normal((height, width)).astype(np.float32)
    clumped = cv2.GaussianBlur(fine, (0, 0), 0.8)
    mixed = fine + 2.0 * clumped
    return np.asarray(mixed / mixed.std(), np.float32)


def evened(values: NDArray[np.floating]) -> Field:
    """Spread values over 0 .. 1 so that each is as frequent as any other."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        return np.full(values.shape, 0.5, np.float32)
    counts, edges = np.histogram(values, 512, (low, high))
    share = np.concatenate([[0.0], np.cumsum(counts)]) / values.size
    return np.asarray(np.interp(values, edges, share), np.float32)
