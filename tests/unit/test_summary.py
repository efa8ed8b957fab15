"""What is printed at the end of a night and about items: readable on eighty columns."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_rows import batch, item
from rich.cells import cell_len
from rich.console import Console

from db.states import State
from db.store import Status
from orchestrator.home import Home
from orchestrator.night import NightResult
from orchestrator.report import WrittenReport
from orchestrator.summary import print_item, print_status, print_summary, status_as_json
from steps.registry import default_steps

REASONS = (
    "The face is too small: its width is 0.07 of the picture's shorter side, and at least 0.14 is needed.",
    "The face is blurred: its sharpness is 6.4, and at least 25 is needed.",
    "There is more than one face: 3 besides the main one, and there must be 0.",
)
WRITTEN = WrittenReport(Path("/reels/report.md"), Path("/reels/report.json"), Path("/reels/report.html"))


class Night:
    """As much of a store as the summary asks."""

    def __init__(self, items, *, videos=(), preview=True):
        self._items, self._videos, self._preview = items, videos, preview

    def batch(self, _):
        return batch(preview=self._preview)

    def items(self, _):
        return self._items

    def current_artifacts(self, item_id):
        return [
            SimpleNamespace(name="video", variant=language, path=f"item{item_id}/{language}/video.mp4")
            for one, language in self._videos
            if one == item_id
        ]


def console(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width)


def summary(items, *, width=80, outcome="complete", stopped=None, report=WRITTEN, **night):
    screen = console(width)
    result = NightResult(1, outcome, stopped or {}, Path("/reels/logs/night-0001.jsonl"))
    print_summary(screen, Night(items, **night), Home(Path("/reels")), result, report)
    return screen.file.getvalue()


def test_long_reasons_are_shortened_to_the_first():
    """Six sentences in a narrow column hide the other items; the report has them all."""
    printed = summary([item(1, State.ABORTED, title="Bal du moulin", reasons=REASONS)])
    words = " ".join(printed.replace("│", " ").split())
    assert "at least 0.14 is needed (+2 more)" in words
    assert "blurred" not in words
    assert ".;" not in words
    assert len([line for line in printed.splitlines() if line.startswith("│")]) <= 5


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "title", ["[red]x[/]", "[/]", "two\nlines", "x" * 300, "مرحبا \u202egnp.exe", "👩🏽\u200d🎨" * 20]
)
def test_the_table_keeps_its_shape_whatever_the_title(width, title):
    """One line a title, no line wider than the terminal, the state whole."""
    printed = summary([item(1, title=title), item(2, State.FAILED, title=title, reasons=(title,))], width=width)
    table = [line for line in printed.splitlines() if line[:1] in "┏┡│└"]
    assert table
    assert all(cell_len(line) == cell_len(table[0]) <= width for line in table)
    assert "COMPLETE" in printed
    assert "FAILED" in printed


def test_what_came_out_is_counted_and_listed():
    """One path a line, whole, to be clicked or copied."""
    both = summary([item(1)], videos=[(1, "fr"), (1, "en")])
    assert "2 videos:\n" in both
    assert "  /reels/artifacts/item1/fr/video.mp4\n" in both
    assert "videos: en, fr" in both
    assert "1 video:\n" in summary([item(1)], videos=[(1, "fr")])
    assert "videos" not in summary([item(1, State.FAILED)], preview=False)


def test_what_to_do_next_is_said():
    """A stopped night, a stopped step, a report that could not be written."""
    printed = summary([item(1, State.PENDING)], outcome="stopped", stopped={"audio": "[x] MissingModel: no\nmodel"})
    assert "step audio stopped: [x] MissingModel: no model" in printed
    assert "nightreel resume" in printed
    assert "report: /reels/report.html" in printed
    assert "report:" not in summary([], report=None)


def test_the_status_lists_the_states_in_their_order():
    """And the local time of a night that is not over."""
    found = Status(
        paintings=1,
        lists={"[b]x": 1},
        items={State.COMPLETE: 2, State.PENDING: 1},
        runs={("outro", State.PENDING): 3, ("prepare", State.COMPLETE): 2},
        open_batch=batch(opened_at=datetime(2026, 5, 22, 22, 0, tzinfo=UTC)),
    )
    screen = console()
    print_status(screen, found, default_steps())
    printed = screen.file.getvalue()
    assert printed.startswith("1 painting ([b]x 1)\n")
    assert "1 PENDING, 2 COMPLETE" in printed
    assert printed.index("prepare") < printed.index("outro")
    began = datetime(2026, 5, 22, 22, 0, tzinfo=UTC).astimezone()
    assert f"night 1 is not over; it began {began:%Y-%m-%d %H:%M}" in printed
    assert status_as_json(found)["runs"] == {"outro": {"PENDING": 3}, "prepare": {"COMPLETE": 2}}


def test_an_item_is_described_with_its_last_error():
    """Errors have several lines, and brackets."""
    tries = [{"instance": "card0", "error_message": "[/] out of memory\nTraceback"}, {"instance": None}]
    described = {
        "item": {
            "item_id": 1,
            "title": "[red]x[/]",
            "artist": "[b]",
            "year": 1503,
            "state": "FAILED",
            "reasons": REASONS,
        },
        "runs": [{"run_id": 31, "step": "outro", "variant": "fr", "state": "FAILED", "tries": [*tries[1:], tries[0]]}],
        "artifacts": [{"path": "/reels/[x]/video.mp4"}],
    }
    described["runs"][0]["tries"][0]["error_message"] = None
    screen = console()
    print_item(screen, described)
    printed = screen.file.getvalue()
    assert "item 1: [red]x[/] by [b], 1503\n" in printed
    assert all(f"  {reason}\n" in printed for reason in REASONS)
    assert "[/] out of memory" in printed
    assert "│ 31 " in printed, "what `nightreel explain` takes"
    assert "  /reels/[x]/video.mp4\n" in printed
