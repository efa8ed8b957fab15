"""The second opinion on nudity fails closed: whatever happens to the detector, nothing is let through for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from senses_pictures import portrait
from senses_server import says, scripted
from test_prepare_step import GOOD, prepare, stored

from steps.errors import ResourceMissing
from steps.external import nudity
from steps.external.nudity import Exposed, second_opinion


@pytest.fixture
def detector(tmp_path, monkeypatch) -> Callable[[str], None]:
    """Put a shell script that behaves as told in the place of the Python that has the detector."""

    def behave(script: str) -> None:
        monkeypatch.setattr(nudity, "PYTHON", interpreter(tmp_path, script))

    return behave


def interpreter(folder: Path, script: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -9 $$", "it ended badly"),
        ("kill -SEGV $$", "it ended badly"),
        ("exit 3", "it ended badly"),
        ("echo nothing", "cannot be read"),
        ("echo '{}'", "cannot be read"),
        ("true", "cannot be read"),
        ("""echo '{"found": [{"class": "BUTTOCKS_EXPOSED", "score": "NaN"}]}'""", "a score that is none"),
        ("sleep 60", "ran past its limit"),
    ],
)
def test_whatever_goes_wrong_is_a_failure_and_not_a_clean_picture(tmp_path, detector, script, words):
    """A crash that reads as "nothing found" would let through what it was asked about."""
    detector(script)
    found = second_opinion(tmp_path / "a.png", timeout_s=1.0)
    assert found.failed is not None
    assert words in found.failed
    assert not found.is_missing


def test_only_what_is_exposed_and_counts_is_nudity(tmp_path, detector):
    """The detector calls a dressed lady a covered breast, and a face is always exposed."""
    said = '{"found": [{"class": "FEMALE_BREAST_COVERED", "score": 0.9}, {"class": "FACE_FEMALE", "score": 0.9}, %s]}'
    dressed = said % '{"class": "ARMPITS_EXPOSED", "score": 0.8}'
    detector(f"echo '{dressed}'")
    assert second_opinion(tmp_path) == Exposed(0.0)
    bare = said % '{"class": "FEMALE_BREAST_EXPOSED", "score": 0.7}'
    detector(f"echo '{bare}'")
    found = second_opinion(tmp_path)
    assert (found.score, found.part, found.failed) == (0.7, "female breast", None)


def test_a_detector_that_is_not_installed_stops_the_step_for_all(tmp_path, detector):
    """It is wanted: the paintings wait for a person, and not one of them is used up or let through."""
    detector("echo \"No module named 'nudenet'\" >&2; exit 1")
    with scripted(says(GOOD)) as model, pytest.raises(ResourceMissing, match=r"nightreel\[nudity\]"):
        prepare(stored(portrait(), tmp_path), model.url, work=tmp_path / "w", nudity_check="nudenet")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -9 $$", "without it nothing passes"),
        ("""echo '{"found": [{"class": "BUTTOCKS_EXPOSED", "score": 0.6}]}'""", "sees nudity (buttocks): 0.6"),
        ("""echo '{"found": []}'""", ""),
    ],
)
def test_the_step_asks_it_about_what_would_pass(tmp_path, detector, script, reason):
    """And only an answer that says nothing is a pass; no file of it stays behind."""
    detector(script)
    with scripted(says(GOOD)) as model:
        done = prepare(stored(portrait(), tmp_path), model.url, work=tmp_path / "w", nudity_check="nudenet")
    assert reason in " ".join(done.turned_down)
    assert bool(done.turned_down) is bool(reason)
    assert not (tmp_path / "w" / "shown.png").exists()
    assert done.data["verdict"]["nudity"] is not None


def test_it_is_not_asked_unless_it_is_wanted(tmp_path, detector):
    """It takes two seconds a painting."""
    detector("exit 1")
    with scripted(says(GOOD)) as model:
        assert prepare(stored(portrait(), tmp_path), model.url, work=tmp_path / "w").turned_down == ()


def test_the_real_detector_passes_a_dressed_portrait(tmp_path):
    """Where it is installed: the process, its answer and its classes are what this side expects."""
    pytest.importorskip("nudenet")
    portrait().save(tmp_path / "a.png")
    assert second_opinion(tmp_path / "a.png") == Exposed(0.0)
