"""Restoration and the photographic look, measured on a drawn portrait with damage that is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from senses_pictures import landscape, portrait

from orchestrator.embedded.render.picture import edit
from orchestrator.embedded.render.restoration import find_damage, mend

RESTORE = "Restore this old painting. Remove cracks, scratches, stains, dust and yellowed varnish; keep the pose."
PHOTO = "Turn this painted portrait into a photograph of the real person, with natural skin and soft window light."


@pytest.fixture(scope="module")
def painting() -> np.ndarray:
    return np.asarray(portrait(288, 512, share=0.42), np.uint8)


@pytest.fixture(scope="module")
def damaged(painting) -> tuple[np.ndarray, np.ndarray]:
    """The painting with ten scratches, dark and light, and where they are."""
    rng = np.random.default_rng(7)
    scratched, where = painting.copy(), np.zeros(painting.shape[:2], np.uint8)
    for index in range(10):
        place, angle = rng.uniform((30, 30), (258, 480)), rng.uniform(0, 2 * np.pi)
        line = [place]
        for _ in range(14):
            angle += rng.normal(0, 0.2)
            place = place + 5 * np.array((np.cos(angle), np.sin(angle)))
            line.append(place)
        points = [np.rint(line).astype(np.int32)]
        cv2.polylines(where, points, False, 255, 1)
        cv2.polylines(scratched, points, False, (240, 235, 220) if index % 2 else (15, 12, 10), 1)
    return scratched, where > 0


def test_scratches_are_mended(painting, damaged):
    """Most of the damage is gone, as far as the hidden original can tell."""
    scratched, where = damaged
    before = np.abs(scratched.astype(int) - painting)[where].mean()
    after = np.abs(mend(scratched).astype(int) - painting)[where].mean()
    assert after < 0.4 * before


def test_what_is_not_damage_stays(painting, damaged):
    """Eyes, lips and outlines are thin and dark too."""
    scratched, where = damaged
    assert np.count_nonzero(find_damage(painting)) < 0.004 * where.size
    near = cv2.dilate(where.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    touched = np.abs(mend(scratched).astype(int) - scratched).max(axis=2) > 20
    assert np.count_nonzero(touched & ~near) < 0.004 * where.size


def test_the_varnish_comes_off(painting):
    """A yellow cast loses a good part of its yellow."""
    yellowed = np.clip(painting * np.array([1.0, 0.92, 0.62]), 0, 255).astype(np.uint8)
    yellow = [
        cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 2].astype(float).mean() - 128
        for picture in (painting, yellowed, edit(yellowed, prompt=RESTORE, seed=1))
    ]
    assert yellow[2] - yellow[0] < 0.8 * (yellow[1] - yellow[0])


@pytest.mark.parametrize("prompt", [RESTORE, PHOTO, "a nice picture"])
def test_every_look_is_visible_and_pixel_aligned(painting, prompt: str):
    """Later steps morph between the results: nothing may move by a pixel."""
    made = edit(painting, prompt=prompt, seed=1)
    assert made.shape == painting.shape
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - painting).mean() > 1.5
    edges = [
        cv2.Canny(cv2.GaussianBlur(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), (0, 0), 2), 20, 50) for p in (painting, made)
    ]
    grey = [cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 3) for edge in edges]
    (x, y), response = cv2.phaseCorrelate(*grey)
    assert np.hypot(x, y) < 1
    assert response > 0.1


def test_a_photograph_differs_from_a_restoration(painting):
    """The transition needs two pictures that are not the same."""
    restored, real = (edit(painting, prompt=prompt, seed=1) for prompt in (RESTORE, PHOTO))
    assert np.abs(restored.astype(int) - real).mean() > 6


def test_a_photograph_has_a_soft_background_and_a_sharp_face(painting):
    """Depth of field is what the eye takes for a lens."""
    textured = painting.copy()
    noise = np.random.default_rng(1).normal(0, 25, painting.shape[:2])
    textured[:] = np.clip(textured + cv2.GaussianBlur(noise, (0, 0), 1.2)[..., None] * 2, 0, 255)
    real = edit(textured, prompt=PHOTO, seed=1)

    def bustle(picture: np.ndarray, rows: slice, columns: slice) -> float:
        grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(float)
        return float((grey - cv2.GaussianBlur(grey, (0, 0), 5))[rows, columns].std())

    corner, face = (slice(4, 60), slice(4, 60)), (slice(175, 240), slice(110, 178))
    kept_behind = bustle(real, *corner) / bustle(textured, *corner)
    kept_face = bustle(real, *face) / bustle(textured, *face)
    assert kept_behind < 0.6 * kept_face


def test_a_seed_decides_every_pixel(painting):
    """A resumed step must make the same picture, one that was sent back another."""
    one, same, other = (edit(painting, prompt=PHOTO, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("prompt", [RESTORE, PHOTO])
@pytest.mark.parametrize("kind", ["black", "white", "noise", "landscape", "tiny"])
def test_odd_pictures_give_a_picture(kind: str, prompt: str):
    """Whatever a graph loads must not end in an exception."""
    pictures = {
        "black": np.zeros((256, 144, 3), np.uint8),
        "white": np.full((256, 144, 3), 255, np.uint8),
        "noise": np.random.default_rng(1).integers(0, 256, (256, 144, 3), dtype=np.uint8),
        "landscape": np.asarray(landscape(), np.uint8),
        "tiny": np.full((64, 64, 3), 120, np.uint8),
    }
    made = edit(pictures[kind], prompt=prompt, seed=1)
    assert made.shape == pictures[kind].shape
