"""Seeded noise for clouds, cloth, hair and canvas: small random grids, enlarged smoothly."""

from __future__ import annotations

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array


def clouds(
    shape: tuple[int, ...], rng: np.random.Generator, *, cell_px: float, octaves: int = 4, stretch: float = 1.0
) -> Array:
    """Return soft noise around 0.5, mostly within 0 .. 1.

    Args:
        shape: Height and width.
        rng: Source.
        cell_px: Size of the largest blobs, pixels.
        octaves: How many times finer, weaker noise is added.
        stretch: Above 1 the blobs are this many times wider than high.
    """
    height, width = shape[0], shape[1]
    cell_px = max(cell_px, 1.0)
    total = np.zeros((height, width), np.float32)
    weight, weights = 1.0, 0.0
    for _ in range(octaves):
        if cell_px < 2 and weights:
            break
        rows = max(2, int(np.ceil(height / cell_px)) + 2)
        columns = max(2, int(np.ceil(width / (cell_px * stretch))) + 2)
        small = rng.random((rows, columns), np.float32)
        total += weight * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        weights += weight
        weight *= 0.5
        cell_px /= 2
    return np.asarray((total / weights - 0.5) * 1.35 + 0.5, np.float32)


def streaks(angle: Array, rng: np.random.Generator, *, length_px: int, grain_px: float = 1.0) -> Array:
    """Return noise smeared along a field of directions: hair, bristle marks. Mean 0, standard deviation 1.

    Args:
        angle: Direction at each pixel, radians; only its axis counts.
        rng: Source.
        length_px: How far a streak runs to either side.
        grain_px: Width of a streak.
    """
    height, width = angle.shape
    small = rng.random((max(2, int(height / grain_px)), max(2, int(width / grain_px))), np.float32) - 0.5
    noise = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    step = 1.5
    dx, dy = (np.cos(angle) * step).astype(np.float32), (np.sin(angle) * step).astype(np.float32)
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    # Doubling: each pass joins what the previous one smeared, so 2**n steps cost n look-ups per side.
    total, reach = noise, 1.0
    while reach * step <= length_px:
        ahead = cv2.remap(
            total, grid_x + dx * reach, grid_y + dy * reach, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        behind = cv2.remap(
            total, grid_x - dx * reach, grid_y - dy * reach, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        total = (total + ahead + behind) / 3
        reach *= 3
    total -= total.mean()
    return np.asarray(total / (total.std() + 1e-6), np.float32)
