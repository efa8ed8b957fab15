"""The painter's geometry: heads turn the right way, features stay on the face, the same seed gives the same strokes."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.sample.painter import Portrait, paint_portrait
from orchestrator.sample.painter_backdrop import Studio
from orchestrator.sample.painter_beards import Beard, Moustache
from orchestrator.sample.painter_brush import Hand, brush
from orchestrator.sample.painter_dress import Gown
from orchestrator.sample.painter_geometry import Face, Pose, marks, smoothstep, spline
from orchestrator.sample.painter_hair import Crown, Strands
from orchestrator.sample.painter_light import Light, illuminate
from orchestrator.sample.painter_noise import clouds, streaks
from orchestrator.sample.painter_project import Camera, view_head
from orchestrator.sample.painter_scene import Easel, Scene, facing
from orchestrator.sample.painter_sitting import Cloth

SMALL = (150, 200)


def camera(yaw: float = 0.0, *, roll: float = 0.0) -> Camera:
    return Camera(200.0, 200.0, 80.0, Pose(yaw, 0.0, roll))


def test_a_frontal_face_is_where_its_coordinates_say():
    """Everything that is painted on or around a head is placed by this."""
    view = view_head(Face(), camera())
    x, y, depth = view.on_face(0.0, 0.0)
    assert (round(x), round(y)) == (200, 200)
    assert depth > 0.7
    left, right = view.on_face(-0.3, 0.0), view.on_face(0.3, 0.0)
    assert left[0] + right[0] == pytest.approx(400, abs=2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_yaw_turns_the_nose_to_its_side(sign):
    """A positive yaw looks to the viewer's right; a mix-up would put hair on noses."""
    view = view_head(Face(), camera(25.0 * sign))
    nose = view.on_face(0.0, marks(Face()).nose_tip)
    assert sign * (nose[0] - 200) > 20


def test_a_point_that_is_turned_away_is_given_on_the_silhouette():
    """Hair and hats end at the far cheek, not across it."""
    view = view_head(Face(), camera(-28.0))
    x, y, _ = view.on_face(-0.74, 0.0)
    row = np.flatnonzero(view.alpha[int(y) - view.top] > 0.5)
    assert x == pytest.approx(view.left + row[0], abs=1.5)


def test_the_surface_has_no_holes():
    """Points are scattered on a grid; a gap would be a hole in a cheek."""
    for yaw in (-30.0, 0.0, 30.0):
        view = view_head(Face(male=1.0, nose_length=1.15, nose_height=1.2), camera(yaw))
        for row in view.alpha[20:-20]:
            inside = np.flatnonzero(row > 0.5)
            assert len(inside) == inside[-1] - inside[0] + 1


def test_features_differ_between_faces():
    """Sixteen sitters must not be one."""
    plain, other = marks(Face()), marks(Face(nose_length=1.15, mouth_width=0.85, chin=1.1))
    assert other.nose_base > plain.nose_base
    assert other.mouth_half < plain.mouth_half
    assert other.chin_y > plain.chin_y


def test_light_from_the_left_lights_what_faces_left():
    """One light falls on everything; its direction is the composition."""
    scene = Scene(60, 40, unit_px=20.0)
    easel = Easel(scene, np.random.default_rng(1), (30.0, 20.0), 20.0)
    window = easel.whole()
    ball = np.sqrt(np.clip(1 - window.x**2 - window.y**2, 0, 1)).astype(np.float32)
    scene.lay(window, (ball > 0.1).astype(np.float32), (0.6, 0.5, 0.4), tilt=facing(ball, 20.0), depth=ball)
    lit = illuminate(scene, Light((-0.7, 0.0, 0.7)))
    assert lit[20, 18].mean() > 2 * lit[20, 42].mean()


