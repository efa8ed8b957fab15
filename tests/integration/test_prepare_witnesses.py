"""The two witnesses of step 0 on drawn pictures: what each measures, and that neither borrows the other's eyes."""

from __future__ import annotations

import ast
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from senses_pictures import bgr, couple, landscape, portrait

from orchestrator.embedded import llm_eyes, llm_hints, llm_judge
from orchestrator.embedded.llm_hints import age_of, is_of_several, portrait_of
from orchestrator.embedded.llm_judge import look
from steps.external.faces import Faces, default_models_dir
from steps.measuring import measure
from steps.options import PrepareOptions
from steps.pose import eyes_open, pose_of
from steps.sight import Seen

OPTIONS = PrepareOptions()


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(default_models_dir())


def test_a_drawn_portrait_looks_ahead_with_open_eyes(faces):
    """All of it from the mesh and the pixels of one face."""
    main = measure(faces, bgr(portrait()), OPTIONS, enlarged=2.0).main
    assert max(abs(main.pose.turn), abs(main.pose.tilt)) < 8
    assert main.eyes_open > OPTIONS.min_eyes_open


def test_a_tilted_head_is_measured_in_degrees(faces):
    """Later steps want the face upright; the sign says to which shoulder."""
    leaning = Image.Image.rotate(portrait(), -20, resample=Image.Resampling.BICUBIC, fillcolor=(70, 75, 60))
    picture = bgr(leaning)
    tilt = pose_of(faces.landmarks(picture, faces.find(picture)[0]).points).tilt
    assert 12 < tilt < 28


def test_eyes_that_are_painted_shut_are_told_from_open_ones(faces):
    """The mesh itself draws open eyes on closed lids."""
    picture = bgr(portrait())
    face = faces.find(picture)[0]
    points = faces.landmarks(picture, face).points
    shut = picture.copy()
    for corner, other in ((33, 133), (362, 263)):
        middle = points[[corner, other], :2].mean(axis=0)
        reach = np.linalg.norm(points[corner, :2] - points[other, :2])
        place = tuple(int(value) for value in middle)
        skin = tuple(int(value) for value in picture[int(middle[1] + reach * 0.8), int(middle[0])])
        cv2.ellipse(shut, place, (int(reach * 0.8), int(reach * 0.5)), 0, 0, 360, skin, -1)
        cv2.ellipse(shut, place, (int(reach * 0.5), int(reach * 0.12)), 0, 0, 180, (40, 50, 70), 2)
    assert eyes_open(shut, points) < OPTIONS.min_eyes_open < eyes_open(picture, points)


def test_the_face_in_pixels_of_the_file_counts(faces):
    """A small scan that was never enlarged gives a blurred film, whatever its share of the picture."""
    small = measure(faces, bgr(portrait(240, 320)), OPTIONS)
    large = measure(faces, bgr(portrait(240, 320)), OPTIONS, enlarged=4.0)
    assert small.face_px < large.face_px == pytest.approx(4 * small.face_px, abs=4)


def test_further_people_are_found_beside_a_face_that_would_pass(faces):
    """The fine search runs for this alone: a small second head must not slip through with the first."""
    assert measure(faces, bgr(couple()), OPTIONS).persons == 2
    scene = bgr(portrait(900, 1200, share=0.16))
    assert measure(faces, scene, OPTIONS).others == ()
    scene[960:1147, 20:160] = bgr(portrait(140, 187))
    assert len(measure(faces, scene, OPTIONS).others) == 1


def test_a_strip_and_a_dot_are_measured_without_a_face(faces):
    """Whatever got through the intake."""
    for shape in ((40, 1280, 3), (1280, 40, 3), (2, 2, 3)):
        assert measure(faces, np.zeros(shape, np.uint8), OPTIONS).persons == 0


def test_the_embedded_judge_shares_no_code_with_the_cpu_checks():
    """Two witnesses that run the same networks are one."""
    for module in (llm_judge, llm_eyes, llm_hints):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not any(name.startswith("steps") for name in names), module.__name__


@pytest.mark.parametrize(
    ("picture", "title", "persons", "is_portrait"),
    [
        (portrait, "A Lady", 1, True),
        (couple, "Two Friends", 2, False),
        (landscape, "Hills", 0, False),
        (portrait, "Girls at the Piano", 2, False),  # the caption knows of another one
        (landscape, "Portrait of a Gentleman", 1, True),  # a beard may hide a face: the other witness saw none
    ],
)
def test_the_embedded_judge_counts_by_cascades_and_captions(picture, title, persons, is_portrait):
    """Its answer fits the schema that every vision model is asked for."""
    seen = Seen.model_validate(look(bgr(picture()), told={"title": title}))
    assert seen.persons == persons
    assert (seen.portrait >= OPTIONS.min_portrait) is is_portrait


def test_blur_is_seen_by_blurring_once_more():
    """Another measure than the Laplacian of the CPU checks."""
    sharp = bgr(portrait())
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 7), np.uint8)
    assert look(sharp, told={})["blur"] < OPTIONS.max_blur < look(soft, told={})["blur"]


@pytest.mark.parametrize(
    ("words", "age"),
    [
        ("Portrait of a Little Girl", "child"),
        ("Portrait d'un vieillard", "old"),
        ("La Jeune Fille à la perle", "young"),
        ("A Lady", "unknown"),
    ],
)
def test_captions_name_ages(words, age):
    """The voice is chosen by it."""
    assert age_of(words) == age


def test_captions_tell_one_person_from_several():
    """The embedded judge has nothing better."""
    assert is_of_several("Les deux cousines")
    assert not is_of_several("Woman Holding a Fan")
    assert portrait_of("", "portrait", "Madame Roland") == 0.5
    assert portrait_of("", "", "Haystacks") == 0.0
