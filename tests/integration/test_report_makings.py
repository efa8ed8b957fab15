"""The report tells how things were made where there is more than one way, and which checks did not hold."""

from __future__ import annotations

import json

import pytest
import report_nights
from report_nights import Studio, small_night

from orchestrator.report import write_report

FELL_BACK = {"text": "Je vous regarde.", "timing": "energy"}
NO_MODEL = {
    "name": "captions.model",
    "measured": "there is no model.bin in <whisper>",
    "expected": "the model that is set times the words",
    "unit": "",
    "passed": False,
}


def test_a_fallback_is_told_with_the_items_it_is_about(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Captions that were timed without the model are fine, and the owner wants to know why."""
    monkeypatch.setattr(report_nights, "CHECKS", {"subtitles": [NO_MODEL]})
    studio, batch = small_night(tmp_path, ["One", "Two"])
    written = write_report(studio.store, studio.home, batch.id)
    text = written.markdown_path.read_text()
    assert text.index("## Checks that did not hold") < text.index("captions.model")
    assert "1 fr, 1 en, 2 fr, 2 en" in text
    assert "(and 3 more)" in text
    assert "&lt;whisper&gt;" in written.html_path.read_text()
    found = json.loads(written.json_path.read_text())["broken_checks"]
    assert [row[:2] for row in found] == [["subtitles", "captions.model"]]


def test_checks_that_hold_are_not_told(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A table of what is well is one that nobody reads."""
    monkeypatch.setattr(report_nights, "CHECKS", {"subtitles": [{**NO_MODEL, "passed": True}]})
    studio, batch = small_night(tmp_path, ["One"])
    written = write_report(studio.store, studio.home, batch.id)
    assert "Checks that did not hold" not in written.markdown_path.read_text()


def test_each_way_is_counted(tmp_path):
    """Two of the captions had their times from the model, and the others had not."""
    studio = Studio(tmp_path, ["One"])
    batch = studio.open()
    studio.work(batch, until="subtitles")
    for number, run in enumerate(run for run in studio.store.snapshot(batch.id) if run.step == "subtitles"):
        attempt = studio.claim(batch, run)
        studio.complete(attempt, data=FELL_BACK if number else {**FELL_BACK, "timing": "whisper"})
    studio.work(batch)
    written = write_report(studio.store, studio.home, batch.id)
    how = json.loads(written.json_path.read_text())["how"]
    assert ["captions timed by", "energy", "1"] in how
    assert ["captions timed by", "whisper", "1"] in how
    assert "## How it was made" in written.markdown_path.read_text()
