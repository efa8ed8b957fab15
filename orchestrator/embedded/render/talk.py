"""A still portrait that speaks: the stand-in for the audio-driven video model.

The voice opens the mouth (`articulation`, `mouth`), chance adds blinks and a sway (`gestures`, `eyes`, `sway`). The
clip starts and ends on the picture as it is. A picture without a face breathes and drifts instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.articulation import Articulation, articulate
from orchestrator.embedded.render.base import Picture, chance, rest_ramp
from orchestrator.embedded.render.eyes import Eye
from orchestrator.embedded.render.gestures import Gestures, gesture
from orchestrator.embedded.render.mouth import Mouth
from orchestrator.embedded.render.portrait import Portrait, read_portrait
from orchestrator.embedded.render.sway import Stage

_SHARPEN = 0.35  # makes up for what sampling between pixels softens
_BREATH_SHARE = 0.012  # of the face's width


def talk(
    image_rgb: Picture,
    samples: NDArray[np.float32],
    rate_hz: int,
    *,
    frames: int,
    fps: float,
    prompt: str,
    seed: int,
) -> Iterator[Picture]:
    """Make a portrait speak. The face is searched for when the first frame is asked for.

    Args:
        image_rgb: The portrait.
        samples: The voice, mono, -1 .. 1; frames after its end are silent.
        rate_hz: Its samples a second.
        frames: How many frames.
        fps: Frames a second.
        prompt: "static camera" and the like keep the camera still.
        seed: Decides blinks and sway.

    Yields:
        Frames of the picture's size; the first and the last are the picture itself.

    Raises:
        ResourceMissing: the face models are not installed.
    """
    voice = articulate(samples, rate_hz, frames=frames, fps=fps)
    performance = gesture(voice.emphasis, fps=fps, prompt=prompt, rng=chance(seed, of="talk"))
    portrait = read_portrait(image_rgb)
    height, width = image_rgb.shape[:2]
    if portrait is None:
        actor = None
        stage = Stage(image_rgb.shape, center=np.array((width / 2, 0.42 * height)), radius=0.22 * width)
        unit_px = 0.44 * width
    else:
        actor = _Actor(image_rgb, portrait, voice, performance)
        stage = Stage(image_rgb.shape, center=portrait.center, radius=portrait.width_px / 2)
        unit_px = portrait.width_px
    sharp = _sharpened(image_rgb)
    presence = rest_ramp(frames, edge=max(2, round(0.35 * fps)))
    for frame in range(frames):
        if presence[frame] == 0:
            yield image_rgb.copy()
            continue
        face = cv2.addWeighted(sharp, float(presence[frame]), image_rgb, 1 - float(presence[frame]), 0)
        if actor is not None:
            actor.act(face, frame)
        yield stage.move(
            face,
            shift_x=float(performance.sway_x[frame]) * unit_px,
            shift_y=float(performance.sway_y[frame]) * unit_px,
            roll_rad=float(performance.roll_rad[frame]),
            breath_px=float(performance.breath[frame]) * _BREATH_SHARE * unit_px,
            zoom=float(performance.zoom[frame]),
        )


class _Actor:
    """The moving parts of one face, with their parts in the play."""

    def __init__(self, image_rgb: Picture, portrait: Portrait, voice: Articulation, performance: Gestures) -> None:
        self._eyes = [Eye(image_rgb, portrait, side=side) for side in (0, 1)]
        self._mouth = Mouth(image_rgb, portrait)
        self._voice, self._performance = voice, performance

    def act(self, face: Picture, frame: int) -> None:
        """Give a picture of the face at rest its expression in a frame, in place."""
        closing, brow = float(self._performance.blink[frame]), float(self._performance.brow[frame])
        for eye in self._eyes:
            eye.move(face, closing=closing, brow=brow)
        self._mouth.move(face, opening=float(self._voice.opening[frame]), width=float(self._voice.width[frame]))


def _sharpened(image_rgb: Picture) -> Picture:
    return np.asarray(cv2.addWeighted(image_rgb, 1 + _SHARPEN, cv2.GaussianBlur(image_rgb, (0, 0), 0.9), -_SHARPEN, 0))
