"""`nightreel prepare --try`: one sheet of verdicts with their figures, from files alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from senses_pictures import couple, landscape, portrait
from senses_server import errs, scripted
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.errors import ConfigError
from orchestrator.seeing import sheet
from orchestrator.seeing.eyes import Eyes
from orchestrator.seeing.overrides import differences, with_overrides
from orchestrator.seeing.page import render
from orchestrator.seeing.sheet import draw_sheets
from orchestrator.seeing.trial import Trial, try_pictures
from orchestrator.seeing.words import LABELS, place_of, tip
from orchestrator.seeing.writing import write_sheets
from steps.external.faces import default_models_dir
from steps.options import LlmEndpoint, PrepareOptions

HOSTILE = "<script>alert(1)</script> & 'x'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A portrait, two people, a landscape and a text file that calls itself a picture."""
    place = tmp_path_factory.mktemp("pictures")
    portrait().save(place / "A Lady.png")
    couple().save(place / "b.png")
    landscape().save(place / "c.jpg")
    (place / "d.jpg").write_text("Mona Lisa\n" * 20)
    return place


def tried(folder: Path, **changes: object) -> Trial:
    options = PrepareOptions(**changes)
    return try_pictures(folder, options, models_dir=default_models_dir(), eyes=Eyes(LlmEndpoint()), most=10)


@pytest.fixture(scope="module")
def trial(folder) -> Trial:
    return tried(folder)


def test_each_picture_gets_its_verdict_and_the_accepted_ones_come_first(trial):
    """An owner reads from the top: what will be made, then what nearly was."""
    assert trial.tried[0].path.name == "A Lady.png"
    assert {one.path.name: one.outcome for one in trial.tried} == {
        "A Lady.png": "accepted",
        "b.png": "turned down",
        "c.jpg": "turned down",
        "d.jpg": "turned down",
    }
    unread = next(one for one in trial.tried if one.path.name == "d.jpg")
    assert unread.verdict.reasons == ("The file is a text and no picture, whatever its name says.",)
    assert unread.thumbnail is None


def test_a_narrow_verdict_says_which_threshold_would_change_it(folder):
    """And the advice is true: with that value the picture passes."""
    lady = folder / "A Lady.png"
    findings = {finding.name: finding for finding in tried(lady).tried[0].verdict.findings}
    share = findings["face.share"].measured
    narrow = tried(lady, min_face_share=share + 0.02).tried[0]
    assert narrow.is_close
    assert tip(narrow) == f"would pass with prepare.min_face_share={share}"
    options = with_overrides(PrepareOptions(), [tip(narrow).removeprefix("would pass with ")])
    assert tried(lady, **options.model_dump()).tried[0].outcome == "accepted"


def test_the_page_needs_nothing_else_and_names_are_only_text(folder, tmp_path):
    """It is sent around; and file names come from others."""
    hostile = tmp_path / "p"
    hostile.mkdir()
    landscape().resize((320, 300)).save(hostile / f"{HOSTILE.replace('/', '')}.png")
    page = render(tried(hostile), changed={"prepare.min_text": ("<b>", "</style>")})
    assert "<script" not in page.replace("&lt;script", "")
    assert "</style>" in page
    assert page.count("</style>") == 1
    for outside in ("http://", "https://", 'src="/', "@import", "url("):
        assert outside not in page
    assert "data:image/jpeg;base64," in page


def test_the_picture_goes_on_on_a_second_sheet(trial, monkeypatch):
    """A thousand pictures must not become one file that no viewer opens."""
    assert len(draw_sheets(trial, changed={})) == 1
    monkeypatch.setattr(sheet, "CARDS_A_SHEET", 3)
    assert [one.mode for one in draw_sheets(trial, changed={})] == ["RGB", "RGB"]
    empty = Trial(trial.folder, (), left_out=0, witnesses="x")
    assert len(draw_sheets(empty, changed={})) == 1


def test_an_earlier_trials_sheets_do_not_stay_beside_the_new_ones(trial, tmp_path):
    """Whoever compares thresholds must not look at the old ones."""
    (tmp_path / "sheet-2.png").write_bytes(b"old")
    files = write_sheets(trial, tmp_path, changed={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheet.html", "sheet.png"]
    with Image.open(io.BytesIO(files[1].read_bytes())) as drawn:
        assert drawn.format == "PNG"


def test_every_finding_has_a_name_for_people_and_a_place_on_its_bar(trial):
    """Right of the middle passes: on every bar alike."""
    for one in trial.tried:
        for finding in one.verdict.findings:
            assert finding.name in LABELS
            place = place_of(finding)
            assert place is None or (0 <= place <= 1 and (place >= 0.5) is finding.passed)


def test_settings_are_tried_without_being_stored():
    """The key with or without its group; every wrong pair is named at once."""
    options = with_overrides(PrepareOptions(), ["prepare.min_face_share=0.2", "facings=[front, profile]"])
    assert options.min_face_share == 0.2
    assert options.facings == ("front", "profile")
    assert set(differences(PrepareOptions(), options)) == {"prepare.min_face_share", "prepare.facings"}
    with pytest.raises(ConfigError) as caught:
        with_overrides(PrepareOptions(), ["x", "prepare.smile=1", "min_face_share=wide"])
    for word in ("'x' is not", "prepare.smile: no such key", "prepare.min_face_share"):
        assert word in str(caught.value)


def test_a_model_that_does_not_answer_is_asked_once_and_the_sheet_says_so(folder):
    """A person waits; and must not take a verdict of the CPU alone for one of all witnesses."""
    with scripted(errs(503, "loading")) as model:
        eyes = Eyes(LlmEndpoint(url=model.url, patience_s=0))
        trial = try_pictures(folder, PrepareOptions(), models_dir=default_models_dir(), eyes=eyes, most=10, workers=1)
        assert len(model.asked) == 1
    assert "did not answer" in trial.witnesses
    assert trial.tried[0].outcome == "accepted"
    assert "vision.persons" not in {finding.name for finding in trial.tried[0].verdict.findings}


def test_the_command_writes_the_sheet_and_touches_nothing_else(folder, tmp_path, monkeypatch):
    """No config file, no home, no database: a stranger may try his folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTREEL_CONFIG", raising=False)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = CliRunner().invoke(app, ["prepare", "--try", str(folder), "--most", "3", "--out", "seen", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [Path(name).name for name in told["files"]] == ["sheet.html", "sheet.png"]
    assert [one["outcome"] for one in told["pictures"]] == ["accepted", "turned down", "turned down"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen"]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
