"""A still with a slow camera: the stand-in for plain image-to-video models.

The foreground (a face, or the middle of the picture) moves a little more than its background, which gives the eye a
sense of depth. Where the camera goes is read from the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orchestrator.embedded.render.base import Picture, chance, eased
from orchestrator.embedded.render.portrait import read_portrait
from orchestrator.embedded.render.sway import Stage

_ZOOM = 0.10
_PAN_SHARE = 0.035  # of the picture's width
_WORDS = {
    "still": re.compile(r"\b(?:static|fixed|locked)\b|\bno camera", re.IGNORECASE),
    "out": re.compile(r"zoom(?:s|ing)?[ -]out|pull(?:s|ing)?[ -]?(?:back|out)|dolly[ -]out", re.IGNORECASE),
    "in": re.compile(r"zoom|push(?:es|ing)?[ -]?in|dolly|closer|approach", re.IGNORECASE),
    "left": re.compile(r"(?:pan|track|move|slide|drift)\w*\b[^.,;]{0,30}\bleft", re.IGNORECASE),
    "right": re.compile(r"(?:pan|track|move|slide|drift)\w*\b[^.,;]{0,30}\bright", re.IGNORECASE),
    "up": re.compile(r"(?:tilt|pan|crane|rise)\w*\b[^.,;]{0,30}\bup", re.IGNORECASE),
    "down": re.compile(r"(?:tilt|pan|crane|sink)\w*\b[^.,;]{0,30}\bdown", re.IGNORECASE),
}


@dataclass(frozen=True)
class _Camera:
    zoom_from: float  # factors about the foreground
    zoom_to: float
    pan_x: float  # -1 .. 1: where the camera travels to, of the largest travel
    pan_y: float


def animate(image_rgb: Picture, *, frames: int, prompt: str, seed: int) -> Iterator[Picture]:
    """Move a still: zoom, pan or drift, by the words of the prompt. It starts on the picture, unless it zooms out.

    Args:
        image_rgb: The picture.
        frames: How many frames.
        prompt: Such as "slow zoom out", "pan left", "static camera"; without such words the camera comes closer.
        seed: Decides the slight sway of the foreground.

    Raises:
        ResourceMissing: the face models are not installed.
    """
    rng = chance(seed, of="drift")
    camera = _read(prompt)
    portrait = read_portrait(image_rgb)
    height, width = image_rgb.shape[:2]
    if portrait is None:
        stage = Stage(image_rgb.shape, center=np.array((width / 2, 0.45 * height)), radius=0.24 * width)
    else:
        stage = Stage(image_rgb.shape, center=portrait.center, radius=portrait.width_px / 2)
    phases = rng.uniform(0, 2 * np.pi, 3)
    travel_px = _PAN_SHARE * width
    for frame in range(frames):
        at = frame / max(1, frames - 1)
        eased_at = 0.4 * at + 0.6 * float(eased(at))
        sway = np.sin(2 * np.pi * np.array((1.0, 0.8, 0.6)) * at + phases) - np.sin(phases)
        yield stage.move(
            image_rgb,
            shift_x=-camera.pan_x * eased_at * travel_px * 0.5 + 0.0035 * width * float(sway[0]),
            shift_y=-camera.pan_y * eased_at * travel_px * 0.5 + 0.0025 * width * float(sway[1]),
            roll_rad=float(np.radians(0.35) * sway[2]),
            breath_px=0.004 * width * float(np.sin(np.pi * at * max(1, round(frames / 60))) ** 2),
            zoom=camera.zoom_from + (camera.zoom_to - camera.zoom_from) * eased_at,
            pan=(camera.pan_x * eased_at * travel_px, camera.pan_y * eased_at * travel_px),
        )


def _read(prompt: str) -> _Camera:
    said = {name for name, words in _WORDS.items() if words.search(prompt)}
    pan_x, pan_y = float("right" in said) - float("left" in said), float("down" in said) - float("up" in said)
    if "still" in said:
        return _Camera(1.0, 1.0, 0.0, 0.0)
    if "out" in said:
        return _Camera(1 + _ZOOM, 1.0, pan_x, pan_y)
    if pan_x or pan_y:
        # Room for the travel: the frame must never leave the picture.
        return _Camera(1.0, 1 + 0.9 * _ZOOM, pan_x, pan_y)
    return _Camera(1.0, 1 + _ZOOM * (1.0 if "in" in said else 0.6), 0.0, 0.0)
