"""Faces are found by the real networks in drawn pictures, and the script that fetches the networks is safe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from senses_pictures import bgr, couple, landscape, portrait

from steps.errors import ResourceMissing
from steps.external.faces import DETECTOR, LANDMARKS, MOUTH, Faces, default_models_dir, sharpness

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(default_models_dir())


def test_one_drawn_face_is_found_where_it_is(faces):
    """Everything after step 0 is placed by this box."""
    picture = bgr(portrait(480, 640))
    found = faces.find(picture)
    assert len(found) == 1
    x, y = found[0].center
    assert abs(x - 240) < 15
    assert abs(y - 0.38 * 640) < 60
    assert found[0].score > 0.8


def test_points_and_mesh_agree_on_the_mouth(faces):
    """Two networks, one mouth: the lip-sync stand-in uses the mesh, the crop uses the points."""
    picture = bgr(portrait())
    face = faces.find(picture)[0]
    mesh = faces.mesh(picture, face)
    assert mesh.shape == (468, 2)
    assert np.linalg.norm(mesh[[13, 14]].mean(axis=0) - face.points[MOUTH]) < 0.15 * face.w


def test_presence_tells_a_face_from_a_landscape(faces):
    """It is the second opinion that keeps lions and folds of cloth out."""
    picture = bgr(portrait())
    face = faces.find(picture)[0]
    assert faces.presence(picture, face) > 0.99
    assert faces.presence(bgr(landscape()), face) < 0.5


def test_small_faces_are_only_found_by_tiles(faces):
    """A crowd has small faces; one look at the whole picture does not see them."""
    canvas = np.full((1200, 1200, 3), 90, np.uint8)
    small = bgr(portrait(160, 213))
    canvas[100:313, 100:260] = small
    canvas[800:1013, 700:860] = small
    assert [face for face in faces.find(canvas) if face.score > 0.75] == []
    clear = [face for face in faces.find_all(canvas) if face.score > 0.75]
    assert sorted(round(face.center[0], -2) for face in clear) == [200, 800]


def test_a_face_seen_in_several_tiles_counts_once(faces):
    """Counting people would be useless otherwise."""
    assert len([face for face in faces.find_all(bgr(portrait()), 0.75) if face.w > 60]) == 1
    assert len([face for face in faces.find_all(bgr(couple()), 0.75) if face.w > 60]) == 2


def test_blur_lowers_sharpness(faces):
    """The threshold of step 0 rests on this order."""
    picture = bgr(portrait())
    face = faces.find(picture)[0]
    blurred = cv2.GaussianBlur(picture, (0, 0), 6)
    assert sharpness(picture, face) > 100
    assert sharpness(np.asarray(blurred, np.uint8), face) < 10


def test_any_shape_of_picture_is_searched(faces):
    """Paintings are not square, and some are a strip."""
    for shape in ((1, 1, 3), (8, 900, 3), (900, 8, 3), (300, 301, 3)):
        assert faces.find_all(np.zeros(shape, np.uint8), 0.9) == []


@pytest.mark.parametrize("content", [None, b"", b"not a model" * 50])
def test_a_missing_or_damaged_model_says_what_to_do(tmp_path, content):
    """A newcomer who skipped the set-up must read the way out, not a traceback of OpenCV."""
    if content is not None:
        (tmp_path / DETECTOR).write_bytes(content)
    with pytest.raises(ResourceMissing, match=r"scripts/models"):
        Faces(tmp_path)


def _run_models(folder: Path) -> subprocess.CompletedProcess[str]:
    offline = os.environ | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, str(ROOT / "scripts" / "models"), str(folder)]
    return subprocess.run(command, env=offline, capture_output=True, text=True, timeout=60, check=False)


def test_models_that_are_there_are_left_alone(tmp_path):
    """The set-up runs before every demo and test: it must not need the network twice."""
    for name in (DETECTOR, LANDMARKS):
        shutil.copy(default_models_dir() / name, tmp_path / name)
    before = (tmp_path / DETECTOR).stat()
    done = _run_models(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / DETECTOR).stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_model_without_an_index_is_named(tmp_path):
    """Half a file looks like a file; the hash tells, and the message says which folder and what to do."""
    whole = (default_models_dir() / LANDMARKS).read_bytes()
    (tmp_path / LANDMARKS).write_bytes(whole[:1000])
    done = _run_models(tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert LANDMARKS in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [LANDMARKS]  # nothing half-written beside it
