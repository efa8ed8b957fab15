"""`nightreel script --try`: one script with everything that led to it, and nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from senses_server import says, scripted
from typer.testing import CliRunner

from db.engine import open_database
from db.store import PaintingRow, Store
from orchestrator.cli import app
from orchestrator.clock import SystemClock
from orchestrator.errors import ExitCode
from zim.writer import Article, write_archive

LADY = (
    "<html><body><h1>The Lady in Green</h1><p>The Lady in Green is a portrait by Agnes Holt, painted in 1880. "
    "The portrait hung in a bakery until 1931.</p></body></html>"
)
GOOD = [
    {"text": "My nose has itched since Tuesday.", "facts": []},
    {"text": "Agnes Holt painted me in 1880, and I let her.", "facts": [0]},
    {"text": "I hung in a bakery until 1931, and I still smell of bread.", "facts": [1, 2]},
    {"text": "Now hush, I am a painting again, and I never said a word to you.", "facts": []},
]
BAD = [*GOOD[:3], {"text": "I was stolen by Picasso in 1777.", "facts": [1]}]


@pytest.fixture
def home(tmp_path) -> Path:
    """A config with an archive, and a catalogue with one painting."""
    write_archive(tmp_path / "en.zim", "en", [Article("A/Lady", "The Lady in Green", LADY)])
    (tmp_path / "home").mkdir()
    engine = open_database(tmp_path / "home" / "nightreel.db")
    row = PaintingRow("a" * 64, "/p/1.jpg", "The Lady in Green", artist="Agnes Holt", year=1880)
    Store(engine, SystemClock().now, needs={}).add_paintings([row], list_name="portraits")
    engine.dispose()
    return tmp_path


def tried(home: Path, url: str, *arguments: str) -> tuple[int, str]:
    """Run the command, and return its exit code and what it printed."""
    config = home / "config.yaml"
    config.write_text(f"home: home\nzim: {{en: en.zim}}\nllm: {{text: {{url: '{url}', patience_s: 0}}}}\n", "utf-8")
    done = CliRunner().invoke(app, ["--config", str(config), "script", "--lang", "en", *arguments])
    return done.exit_code, done.output


def test_it_prints_the_script_its_sources_and_what_was_turned_down(home):
    """Found by a part of its title, without regard to case; the catalogue says the rest."""
    before = {path: path.stat().st_size for path in home.rglob("*") if path.suffix == ".db"}
    with scripted(says({"sentences": BAD}), says({"sentences": GOOD})) as model:
        code, printed = tried(home, model.url, "--try", "lady in green")
    assert code == 0
    assert "The Lady in Green — Agnes Holt, 1880" in printed
    assert "I still smell of bread. [1] [2]" in printed
    assert "[2] The Lady in Green, paragraph 1: The portrait hung in a bakery until 1931." in printed
    assert "draft 1: Sentence 4" in printed
    assert "the name Picasso" in printed
    assert {path: path.stat().st_size for path in before} == before
    assert not (home / "home" / "artifacts").exists()


def test_nothing_sound_is_said_with_its_reasons(home):
    """And the shell learns it."""
    with scripted(says({"sentences": [{"text": "Je suis là.", "facts": []}]})) as model:
        code, printed = tried(home, model.url, "--try", "The Lady in Green")
    assert code == ExitCode.SOME_FAILED
    assert "no draft kept the rules" in printed
    assert "not in English" in printed


def test_a_painting_that_the_catalogue_does_not_have_is_described_in_words(home):
    """As JSON too."""
    with scripted(says({"sentences": [GOOD[0], GOOD[1], GOOD[3]]})) as model:
        code, printed = tried(
            home, model.url, "--try", "Old Man", "--artist", "Agnes Holt", "--year", "1880", "--sitter", "Abe", "--json"
        )
    assert code == 0
    found = json.loads(printed)
    assert (found["title"], found["artist"], found["language"]) == ("Old Man", "Agnes Holt", "en")
    assert found["script"]["sentences"][1]["own_data"] is True


def test_a_model_that_does_not_answer_is_said(home):
    """Nobody listens on that port."""
    code, _ = tried(home, "http://127.0.0.1:9/v1", "--try", "Old Man")
    assert code not in (0, ExitCode.SOME_FAILED)
