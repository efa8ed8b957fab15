"""The frame around a face: exact size, whole head, nothing stretched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.framing import CENTER_HIGH, CENTER_LOW, Box, best_window, frame_around

WIDTH, HEIGHT = 144, 256


def _place(window: Box, face: Box) -> float:
    return (face.y + face.h / 2 - window.y) / window.h


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(256, 1280),
    height=st.integers(256, 1280),
    share=st.floats(0.14, 0.6),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
)
def test_the_whole_head_is_always_inside(width, height, share, x, y):
    """A cut forehead ruins ten minutes of lip-sync, wherever the painter put the head."""
    side = share * min(width, height)
    face = Box(x * (width - side), y * (height - side), side, side)
    window = best_window(width, height, face=face, aspect=16 / 9)
    assert window.x <= face.x - 0.2 * face.w
    assert face.x + 1.2 * face.w <= window.x + window.w
    assert window.y <= face.y - 0.5 * face.h
    assert face.y + 1.2 * face.h <= window.y + window.h
    assert window.h / window.w == pytest.approx(16 / 9)


def test_a_usual_portrait_gets_its_face_where_faces_belong():
    """Between 38 and 45 % from the top: below the app's title, above its captions."""
    face = Box(340, 250, 220, 220)
    window = best_window(900, 1200, face=face, aspect=16 / 9)
    assert CENTER_LOW - 0.01 <= _place(window, face) <= CENTER_HIGH + 0.01
    assert window.x >= 0
    assert window.y >= 0
    assert window.x + window.w <= 900
    assert window.y + window.h <= 1200


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (1200, 1600), (2000, 600)])
def test_the_frame_has_exactly_the_size_asked_for(size):
    """Video models refuse a frame that is a pixel off."""
    picture = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), np.uint8)
    face = Box(size[0] * 0.4, size[1] * 0.3, size[1] * 0.25, size[1] * 0.25)
    made = frame_around(picture, face, width=WIDTH, height=HEIGHT)
    assert made.frame.shape == (HEIGHT, WIDTH, 3)
    assert made.frame.dtype == np.uint8


def test_the_face_is_told_in_pixels_of_the_frame():
    """Later steps place the mouth by it: a marked pixel must be found again where the box says."""
    picture = np.zeros((800, 600, 3), np.uint8)
    picture[300:340, 280:320] = (250, 10, 10)
    face = Box(200, 220, 200, 200)  # the mark is at its centre
    made = frame_around(picture, face, width=576, height=1024)
    rows, columns = np.nonzero(made.frame[:, :, 0] > 120)
    assert abs(columns.mean() - (made.face.x + made.face.w / 2)) < 3
    assert abs(rows.mean() - (made.face.y + made.face.h / 2)) < 3


def test_nothing_is_stretched():
    """A circle stays a circle, also where the painting is narrower than the frame."""
    rows, columns = np.mgrid[0:400, 0:200]
    picture = np.repeat((np.hypot(rows - 150, columns - 100) < 60).astype(np.uint8)[..., None] * 255, 3, axis=2)
    made = frame_around(picture, Box(55, 100, 90, 90), width=576, height=1024)
    bright_rows, bright_columns = np.nonzero(made.frame[:, :, 0] > 128)
    assert np.ptp(bright_rows) == pytest.approx(np.ptp(bright_columns), rel=0.03)


def test_beyond_the_edge_the_painting_goes_on_without_a_seam():
    """A close-up fills the painting: above and below, blurred colours of its own go on, not black bars."""
    picture = np.full((300, 300, 3), (120, 80, 40), np.uint8)
    picture[:20] = (30, 60, 90)
    made = frame_around(picture, Box(75, 90, 150, 150), width=WIDTH, height=HEIGHT)
    assert made.beyond > 0.2
    top, bottom = made.frame[0].mean(axis=0), made.frame[-1].mean(axis=0)
    assert np.abs(bottom - (120, 80, 40)).max() < 6
    assert top[2] > top[0] - 60  # coloured by its own upper edge, not black
    steps = np.abs(np.diff(made.frame[:, WIDTH // 2].astype(int), axis=0)).max()
    assert steps < 100


def test_a_sliver_beyond_the_edge_is_avoided():
    """Two rows of blur along the top are seen by everyone."""
    face = Box(115, 90, 82, 82)
    window = best_window(322, 500, face=face, aspect=16 / 9)
    assert window.y >= 0
    assert window.x >= 0
