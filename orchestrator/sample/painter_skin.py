"""What is painted on a face: flesh tones, eyes, brows, lips. Flat colour; light and shadow come later.

Everything is drawn on a sheet over head coordinates (x, y), which is then wrapped around the surface of the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array, Face, Marks, marks, smoothstep
from orchestrator.sample.painter_noise import clouds
from orchestrator.sample.painter_relief import bump, mouth_line

SHEET_UNIT_PX = 360
LEFT, RIGHT, TOP, BOTTOM = -0.92, 0.92, -1.2, 1.2


@dataclass(frozen=True)
class Sheet:
    """A painted face: colours 0 .. 1 (rows, columns, 3), and what shines by itself or like wet glass."""

    color: Array
    glint: Array  # (rows, columns): light added after shading
    gloss: Array  # (rows, columns), 0 .. 1

    def at(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Return colour, glint and gloss at head coordinates."""
        column = ((x - LEFT) * SHEET_UNIT_PX).astype(np.float32)
        row = ((y - TOP) * SHEET_UNIT_PX).astype(np.float32)
        look = [
            cv2.remap(a, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for a in (self.color, self.glint, self.gloss)
        ]
        return look[0], look[1], look[2]


def _mix(color: Array, mask: Array, other: tuple[float, float, float] | Array) -> None:
    """Lay another colour over `color` in place where the mask says."""
    color += (np.asarray(other, np.float32) - color) * mask[..., None]


def _scaled(color: tuple[float, float, float], by: tuple[float, float, float]) -> tuple[float, float, float]:
    return color[0] * by[0], color[1] * by[1], color[2] * by[2]


def _grid(left: float, right: float, top: float, bottom: float, unit: int) -> tuple[Array, Array, tuple[slice, slice]]:
    """Return coordinates of a part of the sheet, and where it lies in it."""
    columns = slice(int((left - LEFT) * unit), int((right - LEFT) * unit))
    rows = slice(int((top - TOP) * unit), int((bottom - TOP) * unit))
    x = (np.arange(columns.start, columns.stop) / unit + LEFT).astype(np.float32)
    y = (np.arange(rows.start, rows.stop) / unit + TOP).astype(np.float32)
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x, grid_y, (rows, columns)


def _flesh(face: Face, m: Marks, rng: np.random.Generator) -> Array:
    """Paint the ground tones: red cheeks, yellow brow, cool jaw. Worked out coarsely, then enlarged."""
    unit = 90
    x, y, _ = _grid(LEFT, RIGHT, TOP, BOTTOM, unit)
    side = np.abs(x)
    color = np.empty((*x.shape, 3), np.float32)
    color[:] = face.skin
    red = _scaled(face.skin, (0.98, 0.72, 0.68))
    _mix(color, 0.75 * face.blush * bump(side, y, (0.43, 0.30), (0.16, 0.13)), red)
    _mix(color, (0.25 + 0.35 * face.blush) * bump(x, y, (0, m.nose_tip), (0.09, 0.09)), red)
    _mix(color, 0.35 * bump(x, y, (0, m.chin_y - 0.1), (0.13, 0.08)), red)
    _mix(color, 0.35 * bump(side, y, (m.eye_x, 0.02), (0.18, 0.11)), _scaled(face.skin, (0.88, 0.72, 0.70)))
    _mix(color, 0.35 * bump(x, y, (0, -0.5), (0.5, 0.2)), _scaled(face.skin, (1.03, 1.03, 0.98)))
    _mix(color, 0.30 * bump(x, y, (0, m.mouth_y), (0.35, 0.16)), _scaled(face.skin, (0.93, 0.90, 0.88)))
    jaw = smoothstep(0.40, 0.70, y + 0.25 * side) * smoothstep(0.10, 0.16, side + 0.9 * np.maximum(y - m.nose_base, 0))
    _mix(color, 0.55 * face.stubble * jaw, _scaled(face.skin, (0.62, 0.66, 0.70)))
    mottled = clouds(x.shape, rng, cell_px=10, octaves=3) - 0.5
    color *= 1 + np.array([0.05, 0.10, 0.10], np.float32) * mottled[..., None]
    return np.asarray(cv2.resize(color, None, fx=SHEET_UNIT_PX / unit, fy=SHEET_UNIT_PX / unit), np.float32)


def _eye(sheet: Sheet, face: Face, m: Marks, sign: int, gaze: tuple[float, float], light_x: float) -> None:
    """Paint one eye; `sign` is -1 on the viewer's left."""
    cx, a = sign * m.eye_x, m.eye_half
    x, y, part = _grid(cx - 0.30, cx + 0.30, -0.24, 0.26, SHEET_UNIT_PX)
    # e runs from -1 at the corner by the nose to 1 at the outer corner, f down; both in half widths of the eye.
    e = (x - cx) * sign / a
    f = y / a + 0.10 * face.eye_tilt * e + 0.03 * e
    inside = np.clip(1 - np.abs(e) ** 2.3, 0, 1)
    skew = 1 + 0.18 * e * (1 - np.abs(np.clip(e, -1, 1)))
    open_up = 0.385 * face.eye_open * (1 - 0.16 * face.age)
    upper = -open_up * inside**0.62 * (2 - skew) + 0.02
    lower = 0.27 * np.clip(1 - (np.clip(e, -1, 1) - 0.12) ** 2 * 0.8, 0, 1) * inside**0.55 + 0.02
    color, glint, gloss = sheet.color[part], sheet.glint[part], sheet.gloss[part]
    soft = 2.2 / (SHEET_UNIT_PX * a)
    span = smoothstep(1.03, 0.97, np.abs(e))
    _lids(color, face, e, f, upper, lower)
    opening = smoothstep(-soft, soft, f - upper) * smoothstep(-soft, soft, lower - f) * span
    white = np.empty_like(color)
    white[:] = (0.74, 0.69, 0.63)
    shade = 0.45 * smoothstep(0.34, 0.0, f - upper) + 0.35 * np.abs(np.clip(e, -1, 1)) ** 2.5
    white *= (1 - np.clip(shade, 0, 0.75))[..., None]
    _mix(white, 0.7 * bump(e, f, (-0.95, 0.06), (0.12, 0.12)), (0.72, 0.40, 0.36))
    _iris(white, face, e, f, (gaze[0] * sign / a, gaze[1] / a))
    _mix(color, opening, white)
    gloss += (0.1 - gloss) * opening
    gx, gy = gaze[0] * sign / a + 0.14 * np.sign(light_x) * sign, gaze[1] / a - 0.17
    glint += opening * (0.85 * smoothstep(0.105, 0.055, np.hypot(e - gx, f - gy)))
    glint += opening * 0.10 * smoothstep(0.22, 0.05, np.hypot(e - 2 * gaze[0] * sign / a + gx, f + gy - 0.05))
    lash = np.exp(-(((f - upper + 0.015) / (0.055 + 0.03 * np.clip(e, 0, 1))) ** 2)) * smoothstep(1.12, 0.9, np.abs(e))
    _mix(color, np.clip(0.92 * lash, 0, 1), (0.09, 0.05, 0.035))
    rim = np.exp(-(((f - lower - 0.035) / 0.035) ** 2)) * span
    _mix(color, 0.35 * rim, _scaled(face.skin, (1.05, 0.92, 0.88)))
    under = np.exp(-(((f - lower + 0.01) / 0.030) ** 2)) * span
    _mix(color, 0.45 * under, _scaled(face.skin, (0.45, 0.30, 0.26)))


def _lids(color: Array, face: Face, e: Array, f: Array, upper: Array, lower: Array) -> None:
    """Paint the fold above the eye, the shade on the lid and the hollow below."""
    crease = upper - 0.20 * np.clip(1.25 - np.abs(e) ** 2.2, 0, 1.3)
    dark = _scaled(face.skin, (0.48, 0.33, 0.28))
    fold = np.exp(-(((f - crease) / 0.055) ** 2)) * smoothstep(1.25, 0.7, np.abs(e))
    _mix(color, 0.65 * fold, dark)
    lid = smoothstep(0.02, 0.10, f - crease) * smoothstep(0.02, -0.04, f - upper) * smoothstep(1.1, 0.8, np.abs(e))
    _mix(color, 0.22 * lid, _scaled(face.skin, (0.85, 0.70, 0.64)))
    pouch = lower + 0.30
    line = np.exp(-(((f - pouch) / 0.09) ** 2)) * smoothstep(1.1, 0.4, np.abs(e + 0.15))
    _mix(color, (0.18 + 0.35 * face.age) * line, _scaled(face.skin, (0.66, 0.52, 0.48)))


def _iris(white: Array, face: Face, e: Array, f: Array, at: tuple[float, float]) -> None:
    radius = 0.43
    away = np.hypot(e - at[0], f - at[1]) / radius
    disc = smoothstep(1.06, 0.92, away)
    ring = np.empty_like(white)
    ring[:] = face.iris
    ring *= (0.62 + 0.62 * smoothstep(-0.3, 0.35, f - at[1]))[..., None]  # light gathers below
    ring *= (1 - 0.65 * smoothstep(0.70, 1.0, away))[..., None]
    _mix(ring, smoothstep(0.46, 0.36, away), (0.02, 0.015, 0.012))
    _mix(white, disc, ring)


def _brow(sheet: Sheet, face: Face, m: Marks, sign: int, rng: np.random.Generator) -> None:
    """Paint an eyebrow as a few dozen short hairs."""
    unit = SHEET_UNIT_PX
    mask = np.zeros(sheet.color.shape[:2], np.uint8)
    weight = face.brow_weight * (0.85 + 0.45 * face.male)
    inner, outer = 0.115, m.eye_x + 0.215
    count = int(110 * weight)
    for share, lift, spread in zip(rng.random(count), rng.normal(0, 1, count), rng.random(count), strict=True):
        x = inner + (outer - inner) * share
        thick = 0.030 * weight * (1 - 0.75 * max(0.0, share - 0.35) / 0.65) * min(1.0, 0.5 + share * 3)
        arch = 0.075 * face.brow_arch * np.sin(np.pi * min(share / 0.62, 1.0) / 2) - 0.085 * max(0.0, share - 0.62)
        y = m.brow_y + 0.03 - arch + lift * thick * 0.5
        lean = -1.15 + 1.45 * share + 0.3 * (spread - 0.5)
        length = 0.075 * (1 - 0.3 * share)
        end = (x + length * np.cos(lean), y + length * 0.55 * np.sin(lean))
        points = [((sign * px - LEFT) * unit * 16, (py - TOP) * unit * 16) for px, py in ((x, y), end)]
        start, stop = ((int(px), int(py)) for px, py in points)
        cv2.line(mask, start, stop, 255, 3, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.6)
    wide = cv2.GaussianBlur(soft, (0, 0), 7)
    _mix(sheet.color, np.clip(0.50 * soft + 0.40 * wide, 0, 0.80), face.brow)


def _lips(sheet: Sheet, face: Face, m: Marks) -> None:
    half = m.mouth_half
    x, y, part = _grid(-half - 0.12, half + 0.12, m.mouth_y - 0.25, m.mouth_y + 0.28, SHEET_UNIT_PX)
    color, gloss = sheet.color[part], sheet.gloss[part]
    line = mouth_line(face, x)
    t = np.abs(x) / half
    taper = np.clip(1 - t**1.9, 0, 1)
    bow = 1 - 0.22 * np.exp(-((t / 0.16) ** 2)) + 0.10 * np.exp(-(((t - 0.27) / 0.16) ** 2))
    top = line - 0.082 * face.lip_fullness * taper**0.9 * bow
    bottom = line + 0.108 * face.lip_fullness * np.clip(1 - t**2.2, 0, 1) ** 0.75
    upper = smoothstep(-0.014, 0.012, y - top) * smoothstep(0.004, -0.004, y - line)
    lower = smoothstep(0.020, -0.016, y - bottom) * smoothstep(-0.004, 0.004, y - line)
    _mix(color, 0.90 * upper * smoothstep(1.03, 0.9, t), _scaled(face.lips, (0.84, 0.78, 0.78)))
    _mix(color, 0.80 * lower * smoothstep(1.0, 0.8, t), face.lips)
    gloss += 0.35 * lower
    ends = smoothstep(1.07, 0.97, t)
    seam = np.exp(-(((y - line) / (0.0075 + 0.006 * np.exp(-(((t - 0.93) / 0.10) ** 2)))) ** 2)) * ends
    _mix(color, 0.88 * seam, _scaled(face.lips, (0.30, 0.22, 0.22)))
    corner = bump(t, y - line, (1.0, 0.0), (0.07, 0.020))
    _mix(color, 0.30 * corner, _scaled(face.skin, (0.48, 0.32, 0.28)))
    below = bump(x, y, (0, 0), (0.13, 1e6)) * np.exp(-(((y - bottom - 0.035) / 0.028) ** 2))
    _mix(color, 0.28 * below, _scaled(face.skin, (0.62, 0.48, 0.43)))


def _nostrils(sheet: Sheet, face: Face, m: Marks) -> None:
    x, y, part = _grid(-0.30, 0.30, m.nose_base - 0.20, m.nose_base + 0.12, SHEET_UNIT_PX)
    side = np.abs(x) / face.nose_width
    hole = bump(side, y + 0.25 * (side - 0.062), (0.062, m.nose_base - 0.004), (0.026, 0.0135))
    _mix(sheet.color[part], np.clip(1.15 * hole, 0, 0.9), _scaled(face.skin, (0.20, 0.11, 0.09)))
    away = np.hypot((side - 0.105) / 0.052, (y - m.nose_base + 0.05) / 0.060)
    wing = np.exp(-(((away - 1.0) / 0.22) ** 2)) * smoothstep(0.09, 0.14, side)
    _mix(sheet.color[part], 0.38 * wing, _scaled(face.skin, (0.55, 0.38, 0.33)))
    tip = np.exp(-(((y - m.nose_base - 0.014) / 0.022) ** 2)) * smoothstep(0.12, 0.05, side)
    _mix(sheet.color[part], 0.35 * tip, _scaled(face.skin, (0.55, 0.38, 0.33)))


def paint_skin(face: Face, rng: np.random.Generator, *, gaze: tuple[float, float], light_x: float) -> Sheet:
    """Paint a face.

    Args:
        face: Whose.
        rng: Source of mottling and brow hairs.
        gaze: How far the irises are moved from the middle of the eyes, head units: right and down.
        light_x: Side the light comes from, below 0 the viewer's left: where the eyes glint.
    """
    m = marks(face)
    color = _flesh(face, m, rng)
    sheet = Sheet(color, np.zeros(color.shape[:2], np.float32), np.full(color.shape[:2], 0.22, np.float32))
    if face.freckles:
        _freckle(sheet, face, rng)
    _nostrils(sheet, face, m)
    _lips(sheet, face, m)
    for sign in (-1, 1):
        _eye(sheet, face, m, sign, gaze, light_x)
        _brow(sheet, face, m, sign, rng)
    return sheet


def _freckle(sheet: Sheet, face: Face, rng: np.random.Generator) -> None:
    spots = np.zeros(sheet.color.shape[:2], np.uint8)
    for _ in range(int(150 * face.freckles)):
        x, y = rng.normal(0, 0.34), rng.normal(0.22, 0.12)
        place = (int((x - LEFT) * SHEET_UNIT_PX), int((y - TOP) * SHEET_UNIT_PX))
        cv2.circle(spots, place, int(rng.integers(2, 4)), 255, -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(spots.astype(np.float32) / 255, (0, 0), 1.5)
    _mix(sheet.color, 0.35 * mask, _scaled(face.skin, (0.62, 0.45, 0.36)))
