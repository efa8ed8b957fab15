"""Sample material is made on disk, found by the networks, read by the catalogue and by libzim, and not made twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from db_world import World
from PIL import Image, ImageOps

from orchestrator import catalogue
from orchestrator.sample.make import ARCHIVES, STAMP, encode, make_samples
from orchestrator.sample.painter import Painted, paint_portrait
from orchestrator.sample.people import ACCEPTED, COLLECTION, REJECTED
from steps.external.faces import Faces, default_models_dir
from steps.judging import Measured, is_clear, measure
from steps.options import PrepareOptions
from zim.archive import Library
from zim.research import research

FEW = ("tanguy", "lebrac", "vanite")


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(default_models_dir())


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two portraits, one of them stored sideways, and a still life."""
    return make_samples(tmp_path_factory.mktemp("samples"), only=lambda sample: sample.slug in FEW)


def upright(path: Path):
    with Image.open(path) as opened:
        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))[:, :, ::-1])


def rows(samples) -> list[dict[str, object]]:
    return [json.loads(line) for line in samples.catalogue.read_text(encoding="utf-8").splitlines()]


def test_the_catalogue_has_a_row_for_each_picture(few):
    """The list holds what is to be accepted and what is not."""
    assert [row["path"] for row in rows(few)] == [path.name for path in few.paintings]
    assert {path.stem for path in few.accept} == {"tanguy", "lebrac"}
    assert {path.stem for path in few.reject} == {"vanite"}
    assert all(path.is_file() for path in (*few.paintings, *few.archives.values()))
    assert {row["source"] for row in rows(few)} == {"sample"}


def test_hostile_titles_reach_the_store_letter_for_letter(few, tmp_path):
    """From here they go into the video."""
    world = World(tmp_path, paintings=0)
    report = catalogue.add(world.store, few.catalogue, list_name=few.list_name)
    assert (report.added, report.bad) == (3, ())
    stored = {row.title: row for row in world.store.unused(few.list_name)}
    assert set(stored) == {sample.title for sample in COLLECTION if sample.slug in FEW}
    assert stored["L'Été à 50 % : la marchande"].sitter == "Rosalie Tanguy"


def test_a_sideways_file_is_upright_once_turned(few, faces):
    """Without heeding EXIF there is no face in it."""
    path = next(path for path in few.paintings if path.stem == "lebrac")
    with Image.open(path) as stored:
        assert stored.getexif()[0x0112] == 6
        assert stored.width > stored.height
    found = faces.find(upright(path))
    assert len(found) == 1
    assert found[0].score >= 0.8


def test_portraits_pass_and_the_still_life_does_not(few, faces):
    """By the same measures that step 0 takes."""
    options = PrepareOptions()
    for path in few.accept:
        measured = measure(faces, upright(path), options)
        assert measured.persons == 1, path.name
        assert measured.share >= 0.2
        assert measured.main.sharpness > 4 * options.min_sharpness
    for path in few.reject:
        assert not passes(measure(faces, upright(path), options), options), path.name


def passes(measured: Measured, options: PrepareOptions) -> bool:
    """Tell whether the measured half of step 0 would accept a picture."""
    clear = measured.main is not None and is_clear(measured.main, options)
    alone = clear and measured.persons == 1 and measured.share >= options.min_face_share
    return alone and measured.main is not None and measured.main.sharpness >= options.min_sharpness


def features_fit(painted: Painted, faces: Faces) -> float:
    """Return how far the mesh's mouth and eyes lie from the painted ones, at most, in face widths."""
    picture = np.ascontiguousarray(painted.picture[:, :, ::-1])
    face = faces.find(picture)[0]
    mesh, true = faces.mesh(picture, face), painted.faces[0]
    pairs = [
        (mesh[[13, 14]].mean(axis=0), true.mouth),
        (mesh[61], true.mouth_corners[0]),
        (mesh[291], true.mouth_corners[1]),
        (mesh[[33, 133]].mean(axis=0), true.eyes[0]),
        (mesh[[362, 263]].mean(axis=0), true.eyes[1]),
    ]
    return max(float(np.hypot(*(np.asarray(one) - other))) for one, other in pairs) / face.w


