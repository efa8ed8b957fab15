"""A picture from start to finish: compose, light, paint in strokes, let it age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.sample.painter_age import Wear, age
from orchestrator.sample.painter_brush import Hand, brush
from orchestrator.sample.painter_dress import Neck
from orchestrator.sample.painter_geometry import Array, Face, Pose, marks
from orchestrator.sample.painter_light import Light, illuminate
from orchestrator.sample.painter_project import Camera, view_head
from orchestrator.sample.painter_scene import Easel, Scene, Window
from orchestrator.sample.painter_sitting import Piece, Place, Sitting, Thing
from orchestrator.sample.painter_skin import paint_skin

STUDY = 0.8
"""Size of the study that is composed and lit, against the painting that is then brushed: strokes bring the detail."""


@dataclass(frozen=True)
class Portrait:
    """Everything that makes one picture, but the seed."""

    face: Face
    pose: Pose
    backdrop: tuple[Thing, ...]
    behind: tuple[Piece, ...]  # between backdrop and head, back to front: hair at the back, clothes, collars
    front: tuple[Piece, ...]  # over the head: hair, beards, hats
    light: Light = field(default_factory=Light)
    hand: Hand = field(default_factory=Hand)
    wear: Wear = field(default_factory=Wear)
    size_px: tuple[int, int] = (900, 1200)
    eyes: Place = (0.5, 0.40)  # where the point between the eyes is, shares of width and height
    scale: float = 0.195  # of a head unit, share of the height
    glance: Place = (0.0, 0.0)  # where the sitter looks, away from the viewer: right and down
    neck: Neck = field(default_factory=Neck)


@dataclass(frozen=True)
class Features:
    """Where the features of a painted face are, pixels."""

    mouth: Place
    mouth_corners: tuple[Place, Place]  # the viewer's left first
    eyes: tuple[Place, Place]


@dataclass(frozen=True)
class Painted:
    """A finished picture, and where its faces are."""

    picture: NDArray[np.uint8]  # (height, width, 3), RGB
    faces: tuple[Features, ...]


def paint_portrait(portrait: Portrait, *, seed: int) -> Painted:
    """Paint a portrait. Takes about a second; the same seed gives the same pixels."""
    return paint_together((portrait,), seed=seed)


def paint_together(portraits: Sequence[Portrait], *, seed: int) -> Painted:
    """Paint one picture of several sitters, the farthest first; size, backdrop, light and hand are the first one's."""
    first, rng = portraits[0], np.random.default_rng(seed)
    easel = set_up(first.size_px, rng, eyes=first.eyes, scale=first.scale)
    for thing in first.backdrop:
        thing.paint(easel)
    sittings = [place(easel, portrait) for portrait in portraits]
    care = np.maximum.reduce([_care(sitting) for sitting in sittings])
    picture = finish(easel, first.size_px, light=first.light, hand=first.hand, wear=first.wear, care=care)
    return Painted(picture, tuple(_features(sitting) for sitting in sittings))


def set_up(size_px: tuple[int, int], rng: np.random.Generator, *, eyes: Place, scale: float) -> Easel:
    """Put an empty scene on an easel, for a painting of this size.

    Args:
        size_px: Width and height of the painting.
        rng: Source of everything unsteady.
        eyes: Origin of head units, shares of width and height.
        scale: Of a head unit, share of the height.
    """
    width, height = (round(STUDY * side) for side in size_px)
    scene = Scene(width, height, unit_px=scale * height)
    return Easel(scene, rng, (eyes[0] * width, eyes[1] * height), scale * height)


def finish(
    easel: Easel, size_px: tuple[int, int], *, light: Light, hand: Hand, wear: Wear, care: Array | None = None
) -> NDArray[np.uint8]:
    """Light a composed scene, paint it in strokes and let it age.

    Args:
        easel: What is to be seen.
        size_px: Width and height of the painting.
        light: The light in the studio.
        hand: How the painter paints.
        wear: How the picture has aged.
        care: Where the painter took care, 0 .. 1, the size of the scene; without it, nowhere.

    Returns:
        RGB, uint8 (height, width, 3).
    """
    lit = illuminate(easel.scene, light)
    # A soft shoulder keeps the lights from burning out; earth pigments are never as loud as pure colours.
    tone = (1 - np.exp(-1.25 * np.clip(lit, 0, None))) / (1 - 0.6 * float(np.exp(-1.25)))
    grey = (tone @ np.array([0.32, 0.57, 0.11], np.float32))[..., None]
    muted = np.clip(grey + 0.86 * (tone - grey), 0, 1) ** 0.92
    study = cv2.resize(muted.astype(np.float32), size_px, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    focus = np.zeros(study.shape[:2], np.float32) if care is None else cv2.resize(care, size_px)
    painted = brush(study, focus, easel.rng, hand=hand)
    return (age(painted, easel.rng, wear=wear) * 255 + 0.5).astype(np.uint8)


def place(easel: Easel, portrait: Portrait) -> Sitting:
    """Lay a sitter, dressed, over what is in a scene already; the portrait's own backdrop and size are left out."""
    height, width = easel.scene.shape
    eyes, unit = (portrait.eyes[0] * width, portrait.eyes[1] * height), portrait.scale * height
    camera = Camera(*eyes, unit, portrait.pose)
    view = view_head(portrait.face, camera)
    sitting = Sitting(easel.scene, easel.rng, eyes, unit, portrait.face, camera, view)
    for piece in (portrait.neck, *portrait.behind):
        piece.paint(sitting)
    _lay_head(sitting, portrait)
    for piece in portrait.front:
        piece.paint(sitting)
    return sitting


def _lay_head(sitting: Sitting, portrait: Portrait) -> None:
    """Lay the head into the scene."""
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
    window = Window(slice(top, bottom), slice(left, right), view.x[part], view.y[part], sitting.unit_px)
    scene.lay(
        window,
        view.alpha[part],
        color,
        tilt=view.tilt[:, part[0], part[1]],
        depth=view.depth[part],
        gloss=gloss * 0.5,
        flesh=1.0,
        glint=glint,
    )


def _care(sitting: Sitting) -> Array:
    """Return where the painter took care: the face, most of all eyes and mouth."""
    m = marks(sitting.face)
    scene = sitting.scene
    window = sitting.whole()
    small = window.coarser(4)
    care = 0.35 * scene.flesh[::4, ::4]
    spots = [((0.0, 0.25), 0.62, 0.80, 0.62)]
    spots += [((sign * m.eye_x, 0.0), 0.24, 0.17, 1.0) for sign in (-1, 1)]
    spots += [((0.0, m.mouth_y), 0.30, 0.21, 1.0)]
    for at, wide, high, amount in spots:
        x, y = sitting.on_face(*at)
        near = ((small.x - x) / wide) ** 2 + ((small.y - y) / high) ** 2
        care = np.maximum(care, amount * np.exp(-0.5 * near * near))
    return window.enlarge(cv2.GaussianBlur(care.astype(np.float32), (0, 0), 1.5))


def _features(sitting: Sitting) -> Features:
    m = marks(sitting.face)

    def spot(x: float, y: float) -> Place:
        px, py, _ = sitting.view.on_face(x, y)
        return round(px / STUDY, 1), round(py / STUDY, 1)

    return Features(
        mouth=spot(0, m.mouth_y),
        mouth_corners=(spot(-m.mouth_half, m.mouth_y), spot(m.mouth_half, m.mouth_y)),
        eyes=(spot(-m.eye_x, 0), spot(m.eye_x, 0)),
    )
