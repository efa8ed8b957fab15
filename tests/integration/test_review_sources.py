"""What each sentence of a script rests on is seen in the morning: in the terminal, in its JSON and in the report."""

from __future__ import annotations

import io
import json

from report_nights import Studio
from rich.console import Console

from orchestrator.report import write_report
from orchestrator.review.terminal import review_in_terminal
from orchestrator.review.waiting import waiting_videos
from orchestrator.sources import Told, told_by

FACT = {"article": "La Joconde", "archive": "fr.zim", "paragraph": 2, "text": "Le tableau est volé <b>en 1911</b>."}
SCRIPT = {
    "text": "On m'a volée en 1911. J'y pense encore. Encore 1911, et je suis Lisa.",
    "sentences": [
        {"text": "On m'a volée en 1911.", "sources": [FACT], "own_data": False},
        {"text": "J'y pense encore.", "sources": [], "own_data": False},
        {"text": "Encore 1911, et je suis Lisa.", "sources": [FACT, FACT | {"paragraph": 0}], "own_data": True},
    ],
}


def night_with(tmp_path, script) -> Studio:
    """Make one finished night whose French script is this one."""
    studio = Studio(tmp_path, ["La Joconde"])
    batch = studio.open(1, languages=("fr",))
    studio.work(batch, until="script")
    run = next(one for one in studio.store.snapshot(batch.id) if one.step == "script")
    studio.complete(studio.claim(batch, run), data=script)
    studio.work(batch)
    studio.close(batch)
    return studio


def printed_review(studio: Studio, monkeypatch) -> str:
    """Return what a review prints whose input ends at the first question."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    console = Console(file=io.StringIO(), width=200)
    review_in_terminal(console, studio.store, studio.home)
    return console.file.getvalue()


def test_each_sentence_is_marked_with_its_paragraphs(tmp_path, monkeypatch):
    """Once each, in the order in which they are first needed."""
    studio = night_with(tmp_path, SCRIPT)
    (video,) = waiting_videos(studio.store, studio.home)
    assert video.told.marked == "On m'a volée en 1911. [1] J'y pense encore. Encore 1911, et je suis Lisa. [1] [2]"
    printed = printed_review(studio, monkeypatch)
    assert video.told.marked in printed
    assert "[1] La Joconde, paragraph 3: Le tableau est volé <b>en 1911</b>." in printed
    assert "[2] La Joconde, paragraph 1: " in printed


def test_the_sources_go_along_as_json_and_into_the_report(tmp_path):
    """What an article says is text there, not markup."""
    studio = night_with(tmp_path, SCRIPT)
    (video,) = waiting_videos(studio.store, studio.home)
    sentences = json.loads(json.dumps(video.as_json(), default=str))["sentences"]
    assert [len(one["sources"]) for one in sentences] == [1, 0, 2]
    assert sentences[0]["sources"][0] == {"article": "La Joconde", "paragraph": 2, "text": FACT["text"]}
    page = write_report(studio.store, studio.home, 1).html_path.read_text("utf-8")
    assert "What they say" in page
    assert "La Joconde, paragraph 3<br><q>Le tableau est volé &lt;b&gt;en 1911&lt;/b&gt;.</q>" in page


def test_a_script_without_sources_is_shown_as_it_is(tmp_path, monkeypatch):
    """From an older version, or from a step of somebody's own."""
    for odd in (
        {},
        {"sentences": "x"},
        {"sentences": [3, {"sources": 4}, {"text": None, "sources": [{"paragraph": "x"}]}]},
    ):
        assert isinstance(told_by(odd), Told)
    studio = night_with(tmp_path, {"text": "Je vous regarde."})
    assert "Je vous regarde." in printed_review(studio, monkeypatch)
    assert "What they say" not in write_report(studio.store, studio.home, 1).html_path.read_text("utf-8")
