"""Makes a painting look photographed: no brush strokes, skin with pores, a soft background, studio light and film.

The sitter is found by the face, and by GrabCut from there; without a face, the middle of the picture is in focus.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import textures
from orchestrator.embedded.render.base import Field, Picture, as_picture, chance, eased
from orchestrator.embedded.render.portrait import Portrait, read_portrait
from orchestrator.embedded.render.restoration import guided, without_cast

_CUT_PX = 288  # width at which the sitter is cut out: outlines need no more, and GrabCut is slow
_SKIN_LAB = np.array([128 + 15, 128 + 18], np.float32)  # a and b of lit skin in OpenCV's 8-bit Lab


def make_real(image_rgb: Picture, *, seed: int) -> Picture:
    """Return a photographic version, pixel aligned. About 1.5 s at 576 x 1024.

    Args:
        image_rgb: The painting.
        seed: Decides pores and film grain.

    Raises:
        ResourceMissing: the face models are not installed.
    """
    rng = chance(seed, of="realism")
    portrait = read_portrait(image_rgb)
    sitter = find_sitter(image_rgb, portrait)
    smooth = _without_strokes(image_rgb, sitter)
    skin = _skin(smooth, portrait)
    smooth = _natural_colours(smooth, skin)
    lit = _with_pores(smooth, skin, rng)
    lit = _studio_light(lit, sitter, portrait)
    focused = _with_depth(lit, np.maximum(sitter, _near_the_face(sitter.shape, portrait)))
    return _on_film(focused, rng)


def find_sitter(image_rgb: Picture, portrait: Portrait | None) -> Field:
    """Return how much each pixel belongs to the person, 0 .. 1, with a soft outline."""
    height, width = image_rgb.shape[:2]
    rows = round(height * _CUT_PX / width)
    small = cv2.resize(image_rgb, (_CUT_PX, rows), interpolation=cv2.INTER_AREA)
    if portrait is None:
        x, y = (
            np.linspace(-1, 1, width, dtype=np.float32)[None, :],
            np.linspace(-1, 1, height, dtype=np.float32)[:, None],
        )
        return np.asarray(1 - eased((np.hypot(x / 0.8, (y - 0.1) / 0.9) - 0.6) / 0.8), np.float32)
    scale = _CUT_PX / width
    trimap = _guess(rows, _CUT_PX, center=portrait.center * scale, face=portrait.width_px * scale)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)  # GrabCut's clusters start from OpenCV's own random numbers
    cv2.grabCut(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), trimap, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    person = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    soft = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 2.0)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _guess(rows: int, columns: int, *, center: NDArray[np.float64], face: float) -> NDArray[np.uint8]:
    """Return what is surely, likely and hardly the person, from where the face is: a head on shoulders."""
    trimap = np.full((rows, columns), cv2.GC_BGD, np.uint8)
    x, y = int(center[0]), int(center[1])
    head, shoulders = (int(1.05 * face), int(1.25 * face)), (int(1.9 * face), int(1.5 * face))
    below = (x, int(y + 2.1 * face))
    cv2.ellipse(trimap, (x, y), head, 0, 0, 360, cv2.GC_PR_BGD, -1)
    cv2.ellipse(trimap, below, shoulders, 0, 0, 360, cv2.GC_PR_BGD, -1)
    trimap[min(rows, below[1]) :, max(0, x - shoulders[0]) : x + shoulders[0]] = cv2.GC_PR_FGD
    cv2.ellipse(trimap, (x, y - int(0.1 * face)), (int(0.75 * face), int(0.9 * face)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(trimap, below, (int(1.3 * face), int(1.15 * face)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(trimap, (x, y), (int(0.42 * face), int(0.55 * face)), 0, 0, 360, cv2.GC_FGD, -1)
    bottom = (max(0, x - int(0.6 * face)), min(rows - 1, int(y + 1.6 * face)))
    cv2.rectangle(trimap, bottom, (x + int(0.6 * face), rows - 1), cv2.GC_FGD, -1)
    return trimap


def _without_strokes(image_rgb: Picture, sitter: Field) -> Picture:
    """Melt brush strokes into continuous tone; edges of things stay."""
    values = np.asarray(image_rgb, np.float32) / np.float32(255)
    guide = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)
    width = image_rgb.shape[1]
    fine = guided(guide, values, radius=max(2, width // 140), tolerance=0.0035)
    again = cv2.cvtColor(fine, cv2.COLOR_RGB2GRAY)
    broad = guided(again, fine, radius=max(3, width // 80), tolerance=0.0018)
    detail = values - fine
    # Eyes, hair and lace keep a part of their detail; what is nearly flat keeps none of its strokes.
    busy = eased((cv2.GaussianBlur(np.abs(detail).max(axis=2), (0, 0), width / 150) - 0.012) / 0.05)
    kept = broad + detail * (0.55 * busy * (0.35 + 0.65 * sitter))[..., None]
    return as_picture(255 * kept)


def _skin(image_rgb: Picture, portrait: Portrait | None) -> Field:
    """Return how much each pixel has the colour of the face, 0 .. 1; nothing without a face."""
    height, width = image_rgb.shape[:2]
    if portrait is None:
        return np.zeros((height, width), np.float32)
    lab = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    points = np.clip(np.rint(portrait.points), 0, (width - 1, height - 1)).astype(int)
    sample = lab[points[:, 1], points[:, 0]]
    middle, spread = np.median(sample, axis=0), np.maximum(sample.std(axis=0), (18.0, 5.0, 6.0))
    distance = np.sqrt((((lab - middle) / (2.2 * spread)) ** 2).sum(axis=2))
    return np.asarray(cv2.GaussianBlur((1 - eased(distance - 0.6)).astype(np.float32), (0, 0), width / 190), np.float32)


def _natural_colours(image_rgb: Picture, skin: Field) -> Picture:
    """Take the painter's palette half-way to what a camera sees in daylight."""
    lab = without_cast(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2LAB).astype(np.float32), share=0.55)
    total = float(skin.sum())
    if total > 1:
        # Living skin, light or dark, has much the same hue; painted skin is often yellow, green or chalk.
        painted = (lab * skin[..., None]).sum(axis=(0, 1)) / total
        shift = 0.6 * (_SKIN_LAB - painted[1:])
        lab[..., 1:] += skin[..., None] * np.clip(shift, -14, 14)
    return np.asarray(cv2.cvtColor(as_picture(lab), cv2.COLOR_LAB2RGB), np.uint8)


