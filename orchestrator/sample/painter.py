"""A portrait from start to finish: compose, light, paint in strokes, let it age."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter_age import Wear, age
from orchestrator.sample.painter_brush import Hand, brush
from orchestrator.sample.painter_dress import Neck
from orchestrator.sample.painter_geometry import Array, Face, Pose, marks
from orchestrator.sample.painter_project import Camera, view_head
from orchestrator.sample.painter_light import Light, illuminate
from orchestrator.sample.painter_scene import Scene, Window
from orchestrator.sample.painter_sitting import Piece, Sitting
from orchestrator.sample.painter_skin import paint_skin


@dataclass(frozen=True)
class Portrait:
    """Everything that makes one picture, but the seed."""

    face: Face
    pose: Pose
    backdrop: tuple[Piece, ...]
    behind: tuple[Piece, ...]  # between backdrop and head, back to front: hair at the back, clothes, collars
    front: tuple[Piece, ...]  # over the head: hair, beards, hats
    light: Light = Light()
    hand: Hand = Hand()
    wear: Wear = Wear()
    size_px: tuple[int, int] = (900, 1200)
    eyes: tuple[float, float] = (0.5, 0.40)  # where the point between the eyes is, shares of width and height
    scale: float = 0.195  # of a head unit, share of the height
    glance: tuple[float, float] = (0.0, 0.0)  # where the sitter looks, away from the viewer: right and down
    exposure: float = 1.0
    chroma: float = 0.86  # 0 grey .. 1 as mixed
    neck: Neck = field(default_factory=Neck)


@dataclass(frozen=True)
class Painted:
    """A finished picture, and where its features are, pixels."""

    picture: NDArray[np.uint8]  # (height, width, 3), RGB
    mouth: tuple[float, float]
    mouth_corners: tuple[tuple[float, float], tuple[float, float]]
    eyes: tuple[tuple[float, float], tuple[float, float]]


def paint_portrait(portrait: Portrait, *, seed: int) -> Painted:
    """Paint a portrait. Takes about a second; the same seed gives the same pixels."""
    rng = np.random.default_rng(seed)
    width, height = portrait.size_px
    unit = portrait.scale * height
    eyes = (portrait.eyes[0] * width, portrait.eyes[1] * height)
    scene = Scene(width, height, eyes_px=eyes, unit_px=unit)
    camera = Camera(*eyes, unit, portrait.pose)
    view = view_head(portrait.face, camera)
    sitting = Sitting(scene, portrait.face, camera, view, portrait.light, rng)
    for piece in (*portrait.backdrop, portrait.neck, *portrait.behind):
        piece.paint(sitting)
    glint = _lay_head(sitting, portrait)
    for piece in portrait.front:
        piece.paint(sitting)
    lit = illuminate(scene, portrait.light)
    lit += (glint * scene.flesh)[..., None] * np.array([0.80, 0.78, 0.72], np.float32)
    finished = _finish(sitting, lit, portrait)
    return Painted(finished, **_features(sitting))


def _lay_head(sitting: Sitting, portrait: Portrait) -> Array:
    """Lay the head into the scene; returns the glints of the eyes over the whole picture."""
    view, scene = sitting.view, sitting.scene
    height, width = scene.shape
    high, wide = view.alpha.shape
    top, bottom = max(0, view.top), min(height, view.top + high)
    left, right = max(0, view.left), min(width, view.left + wide)
    part = (slice(top - view.top, bottom - view.top), slice(left - view.left, right - view.left))
    turn, nod = np.radians(portrait.pose.yaw), np.radians(portrait.pose.pitch)
    gaze = (-0.105 * float(np.sin(turn)) + portrait.glance[0], -0.10 * float(np.sin(nod)) + portrait.glance[1])
    sheet = paint_skin(portrait.face, sitting.rng, gaze=gaze, light_x=portrait.light.direction[0])
    color, glint, gloss = sheet.at(view.x[part], view.y[part])
    window = Window(slice(top, bottom), slice(left, right), view.x[part], view.y[part], scene.unit_px)
    scene.lay(
        window,
        view.alpha[part],
        color,
        tilt=view.tilt[:, part[0], part[1]],
        depth=view.depth[part],
        gloss=gloss * 0.5,
        flesh=1.0,
    )
    glints = np.zeros(scene.shape, np.float32)
    glints[window.rows, window.columns] = glint * view.alpha[part]
    return glints


def _finish(sitting: Sitting, lit: Array, portrait: Portrait) -> NDArray[np.uint8]:
    """From light to paint: a soft shoulder in the lights, strokes, age."""
    # A soft shoulder keeps the lights from burning out; earth pigments are never as loud as pure colours.
    tone = (1 - np.exp(-1.25 * portrait.exposure * np.clip(lit, 0, None))) / (1 - 0.6 * float(np.exp(-1.25)))
    grey = tone @ np.array([0.32, 0.57, 0.11], np.float32)
    tone = np.clip(grey[..., None] + portrait.chroma * (tone - grey[..., None]), 0, 1) ** 0.92
    painted = brush(np.asarray(tone, np.float32), _care(sitting), sitting.rng, hand=portrait.hand)
    aged = age(painted, sitting.rng, wear=portrait.wear)
    return (aged * 255 + 0.5).astype(np.uint8)


def _care(sitting: Sitting) -> Array:
    """Return where the painter took care: the face, most of all eyes and mouth."""
    m = marks(sitting.face)
    scene, coarse = sitting.scene, 4
    window = scene.whole()
    wx, wy = window.x[::coarse, ::coarse], window.y[::coarse, ::coarse]
    care = 0.35 * scene.flesh[::coarse, ::coarse]
    spots = [((0.0, 0.25), 0.62, 0.80, 0.62)]
    spots += [((sign * m.eye_x, 0.0), 0.24, 0.17, 1.0) for sign in (-1, 1)]
    spots += [((0.0, m.mouth_y), 0.30, 0.21, 1.0)]
    for at, wide, high, amount in spots:
        x, y = sitting.on_face(*at)
        near = ((wx - x) / wide) ** 2 + ((wy - y) / high) ** 2
        care = np.maximum(care, amount * np.exp(-0.5 * near * near))
    soft = cv2.GaussianBlur(care.astype(np.float32), (0, 0), 1.5)
    return np.asarray(cv2.resize(soft, (scene.shape[1], scene.shape[0])), np.float32)


def _features(sitting: Sitting) -> dict[str, tuple[float, float] | tuple[tuple[float, float], tuple[float, float]]]:
    m = marks(sitting.face)

    def spot(x: float, y: float) -> tuple[float, float]:
        px, py, _ = sitting.view.on_face(x, y)
        return round(px, 1), round(py, 1)

    return {
        "mouth": spot(0, m.mouth_y),
        "mouth_corners": (spot(-m.mouth_half, m.mouth_y), spot(m.mouth_half, m.mouth_y)),
        "eyes": (spot(-m.eye_x, 0), spot(m.eye_x, 0)),
    }
