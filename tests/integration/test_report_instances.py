"""The report tells of restarts, with the rule that fired, and of instances that were left out, with why."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from report_nights import Studio
from rich.console import Console

from db.canaries import GOOD as GOOD_CANARY
from db.canaries import Canaries, CanaryView
from orchestrator.log import NightLog
from orchestrator.night import NightResult
from orchestrator.report import write_report
from orchestrator.report.instances import instance_stories, left_out_words, restarts_grid
from orchestrator.summary import print_summary


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "night.jsonl"


def tell(path: Path, *events: tuple[str, dict[str, object]]) -> None:
    night_log = NightLog(path)
    for name, facts in events:
        night_log.logger().info(name, **facts)
    night_log.close()


GOOD = [
    ("instance.restarting", {"instance": "card0", "reason": "between clean_pic and outro: RSS 41.0 GB > 32 GB"}),
    ("instance.down", {"instance": "card0", "message": "no SSH connection"}),
    ("instance.restarted", {"instance": "card0"}),
]
BAD = [
    ("instance.restarting", {"instance": "card1", "reason": "Hung: nothing came for 90 s"}),
    ("instance.down", {"instance": "card1", "message": "`systemctl` ended with exit code 1"}),
    ("instance.down", {"instance": "card1", "message": "`systemctl` ended with exit code 1"}),
    ("instance.set_aside", {"instance": "card1", "reason": "`systemctl` ended with exit code 1: | no | <unit>"}),
]


def test_a_restart_is_told_with_the_rule_that_fired(log_path):
    """And what its first try ended with."""
    tell(log_path, *GOOD)
    grid = restarts_grid(instance_stories(log_path))
    ((_, name, why, came),) = grid.rows
    assert (name, why) == ("card0", "between clean_pic and outro: RSS 41.0 GB > 32 GB")
    assert came == "it answered again after 1 failed try: no SSH connection"
    assert grid.lead == ""


def test_an_instance_that_was_left_out_is_told_in_words(log_path):
    """Since when, after how many failures, and why."""
    tell(log_path, *GOOD, *BAD)
    (words,) = left_out_words(instance_stories(log_path))
    assert words.startswith("card1 was left out from ")
    assert "on, after 2 failed restarts: `systemctl` ended with exit code 1: | no | <unit>." in words
    assert restarts_grid(instance_stories(log_path)).rows[1][3] == (
        "it did not come back after 2 failed tries: `systemctl` ended with exit code 1"
    )


def test_one_left_out_without_any_restart_is_told_too(log_path):
    """It has no way to be restarted."""
    tell(log_path, ("instance.set_aside", {"instance": "card1", "reason": "it hangs; it has no `restart`"}))
    grid = restarts_grid(instance_stories(log_path))
    assert [row[1:] for row in grid.rows] == [("card1", "it hangs; it has no `restart`.", "left out")]
    assert "failed restart" not in grid.lead


def test_an_instance_that_the_next_start_greets_again_is_not_left_out(log_path):
    """A night that was resumed after the operator repaired it."""
    tell(log_path, *BAD, ("instance.ready", {"instance": "card1", "url": "http://x"}))
    assert left_out_words(instance_stories(log_path)) == []


def test_lines_that_cannot_be_read_are_passed_over(log_path):
    """A crash cuts the last one."""
    tell(log_path, *BAD)
    with log_path.open("ab") as file:
        file.write(
            b'{"event": "instance.rest\n"instance."\n["instance."]\n{"at": 3, "instance": "instance."}\n\xff"instance.'
        )
    assert len(instance_stories(log_path)) == 1
    assert instance_stories(log_path.with_name("none")) == ()


def test_the_report_and_the_summary_say_it(tmp_path):
    """First of all in the report: what nobody may miss."""
    studio = Studio(tmp_path, ["One"])
    batch = studio.open()
    tell(studio.home.log_of(batch.id), *GOOD, *BAD)
    written = write_report(studio.store, studio.home, batch.id)
    text = written.markdown_path.read_text()
    assert text.index("Restarts, and instances left out") < text.index("## Not made")
    assert "card1 was left out from" in text
    page = written.html_path.read_text()
    assert "card1 was left out from" in page
    assert "&lt;unit&gt;" in page
    told = {one["instance"]: one for one in json.loads(written.json_path.read_text())["restarts"]}
    assert told["card0"]["left_out"] is None
    assert told["card1"]["left_out"]["failed_restarts"] == 2
    console = Console(file=io.StringIO(), width=200)
    result = NightResult(batch.id, "complete", {}, studio.home.log_of(batch.id))
    print_summary(console, studio.store, studio.home, result, None)
    assert "card1 was left out from" in console.file.getvalue()


def test_the_report_has_what_the_canaries_found(tmp_path):
    """A card that is slower than in its last good night is named at the top, and the good ones stand below."""
    studio = Studio(tmp_path, ["One"])
    batch = studio.open()
    canaries = Canaries(studio.store.engine)
    at = studio.clock.now()
    canaries.add(CanaryView("card0", at, GOOD_CANARY, 3.25, "ab", {"words": "as in the last good night"}, batch.id))
    canaries.add(CanaryView("card1", at, "slow", 9.0, "ab", {"words": "9.0 s, three times | <as long>"}, batch.id))
    written = write_report(studio.store, studio.home, batch.id)
    text = written.markdown_path.read_text()
    assert "Not as in the last good night: card1." in text
    assert text.index("Not as in") < text.index("## Not made")
    assert "&lt;as long&gt;" in written.html_path.read_text()
    told = {one["instance"]: one for one in json.loads(written.json_path.read_text())["canaries"]}
    assert (told["card0"]["outcome"], told["card0"]["seconds"]) == ("good", 3.25)
    assert told["card1"]["words"] == "9.0 s, three times | <as long>"
