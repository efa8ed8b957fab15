"""The light in the studio: one falls on the whole scene, so a hat shades a brow without either knowing the other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.sample.painter_geometry import Array
from orchestrator.sample.painter_scene import Scene

COARSE = 4
"""Shadows are worked out on a grid this many pixels wide: they are soft anyway."""


@dataclass(frozen=True)
class Light:
    """Where the light comes from and what it does. Colours are RGB factors."""

    direction: tuple[float, float, float] = (-0.55, -0.60, 0.58)  # towards the light; y < 0 is from above
    key: tuple[float, float, float] = (1.16, 1.07, 0.92)
    fill: tuple[float, float, float] = (0.17, 0.145, 0.13)
    sky: tuple[float, float, float] = (0.07, 0.075, 0.085)  # more of it on what faces up
    rim: float = 0.10  # 0 .. 1: light along the far edge
    softness: float = 0.22  # 0 hard .. 0.5: how far light reaches around a form


def illuminate(scene: Scene, light: Light) -> Array:
    """Switch the light on: return colours, RGB around 0 .. 1, float32 (height, width, 3)."""
    toward = np.asarray(light.direction, np.float32)
    toward = toward / np.linalg.norm(toward)
    x, y = scene.tilt
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    lit, hollow = _shadows(scene, toward)
    wrap = light.softness
    direct = np.clip((x * toward[0] + y * toward[1] + z * toward[2] + wrap) / (1 + wrap), 0, 1)
    direct *= np.sqrt(np.sqrt(direct)) * (0.12 + 0.88 * lit)
    half = toward + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    mirror = np.clip(x * half[0] + y * half[1] + z * half[2], 0, 1) ** 2
    mirror = mirror**13
    shine = 0.8 * (0.42 * mirror + 0.5 * scene.gloss * mirror**3) * scene.gloss * lit
    edge = light.rim * (1 - z) ** 2 * np.clip(-np.sign(toward[0]) * x, 0, 1)
    # Where light fades on flesh it turns red before it turns dark.
    fading = np.exp(-(((direct - 0.22) / 0.16) ** 2)) * scene.flesh
    sky = (0.5 - 0.5 * y) * hollow
    out = np.empty_like(scene.color)
    for k, warmth in enumerate((0.16, 0.0, -0.06)):
        color = scene.color[..., k]
        shade = direct * light.key[k] + hollow * light.fill[k] + sky * light.sky[k]
        shade *= 1 + warmth * fading
        own = color * (shade + 0.8 * edge) + shine * light.key[k] + 0.03 * edge
        out[..., k] = own + (color - own) * scene.glow + scene.glint * (0.80, 0.78, 0.72)[k]
    return out


def _shadows(scene: Scene, toward: Array) -> tuple[Array, Array]:
    """Return how much of the light reaches each pixel, and how open it lies to its surroundings; both 0 .. 1."""
    height, width = scene.shape
    size = (width // COARSE, height // COARSE)
    depth = cv2.resize(scene.depth, size, interpolation=cv2.INTER_AREA)
    unit = scene.unit_px / COARSE
    lit = 1 - cv2.GaussianBlur(_covered(depth, toward, unit), (0, 0), 1.2)
    hollow = np.ones_like(depth)
    for reach in (0.06, 0.22):
        around = cv2.GaussianBlur(depth, (0, 0), reach * unit)
        hollow *= 1 - np.clip((around - depth) / (reach * 2.2), 0, 0.55)
    full = (width, height)
    soft = cv2.resize(lit, full, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return np.asarray(soft, np.float32), np.asarray(cv2.resize(hollow, full), np.float32)


def _covered(depth: Array, toward: Array, unit: float) -> Array:
    """Look from each pixel towards the light, farther and farther: how much stands in the way, 0 .. 1."""
    size = (depth.shape[1], depth.shape[0])
    flat = max(1e-3, float(np.hypot(toward[0], toward[1])))
    covered = np.zeros_like(depth)
    for k in range(1, 28):
        away = 0.035 * k * (1 + 0.05 * k)
        x, y = (-float(toward[axis]) / flat * away * unit for axis in (0, 1))
        blocker = cv2.warpAffine(depth, np.array([[1, 0, x], [0, 1, y]]), size, borderMode=cv2.BORDER_REPLICATE)
        above = blocker - depth - away * float(toward[2]) / flat
        np.maximum(covered, np.clip((above - 0.02) / (0.05 + 0.16 * away), 0, 1), out=covered)
    return covered
