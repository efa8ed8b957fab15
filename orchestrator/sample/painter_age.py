"""What time does to a painting: varnish, grime in the corners, canvas, cracks, scratches. Work for the restorer."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, smoothstep
from orchestrator.sample.painter_noise import clouds


@dataclass(frozen=True)
class Wear:
    """How a painting has aged; each 0 .. 1."""

    varnish: float = 0.45  # yellow
    grime: float = 0.40  # dark corners, veils
    cracks: float = 0.35
    scratches: float = 0.30
    weave: float = 0.35  # how much canvas shows


def _weave(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    height, width = shape
    threads_x = np.sin(np.arange(width) * 2 * np.pi / 3.6 + rng.normal(0, 0.25, width).cumsum() * 0.12)
    threads_y = np.sin(np.arange(height) * 2 * np.pi / 3.6 + rng.normal(0, 0.25, height).cumsum() * 0.12)
    return (0.5 * threads_x[None, :] + 0.5 * threads_y[:, None]).astype(np.float32)


def _cracks(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw a net of cracks: the borders between the neighbourhoods of scattered points, bent. 1 in a crack."""
    height, width = shape
    cell = 27
    seeds = np.full(shape, 255, np.uint8)
    ys, xs = np.mgrid[0 : height + cell : cell, 0 : width + cell : cell]
    ys = np.clip(ys + rng.integers(-11, 12, ys.shape), 0, height - 1)
    xs = np.clip(xs + rng.integers(-11, 12, xs.shape), 0, width - 1)
    seeds[ys, xs] = 0
    _, owner = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    border = np.zeros(shape, np.uint8)
    border[1:, 1:] = 255 * ((owner[1:, 1:] != owner[1:, :-1]) | (owner[1:, 1:] != owner[:-1, 1:]))
    bend = [(clouds(shape, rng, cell_px=22, octaves=2) - 0.5) * 22 for _ in range(2)]
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = cv2.remap(border, grid_x + bend[0], grid_y + bend[1], cv2.INTER_LINEAR)
    small = (height // 4, width // 4)
    patchy = cv2.resize(smoothstep(0.40, 0.75, clouds(small, rng, cell_px=65, octaves=3)), (width, height))
    return np.asarray(bent.astype(np.float32) * (patchy / 255), np.float32)


def _scratches(shape: tuple[int, int], rng: np.random.Generator, *, amount: float) -> Array:
    """Draw a few thin scratches and flakes, mostly off the middle, where the face is. 1 where paint is lost."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    for _ in range(round(7 * amount)):
        x, y = rng.uniform(0.03, 0.97) * width, rng.choice([rng.uniform(0.02, 0.22), rng.uniform(0.68, 0.98)]) * height
        heading = rng.uniform(0, np.pi)
        steps = np.arange(9)
        path = np.stack([x + steps * 9 * np.cos(heading), y + steps * 9 * np.sin(heading)], axis=1)
        path += rng.normal(0, 0.8, path.shape).cumsum(axis=0)
        cv2.polylines(mask, [np.round(path * 16).astype(np.int32)], False, 190, 1, cv2.LINE_AA, 4)
    for _ in range(round(10 * amount)):
        at = (int(rng.uniform(0, 1) * width), int(rng.choice([rng.uniform(0, 0.15), rng.uniform(0.75, 1)]) * height))
        axes = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
        cv2.ellipse(mask, at, axes, float(rng.uniform(0, 180)), 0, 360, 170, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 0.6), np.float32)


def _dirt(shape: tuple[int, int], rng: np.random.Generator, *, amount: float) -> Array:
    """Return how much light grime takes, 0 .. 1: most in the corners."""
    height, width = shape[0] // 4, shape[1] // 4
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    corner = smoothstep(0.75, 1.75, (x * x) ** 1.2 + (y * y) ** 1.2)
    veil = np.clip(clouds((height, width), rng, cell_px=75, octaves=3) - 0.45, 0, 1)
    return np.asarray(cv2.resize(amount * (0.45 * corner + 0.12 * veil), (shape[1], shape[0])), np.float32)


def age(picture: Array, rng: np.random.Generator, *, wear: Wear) -> Array:
    """Return the picture as it looks after some centuries; float32 RGB 0 .. 1 in and out."""
    shape = (picture.shape[0], picture.shape[1])
    height, width = shape
    worn = 1 - _dirt(shape, rng, amount=wear.grime)
    worn *= 1 + 0.045 * wear.weave * _weave(shape, rng)
    cracks = wear.cracks * _cracks(shape, rng)
    light = cv2.warpAffine(cracks, np.array([[1, 0, 1.2], [0, 1, 1.2]], np.float32), (width, height))
    worn *= 1 - 0.42 * cracks
    out = picture * worn[..., None] + (0.035 * light)[..., None]
    lost = _scratches(shape, rng, amount=wear.scratches)[..., None]
    out += (np.array([0.72, 0.66, 0.54], np.float32) - out) * lost * 0.6
    # Old varnish tints the lights and lifts the darks to brown.
    lift = wear.varnish * 0.22 * np.array([0.10, 0.055, 0.0], np.float32)
    tint = 1 + wear.varnish * np.array([0.0, -0.035, -0.20], np.float32)
    return np.asarray(np.clip(out * (tint - lift) + lift, 0, 1), np.float32)
