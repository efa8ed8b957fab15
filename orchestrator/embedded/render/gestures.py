"""What a living head does besides speaking: it blinks, sways, nods, breathes, and its brows follow the voice.

Curves over the frames only; `eyes.py` and `sway.py` turn them into pixels. All begin and end at rest, so that a clip
joins its neighbours without a jump.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from orchestrator.embedded.render.base import Field, eased, rest_ramp

_CLOSING_S, _CLOSED_S, _OPENING_S = 0.09, 0.05, 0.16
_BLINK_EVERY_S = (1.6, 5.0)  # a talking person: 12 to 25 a minute
_STILL = re.compile(r"\b(?:static|fixed|locked|still)\s+(?:camera|shot|frame)|\bno camera", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Gestures:
    """The head over time; one number a frame."""

    blink: Field  # 0 open .. 1 closed
    brow: Field  # 0 at rest .. 1 raised
    sway_x: Field  # share of the face's width, to the right
    sway_y: Field  # share of the face's width, down
    roll_rad: Field  # clockwise
    breath: Field  # 0 out .. 1 in
    zoom: Field  # factor, 1 at rest


def gesture(emphasis: Field, *, fps: float, prompt: str, rng: np.random.Generator) -> Gestures:
    """Invent a performance for a voice.

    Args:
        emphasis: From the articulation, 0 .. 1 a frame.
        fps: Frames a second.
        prompt: Words such as "static camera" keep the camera still.
        rng: Decides when it blinks and how it sways.
    """
    frames = len(emphasis)
    time_s = np.arange(frames, dtype=np.float32) / fps
    ramp = rest_ramp(frames, edge=round(0.9 * fps))
    zoom = 0.0 if _STILL.search(prompt) else 0.03
    return Gestures(
        blink=_blinks(frames, fps=fps, rng=rng),
        brow=np.asarray((0.5 + 0.4 * eased(_drift(time_s, rng, 0.21) * 2)) * emphasis * ramp, np.float32),
        sway_x=0.016 * _drift(time_s, rng, 0.17) * ramp,
        sway_y=(0.007 * _drift(time_s, rng, 0.23) + 0.016 * emphasis) * ramp,
        roll_rad=np.radians(0.9) * _drift(time_s, rng, 0.13) * ramp,
        breath=(0.5 - 0.5 * np.cos(2 * np.pi * 0.27 * time_s)).astype(np.float32) * ramp,
        zoom=1 + zoom * np.asarray(rest_ramp(frames, edge=round(3.5 * fps)), np.float32),
    )


def _blinks(frames: int, *, fps: float, rng: np.random.Generator) -> Field:
    closing = np.zeros(frames, np.float32)
    time_s = (np.arange(frames, dtype=np.float32) + 0.5) / fps
    length_s = _CLOSING_S + _CLOSED_S + _OPENING_S
    start_s = float(rng.uniform(0.6, 2.0))
    while start_s + length_s + 0.2 < frames / fps:
        since_s = time_s - start_s
        down = eased(since_s / _CLOSING_S)
        up = eased((since_s - _CLOSING_S - _CLOSED_S) / _OPENING_S)
        closing = np.maximum(closing, np.asarray(down - up, np.float32))
        # Now and then a double blink.
        start_s += length_s + float(rng.uniform(*_BLINK_EVERY_S) if rng.random() > 0.12 else 0.12)
    return closing


def _drift(time_s: Field, rng: np.random.Generator, frequency_hz: float) -> Field:
    """Return a slow wandering curve within -1 .. 1."""
    curve = np.zeros(len(time_s), np.float32)
    for factor, weight in ((1.0, 0.6), (1.73, 0.27), (2.91, 0.13)):
        phase = rng.uniform(0, 2 * np.pi)
        curve += np.float32(weight) * np.sin(2 * np.pi * factor * frequency_hz * time_s + phase).astype(np.float32)
    return curve