def test_the_mesh_falls_on_the_painted_mouth_and_eyes(faces):
    """These points drive the lips: beside the mouth they would make a cheek speak."""
    from orchestrator.sample.gallery_baroque import COURCELLE

    assert features_fit(paint_portrait(COURCELLE, seed=1002), faces) < 0.06


def test_nothing_is_made_twice(few, tmp_path):
    """The demo calls this at every start."""
    before = {path.name: path.stat().st_mtime_ns for path in few.catalogue.parent.iterdir()}
    again = make_samples(few.catalogue.parent, only=lambda sample: sample.slug in FEW)
    assert again == few
    assert {path.name: path.stat().st_mtime_ns for path in few.catalogue.parent.iterdir()} == before


def test_what_is_missing_cut_short_or_older_is_made_again(tmp_path, monkeypatch):
    """After an interruption, a full disk or an update the folder is completed."""
    painted: list[str] = []

    def small(sample, *, seed):
        painted.append(f"{sample.slug} {seed}")
        return f"{sample.slug}".encode() * 10

    monkeypatch.setattr("orchestrator.sample.make.encode", small)

    def make(seed=1):
        painted.clear()
        return make_samples(tmp_path, seed=seed, only=lambda sample: sample.slug in FEW)

    made = make()
    assert len(painted) == 3
    make()
    assert painted == []
    made.paintings[0].unlink()
    made.paintings[1].write_bytes(b"cut")
    os.unlink(made.archives["fr"])
    make()
    assert len(painted) == 2
    assert made.archives["fr"].is_file()
    (tmp_path / STAMP).write_text("{ not json")
    make()
    assert len(painted) == 3
    make(seed=2)
    assert sorted(painted) == sorted(
        f"{sample.slug} {2000 + n}" for n, sample in enumerate(COLLECTION) if sample.slug in FEW
    )
    assert not [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp" or path.name.startswith(".")]


def test_the_same_seed_gives_the_same_file():
    """A night over the samples can be repeated elsewhere."""
    sample = next(sample for sample in COLLECTION if sample.slug == "maree-basse")
    assert encode(sample, seed=7) == encode(sample, seed=7)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_articles_are_found_for_every_portrait(few, language):
    """By libzim's full-text search, in both languages: sitter and painter, each with facts of their own."""
    library = Library(few.archives)
    for sample in ACCEPTED:
        facts = research(
            library, language, artist=sample.artist, sitter=sample.sitter, title=sample.title, year=sample.year
        )
        subjects = {fact.article for fact in facts}
        assert sample.artist in subjects, sample.slug
        assert sample.sitter in subjects, sample.slug
        assert len(facts) >= 6
        assert {fact.archive for fact in facts} == {ARCHIVES[language]}


def test_archives_are_small_and_say_what_they_are(few):
    """They are made at every first start."""
    from libzim.reader import Archive

    for language, code in (("fr", b"fra"), ("en", b"eng")):
        path = few.archives[language]
        assert path.stat().st_size < 1_000_000
        archive = Archive(str(path))
        assert archive.check()
        assert archive.has_fulltext_index
        assert bytes(archive.get_metadata("Language")) == code
        assert {"Title", "Date", "Creator", "Description", "Name", "Publisher"} <= set(archive.metadata_keys)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_sample_is_judged_as_it_should_be(tmp_path, faces):
    """The whole collection, as the demo makes it, by the measures of step 0."""
    made = make_samples(tmp_path)
    options = PrepareOptions()
    assert (len(made.accept), len(made.reject)) == (len(ACCEPTED), len(REJECTED))
    for path in made.accept:
        picture = upright(path)
        found = faces.find(picture)
        assert len(found) == 1, path.name
        assert found[0].score >= 0.8, path.name
        measured = measure(faces, picture, options)
        assert measured.persons == 1, path.name
        assert measured.share >= 0.2, path.name
        assert measured.main.sharpness > 4 * options.min_sharpness, path.name
    for path in made.reject:
        assert not passes(measure(faces, upright(path), options), options), path.name