def _with_pores(image_rgb: Picture, skin: Field, rng: np.random.Generator) -> Picture:
    """Give skin the fine relief that a brush leaves out, and a trace of the blood below it."""
    height, width = skin.shape
    pores = textures.grain(height, width, rng=rng)
    pores = cv2.GaussianBlur(pores, (0, 0), 0.6) - cv2.GaussianBlur(pores, (0, 0), 1.9)
    pores *= 3.2 / max(float(pores.std()), 1e-6)
    flush = textures.clouds(height, width, cell_px=width / 14, rng=rng, octaves=3) - 0.5
    values = image_rgb.astype(np.float32)
    values += (skin * pores)[..., None]
    values += (skin * flush)[..., None] * np.array([7.0, -2.0, -1.0], np.float32)
    return as_picture(values)


def _studio_light(image_rgb: Picture, sitter: Field, portrait: Portrait | None) -> Picture:
    """Model the person with a soft key light from the upper left, and let the surroundings fall off."""
    height, width = sitter.shape
    center = portrait.center if portrait is not None else np.array((0.5 * width, 0.4 * height))
    unit = portrait.width_px if portrait is not None else 0.35 * width
    x = (np.arange(width, dtype=np.float32)[None, :] - center[0]) / unit
    y = (np.arange(height, dtype=np.float32)[:, None] - center[1]) / unit
    key = np.exp(-(((x + 0.25) / 1.3) ** 2) - ((y + 0.25) / 1.5) ** 2)
    falloff = np.clip(np.hypot(x / 2.6, (y - 0.6) / 3.6), 0, 1.4) ** 2
    gain = 1 + 0.10 * key - 0.16 * falloff * (1 - 0.4 * sitter)
    return as_picture(image_rgb * gain[..., None])


def _near_the_face(shape: tuple[int, ...], portrait: Portrait | None) -> Field:
    """Return 1 on head and hair, fading outwards: they are in focus even where GrabCut loses them."""
    if portrait is None:
        return np.zeros(shape, np.float32)
    x = (np.arange(shape[1], dtype=np.float32)[None, :] - portrait.center[0]) / portrait.width_px
    y = (np.arange(shape[0], dtype=np.float32)[:, None] - portrait.center[1]) / portrait.width_px
    distance = np.hypot(x, np.where(y < 0, 0.75 * y, y))
    return np.asarray(1 - eased((distance - 0.65) / 0.9), np.float32)


def _with_depth(image_rgb: Picture, sitter: Field) -> Picture:
    """Put what is behind the person out of focus, without a halo of the person in the blur."""
    width = image_rgb.shape[1]
    behind = (1 - sitter)[..., None].astype(np.float32)
    small = (width // 2, image_rgb.shape[0] // 2)
    light = cv2.resize((image_rgb.astype(np.float32) / 255) ** 2.2 * behind, small, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(behind[..., 0], small, interpolation=cv2.INTER_AREA)
    lens = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width // 70 * 2 + 1,) * 2).astype(np.float32)
    lens /= lens.sum()
    blurred = cv2.filter2D(light, -1, lens) / np.maximum(cv2.filter2D(cover, -1, lens), 0.02)[..., None]
    blurred = cv2.resize(np.clip(blurred, 0, 1) ** (1 / 2.2) * 255, (width, image_rgb.shape[0]))
    weight = eased(behind * 1.15)
    return as_picture(image_rgb * (1 - weight) + blurred * weight)


def _on_film(image_rgb: Picture, rng: np.random.Generator) -> Picture:
    """Bend the tones like film, sharpen, and add grain that is finest in the lights."""
    values = np.asarray(image_rgb, np.float32) / np.float32(255)
    curve = 0.012 + 0.976 * (0.62 * values + 0.38 * eased(values))
    grey = curve @ np.array([0.299, 0.587, 0.114], np.float32)
    toned = grey[..., None] + (curve - grey[..., None]) * 0.93
    toned += (grey[..., None] - 0.45) * np.array([0.020, 0.004, -0.022], np.float32)  # warm lights, cool shadows
    sharp = toned + 0.5 * (toned - cv2.GaussianBlur(toned, (0, 0), 1.2))
    noise = textures.grain(*grey.shape, rng=rng) * (0.008 + 0.007 * (1 - grey))
    return as_picture(255 * (sharp + noise[..., None]))
