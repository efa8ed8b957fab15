"""What stands out from a face: brows, sockets, nose, lips, cheeks and the furrows of age."""

from __future__ import annotations

import numpy as np

from orchestrator.sample.painter_geometry import Array, Face, marks, smoothstep


def bump(x: Array, y: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """Return a Gaussian hill of height 1."""
    return np.asarray(np.exp(-0.5 * (((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2)), np.float32)


def mouth_line(face: Face, x: Array) -> Array:
    """Return the height y of the line between the lips at x, head units."""
    m = marks(face)
    t = np.clip(x / m.mouth_half, -1.3, 1.3)
    dip = 0.012 * np.exp(-((t / 0.22) ** 2)) - 0.008 * np.exp(-(((np.abs(t) - 0.45) / 0.25) ** 2))
    return np.asarray(m.mouth_y + dip - 0.055 * face.smile * (t * t - 0.25), np.float32)


def _nose(face: Face, x: Array, y: Array) -> Array:
    m = marks(face)
    side = np.abs(x)
    s = np.clip((y + 0.08) / (m.nose_tip + 0.08), 0, 1)
    ridge = np.interp(s, [0, 0.25, 0.5, 0.8, 1.0], [0.050, 0.10, 0.16, 0.235, 0.265]).astype(np.float32)
    ridge = ridge + 0.03 * face.nose_hook * np.sin(np.pi * s) * (1 + 0.3 * face.male)
    half = np.interp(s, [0, 0.25, 0.6, 1.0], [0.075, 0.062, 0.078, 0.095]).astype(np.float32) * face.nose_width
    height = ridge * np.exp(-(np.abs(side / half) ** 1.8) * 0.7)
    # The lower edge hangs lowest in the middle and rises towards the wings.
    base = m.nose_base + 0.012 - 0.25 * side * side / (0.12 * face.nose_width)
    under = 1 - smoothstep(-0.05, 0.028, y - base)
    nose = height * under * smoothstep(-0.30, -0.02, y)
    wing = (0.112 * face.nose_width, m.nose_base - 0.052)
    nose += 0.095 * bump(side, y, wing, (0.036, 0.046)) * (1 - smoothstep(-0.02, 0.03, y - m.nose_base))
    nose += 0.055 * bump(x, y, (0, m.nose_tip), (0.062 * face.nose_width, 0.052))
    nose -= 0.03 * bump(side, y, (0.165 * face.nose_width, m.nose_base - 0.055), (0.018, 0.045))
    return np.asarray(nose * face.nose_height, np.float32)


def _eyes(face: Face, x: Array, y: Array) -> Array:
    m = marks(face)
    side = np.abs(x)
    sockets = -0.105 * bump(side, y, (m.eye_x * 0.95, -0.075), (0.165, 0.075))
    sockets -= 0.05 * bump(side, y, (m.eye_x, 0.08), (0.16, 0.055))
    sockets -= 0.06 * bump(side, y, (0.14, -0.03), (0.045, 0.08))
    away = (((side - m.eye_x) / 0.165) ** 2 + ((y + 0.005) / 0.110) ** 2) / face.eye_size**2
    balls = 0.080 * np.exp(-(away**1.6) * 0.75)
    bags = face.age * (
        0.026 * bump(side, y, (m.eye_x, 0.150), (0.11, 0.030)) - 0.022 * bump(side, y, (m.eye_x, 0.215), (0.13, 0.022))
    )
    ridge = (0.014 + 0.034 * face.male) * bump(side, y, (0.27, m.brow_y + 0.03), (0.20, 0.055))
    return np.asarray(sockets + balls + bags + ridge, np.float32)


def _mouth(face: Face, x: Array, y: Array) -> Array:
    m = marks(face)
    line = mouth_line(face, x)
    t = x / m.mouth_half
    within = smoothstep(1.12, 0.75, np.abs(t))
    full = face.lip_fullness
    muzzle = 0.065 * bump(x, y, (0, m.mouth_y - 0.01), (0.25, 0.17))
    upper = 0.026 * full * np.exp(-(((line - y - 0.035 * full) / (0.032 * full)) ** 2)) * within
    lower = (
        0.042 * full * np.exp(-(((y - line - 0.055 * full) / (0.043 * full)) ** 2)) * smoothstep(1.05, 0.35, np.abs(t))
    )
    groove = -0.030 * np.exp(-(((y - line) / 0.015) ** 2)) * within
    corner = -0.028 * bump(np.abs(x), y, (m.mouth_half * 1.05, m.mouth_y - 0.04 * face.smile), (0.035, 0.035))
    below = -0.034 * bump(x, y, (0, m.mouth_y + 0.10 + 0.07 * full), (0.15, 0.035))
    philtrum = -0.014 * bump(x, y, (0, (m.nose_base + m.mouth_y) / 2 - 0.01), (0.024, 0.05))
    philtrum += 0.008 * bump(np.abs(x), y, (0.045, (m.nose_base + m.mouth_y) / 2), (0.02, 0.06))
    return np.asarray(muzzle + upper + lower + groove + corner + below + philtrum, np.float32)


def _flesh(face: Face, x: Array, y: Array) -> Array:
    m = marks(face)
    side = np.abs(x)
    out = 0.028 * bump(x, y, (0, -0.55), (0.36, 0.20))
    out -= 0.05 * bump(side, y, (0.66, -0.28), (0.12, 0.20))
    out += (0.045 + 0.02 * face.age) * bump(side, y, (0.45 * face.width, 0.20), (0.15, 0.11))
    out += (0.075 * face.cheeks - 0.02 * face.age) * bump(side, y, (0.40, 0.50), (0.16, 0.17))
    out += 0.03 * max(face.smile, 0) * bump(side, y, (0.36, 0.36), (0.12, 0.10))
    out += (0.060 + 0.02 * face.male) * bump(x, y, (0, m.chin_y - 0.12), (0.14, 0.09))
    out += 0.03 * face.age * bump(side, y, (0.42, 0.86), (0.10, 0.10))
    return np.asarray(out, np.float32)


def _furrows(face: Face, x: Array, y: Array) -> Array:
    m = marks(face)
    side = np.abs(x)
    t = np.clip((y - m.nose_base + 0.06) / (m.mouth_y + 0.06 - m.nose_base), 0, 1.15)
    fold_x = 0.135 * face.nose_width + (m.mouth_half * 1.22 - 0.135) * t**0.8
    along = smoothstep(m.nose_base - 0.10, m.nose_base, y) * smoothstep(m.mouth_y + 0.13, m.mouth_y - 0.02, y)
    depth = 0.004 + 0.024 * face.age + 0.010 * max(face.smile, 0)
    out = -depth * np.exp(-(((side - fold_x) / 0.034) ** 2)) * along
    if face.age > 0.3:
        wave = 0.012 * np.cos(x * 6)
        for row in (-0.46, -0.57, -0.69):
            out -= 0.011 * face.age * np.exp(-(((y - row - wave) / 0.013) ** 2)) * smoothstep(0.42, 0.15, side)
        out -= 0.014 * face.age * bump(side, y, (0.05, m.brow_y + 0.02), (0.012, 0.06))
        for rise in (-0.35, 0.0, 0.35):
            ray = y - 0.0 - rise * (side - m.eye_x - 0.12)
            out -= (
                0.009
                * face.age
                * np.exp(-((ray / 0.010) ** 2))
                * smoothstep(0.46, 0.52, side)
                * smoothstep(0.68, 0.58, side)
            )
    return np.asarray(out, np.float32)


def relief(face: Face, x: Array, y: Array) -> Array:
    """Return how far the face stands out from the plain head at (x, y), head units."""
    return np.asarray(
        _eyes(face, x, y) + _nose(face, x, y) + _mouth(face, x, y) + _flesh(face, x, y) + _furrows(face, x, y),
        np.float32,
    )
