"""From one still to another: the stand-ins for the first-and-last-frame video model.

`morph` is the show: a glowing golden front sweeps over the picture and leaves the other one behind it. `return_to` is
the quiet way back into the painting. Both start and end exactly on the two pictures, so that clips join unseen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import textures
from orchestrator.embedded.render.base import Field, Picture, chance, eased
from orchestrator.embedded.render.sparkles import Sparkles

_HALF = 2  # noise and light are made at half the size
_EDGE = 0.15  # share of the clip in which a pixel changes over, in the show
_SOFT_EDGE = 0.42  # and on the way back
_DIRECTIONS = (  # words of the prompt -> where the front goes, x and y
    (re.compile(r"right to left", re.IGNORECASE), (-1.0, -0.25)),
    (re.compile(r"left to right", re.IGNORECASE), (1.0, -0.25)),
    (re.compile(r"(?:bottom to top|upwards?|bottom up)", re.IGNORECASE), (0.15, -1.0)),
    (re.compile(r"(?:top to bottom|downwards?|top down)", re.IGNORECASE), (-0.15, 1.0)),
)


def morph(start: Picture, end: Picture, *, frames: int, prompt: str, seed: int) -> Iterator[Picture]:
    """Turn one picture into another behind a sweep of golden sparkles.

    Args:
        start: The first frame.
        end: The last frame, of the same size.
        frames: How many frames, at least 2.
        prompt: May say where the sweep goes, such as "from left to right"; else the seed decides.
        seed: Decides the shape of the front and the sparkles.

    Raises:
        ValueError: the pictures differ in size.
    """
    height, width = _shared_size(start, end)
    rng = chance(seed, of="morph")
    direction = next((way for words, way in _DIRECTIONS if words.search(prompt)), None)
    if direction is None:
        angle = rng.uniform(-0.9, 0.3) + (np.pi if rng.random() < 0.5 else 0.0)
        direction = (float(np.cos(angle)), float(np.sin(angle)))
    arrival = _front(height // _HALF, width // _HALF, direction=direction, rng=rng)
    dust = _dust(arrival, (height, width), direction=direction, rng=rng)
    ripple = _slopes(arrival, width / 576)
    for frame in range(frames):
        at = frame / max(1, frames - 1)
        if frame in (0, frames - 1):
            yield (start if frame == 0 else end).copy()
            continue
        reached = _progress(at) * (1 + 2 * _EDGE) - _EDGE
        changed = eased((reached - arrival) / _EDGE + 0.5)
        mixed = _blend(start, end, changed)
        near = np.exp(-(((reached - arrival) / 0.05) ** 2))
        mixed = _warp(mixed, near, ripple, zoom=1 + 0.014 * float(np.sin(np.pi * at)) ** 2)
        fade = min(1.0, 8 * at, 8 * (1 - at))
        yield _lit(mixed, _light(near, dust, at, (height, width), edge=fade))


def return_to(start: Picture, end: Picture, *, frames: int, prompt: str, seed: int) -> Iterator[Picture]:
    """Let a picture settle into another: brush strokes spread softly, a canvas shows for a moment, a few motes rise.

    Args:
        start: The first frame.
        end: The last frame, of the same size.
        frames: How many frames, at least 2.
        prompt: With "sparkle" or "shimmer" there are more motes; a way back has no direction.
        seed: Decides strokes and motes.

    Raises:
        ValueError: the pictures differ in size.
    """
    height, width = _shared_size(start, end)
    rng = chance(seed, of="return")
    rows, columns = height // _HALF, width // _HALF
    arrival = 0.55 * textures.strokes(rows, columns, length_px=columns / 9, rng=rng)
    arrival = textures.evened(
        arrival + 0.45 * textures.clouds(rows, columns, cell_px=columns / 2.5, rng=rng, octaves=3)
    )
    weave = textures.canvas(rows * _HALF, columns * _HALF, thread_px=2.6 * max(1.0, width / 576))
    weave = cv2.resize(weave, (width, height)) * (5.5 * rng.uniform(0.9, 1.1))
    raised, sunken = (np.rint(np.maximum(sign * weave, 0)).astype(np.uint8) for sign in (1, -1))
    motes = _motes(90 if re.search(r"sparkl|shimmer", prompt, re.IGNORECASE) else 45, (height, width), rng=rng)
    for frame in range(frames):
        at = frame / max(1, frames - 1)
        if frame in (0, frames - 1):
            yield (start if frame == 0 else end).copy()
            continue
        reached = _progress(at) * (1 + _SOFT_EDGE) - _SOFT_EDGE / 2
        mixed = _blend(start, end, eased((reached - arrival) / _SOFT_EDGE + 0.5))
        shown = float(np.sin(np.pi * at)) ** 2
        for relief, put in ((raised, cv2.add), (sunken, cv2.subtract)):
            depth = cv2.convertScaleAbs(relief, alpha=shown)
            mixed = put(mixed, cv2.merge((depth, depth, depth)))
        yield _lit(mixed, _light(None, motes, at, (height, width), strength=0.85 * shown))


def _shared_size(start: Picture, end: Picture) -> tuple[int, int]:
    if start.shape != end.shape:
        raise ValueError(f"the pictures have different sizes: {start.shape} and {end.shape}")
    return start.shape[0], start.shape[1]


def _progress(at: float) -> float:
    """Return how far the front is: it starts and ends gently, without waiting."""
    return 0.35 * at + 0.65 * float(eased(at))


def _front(rows: int, columns: int, *, direction: tuple[float, float], rng: np.random.Generator) -> Field:
    """Return when the front reaches each pixel, 0 .. 1: a sweep with tongues like smoke."""
    x, y = np.linspace(-0.5, 0.5, columns)[None, :], np.linspace(-0.5, 0.5, rows)[:, None] * rows / columns
    sweep = x * direction[0] + y * direction[1]
    sweep = (sweep - sweep.min()) / np.ptp(sweep)
    smoke = textures.clouds(rows, columns, cell_px=columns / 1.6, rng=rng, octaves=3)
    wisps = textures.strokes(rows, columns, length_px=columns / 5, rng=rng)
    # Evened out, so that the front is as long in the middle of the clip as near its ends.
    return textures.evened(0.78 * sweep + 0.19 * smoke + 0.03 * wisps)


def _dust(
    arrival: Field, size: tuple[int, int], *, direction: tuple[float, float], rng: np.random.Generator
) -> Sparkles:
    """Return the sparkles that the front leaves behind, and some that run ahead of it."""
    height, width = size
    scale = width / 576
    count = 1_700
    places = rng.uniform((0, 0), (width, height), (count, 2))
    rows, columns = arrival.shape
    cells = np.minimum((places / _HALF).astype(int), (columns - 1, rows - 1))
    moments = np.linspace(0, 1, 256)
    reached = np.array([_progress(float(moment)) * (1 + 2 * _EDGE) - _EDGE for moment in moments])
    births = np.interp(arrival[cells[:, 1], cells[:, 0]], reached, moments) + rng.normal(-0.015, 0.03, count)
    life = (0.08, 0.26)
    births = np.clip(births, 0.02, 0.97 - life[1]).astype(np.float32)
    wind = (90 * scale * direction[0], -70 * scale + 60 * scale * direction[1])
    return Sparkles(births, places, scale=scale, wind=wind, life=life, rng=rng)


def _motes(count: int, size: tuple[int, int], *, rng: np.random.Generator) -> Sparkles:
    """Return a few lights that rise slowly all over the picture."""
    height, width = size
    births = rng.uniform(-0.2, 0.75, count).astype(np.float32)
    places = rng.uniform((0, 0.1 * height), (width, height), (count, 2))
    scale = width / 576
    return Sparkles(births, places, scale=scale, wind=(12 * scale, -110 * scale), life=(0.3, 0.6), rng=rng)


def _slopes(arrival: Field, scale: float) -> tuple[Field, Field]:
    """Return how the front bends the light that passes it: pixels x and y at its brightest."""
    smooth = cv2.GaussianBlur(arrival, (0, 0), 5 * scale)
    slope_x, slope_y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    steepest = float(np.percentile(np.hypot(slope_x, slope_y), 90)) or 1.0
    bend = np.float32(5 * scale)
    return np.clip(slope_x / steepest, -1, 1) * bend, np.clip(slope_y / steepest, -1, 1) * bend


def _blend(start: Picture, end: Picture, changed: NDArray[np.floating]) -> Picture:
    weight = cv2.resize(changed.astype(np.float32), (start.shape[1], start.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(start, end, 1 - weight, weight), np.uint8)


def _warp(picture: Picture, near: NDArray[np.floating], ripple: tuple[Field, Field], *, zoom: float) -> Picture:
    """Shimmer along the front, and a breath of the camera."""
    height, width = picture.shape[:2]
    x, y = _grid(height, width)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    shift = [cv2.resize((near * slope).astype(np.float32), (width, height)) for slope in ripple]
    map_x = (x - np.float32(middle_x)) * np.float32(1 / zoom) + np.float32(middle_x) + shift[0]
    map_y = (y - np.float32(middle_y)) * np.float32(1 / zoom) + np.float32(middle_y) + shift[1]
    return np.asarray(cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


@functools.lru_cache(maxsize=2)
def _grid(height: int, width: int) -> tuple[Field, Field]:
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]


def _light(
    near: NDArray[np.floating] | None,
    dust: Sparkles,
    at: float,
    size: tuple[int, int],
    *,
    strength: float = 1.0,
    edge: float = 0.0,
) -> NDArray[np.uint8]:
    """Return all the light of a moment in one channel: the front's edge, the lights, and the glow around both."""
    height, width = size
    sparks = np.zeros(size, np.uint8)
    dust.draw(sparks, at, strength=strength)
    small = (width // 4, height // 4)
    glow = cv2.resize(sparks, small, interpolation=cv2.INTER_AREA).astype(np.float32) * 1.7
    glow = cv2.GaussianBlur(glow, (0, 0), width / 260)
    if near is not None and edge > 0:
        line = cv2.resize(near.astype(np.float32), small, interpolation=cv2.INTER_AREA)
        core = line * line
        core *= core
        core *= core
        glow += cv2.GaussianBlur(core, (0, 0), width / 400) * (150 * edge)
        glow += cv2.GaussianBlur(line, (0, 0), width / 70) * (85 * edge)
    glow8 = np.clip(glow, 0, 255).astype(np.uint8)
    return np.asarray(cv2.add(sparks, cv2.resize(glow8, (width, height), interpolation=cv2.INTER_CUBIC)), np.uint8)


def _lit(picture: Picture, light: NDArray[np.uint8]) -> Picture:
    """Add golden light as a projector does: bright places get little more, so that a face is not burnt out."""
    gold = cv2.applyColorMap(light, _gold_table())
    return np.asarray(cv2.add(picture, cv2.multiply(cv2.bitwise_not(picture), gold, scale=1 / 255)), np.uint8)


@functools.cache
def _gold_table() -> NDArray[np.uint8]:
    """Return the colour of each strength of light: amber where it is faint, nearly white where it is strong."""
    share = np.arange(256) / 255
    table = np.stack([255 * share**0.85, 218 * share**1.15, 165 * share**2.0], axis=-1)
    return np.asarray(np.rint(table), np.uint8)[:, None, :]