def test_a_far_layer_does_not_shine_through_an_opaque_one():
    """Layers cover; masks are their cover."""
    scene = Scene(20, 20, unit_px=10.0)
    easel = Easel(scene, np.random.default_rng(1), (10.0, 10.0), 10.0)
    window = easel.whole()
    scene.lay(window, np.ones(window.shape, np.float32), (1.0, 0.0, 0.0), depth=-1.0)
    scene.lay(window, np.full(window.shape, 0.5, np.float32), (0.0, 1.0, 0.0), depth=1.0)
    assert scene.color[5, 5].tolist() == [0.5, 0.5, 0.0]
    scene.lay(window, np.ones(window.shape, np.float32), (0.0, 0.0, 1.0))
    assert scene.color[5, 5].tolist() == [0.0, 0.0, 1.0]


def test_a_window_is_cut_to_the_frame():
    """Hats may reach out of the picture; arrays may not."""
    easel = Easel(Scene(50, 40, unit_px=10.0), np.random.default_rng(1), (25.0, 20.0), 10.0)
    window = easel.window(-99, -99, 99, 99)
    assert window.shape == (40, 50)
    outside = easel.window(50, 50, 60, 60)
    assert min(outside.shape) >= 2


def test_strokes_keep_the_picture_recognisable():
    """The hand may be loose, but light stays light and dark stays dark."""
    rng = np.random.default_rng(3)
    picture = np.full((160, 160, 3), 0.15, np.float32)
    picture[:, 80:] = (0.8, 0.7, 0.5)
    painted = brush(picture, np.zeros((160, 160), np.float32), rng, hand=Hand(finish=0.0, care=0.0))
    assert painted[:, :60].mean() < 0.25
    assert painted[:, 100:].mean() > 0.55
    assert painted[:, :60].std() > 0.001


def test_the_same_seed_gives_the_same_pixels_and_another_one_others():
    """Deterministic samples make a demo night repeatable."""
    hair = Strands((0.2, 0.1, 0.05))
    portrait = Portrait(
        Face(male=1.0),
        Pose(10, 0, 0),
        (Studio(),),
        (Gown(Cloth((0.2, 0.1, 0.1))),),
        (Crown(hair), Beard(hair), Moustache(hair)),
        size_px=SMALL,
    )
    first, again, other = (paint_portrait(portrait, seed=seed) for seed in (5, 5, 6))
    assert first.picture.shape == (200, 150, 3)
    assert np.array_equal(first.picture, again.picture)
    assert not np.array_equal(first.picture, other.picture)
    assert first.faces == other.faces


def test_a_beard_leaves_the_lips_free():
    """The mouth will be warped to speak: hair painted over it would smear."""
    hair = Strands((0.0, 0.0, 1.0), contrast=0.0)
    bearded = Portrait(
        Face(male=1.0), Pose(), (Studio(),), (), (Beard(hair, length=0.3), Moustache(hair)), size_px=(300, 400)
    )
    painted = paint_portrait(bearded, seed=1)
    x, y = (round(v) for v in painted.faces[0].mouth)
    lips = painted.picture[y - 2 : y + 5, x - 10 : x + 10].reshape(-1, 3).mean(axis=0)
    chin = painted.picture[y + 34 : y + 42, x - 10 : x + 10].reshape(-1, 3).mean(axis=0)
    assert lips[0] > lips[2]
    assert chin[2] > chin[0]


def test_noise_is_seeded_and_of_the_right_size():
    """All textures come from these two."""
    one, two = (clouds((30, 50), np.random.default_rng(2), cell_px=8) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == (30, 50)
    assert np.isfinite(clouds((30, 50), np.random.default_rng(2), cell_px=0.3)).all()
    strands = streaks(np.zeros((40, 60), np.float32), np.random.default_rng(2), length_px=20)
    along, across = np.abs(np.diff(strands, axis=1)).mean(), np.abs(np.diff(strands, axis=0)).mean()
    assert along < 0.6 * across


def test_steps_and_splines_meet_their_ends():
    """The two curves that everything is drawn with."""
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    assert smoothstep(0.0, 1.0, values).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert smoothstep(1.0, 0.0, values).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]
    points = np.array([(0.0, 0.0), (1.0, 2.0), (2.0, 0.0)], np.float32)
    curve = spline(points, 41)
    assert np.allclose(curve[0], points[0], atol=1e-3)
    assert np.allclose(curve[20], points[1], atol=1e-3)
    assert np.allclose(curve[-1], points[2], atol=1e-3)
